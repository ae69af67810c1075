"""The plugin conforms to its interface, and the loss does what it should."""

import torch

import stylezoo
from stylezoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    """Runs the conformance kit on everything that the plugin registers."""

    plugin = "stylezoo-new-name"


def test_the_painting_itself_has_no_loss_and_another_picture_has():
    loss = stylezoo.create_loss("new-name", layers=("layer",))
    painting = {"layer": torch.rand(1, 8, 16, 16)}
    target = loss.target(painting)
    assert loss(painting, target).item() == 0
    assert loss({"layer": 2 * painting["layer"] + 1}, target).item() > 0
