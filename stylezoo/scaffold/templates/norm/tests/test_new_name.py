"""The plugin conforms to its interface, and the norm does what it should."""

import torch

import stylezoo
from stylezoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    """Runs the conformance kit on everything that the plugin registers."""

    plugin = "stylezoo-new-name"


def test_every_channel_has_the_root_mean_square_1():
    norm = stylezoo.get_norm("new-name")(4)
    features = norm(5 * torch.rand(2, 4, 16, 16) + 3)
    power = features.square().mean(dim=(-2, -1))
    assert torch.allclose(power, torch.ones(2, 4), atol=1e-4)


def test_a_net_is_trained_with_it():
    net = stylezoo.create_net("johnson", width=4, residual_blocks=1, norm="new-name")
    net(torch.rand(1, 3, 32, 32)).mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())
