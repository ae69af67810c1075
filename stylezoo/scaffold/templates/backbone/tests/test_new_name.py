"""The plugin conforms to its interface, and the backbone does what it should."""

import torch

import stylezoo
from stylezoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    """Runs the conformance kit on everything that the plugin registers."""

    plugin = "stylezoo-new-name"


def test_each_layer_has_half_the_size_of_the_one_before():
    backbone = stylezoo.create_backbone("new-name")
    features = backbone(torch.rand(2, 3, 32, 48), backbone.layers)
    shapes = [tuple(features[layer].shape) for layer in backbone.layers]
    assert shapes == [(2, 16, 32, 48), (2, 32, 16, 24), (2, 64, 8, 12)]
