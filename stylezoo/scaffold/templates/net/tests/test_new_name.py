"""The plugin conforms to its interface, and the net does what it should."""

import pytest
import torch

import stylezoo
from stylezoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    """Runs the conformance kit on everything that the plugin registers."""

    plugin = "stylezoo-new-name"


def test_a_picture_stays_a_picture():
    net = stylezoo.create_net("new-name", width=4).eval()
    images = net(torch.rand(2, 3, 32, 48))
    assert images.shape == (2, 3, 32, 48)
    assert 0 <= images.min() <= images.max() <= 1


def test_a_width_out_of_range_is_refused():
    with pytest.raises(stylezoo.StyleZooError, match="width is 0"):
        stylezoo.create_net("new-name", width=0)
