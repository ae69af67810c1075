"""A backbone that asks for a pebibyte: on the CPU, torch raises a plain RuntimeError."""

import torch

from stylezoo import Backbone
from tests.catalogs import catalog_with


class Vast(Backbone):
    layers = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3", "relu4_3")

    def forward(self, images, layers):
        return {layer: torch.empty(1 << 50, dtype=torch.uint8) for layer in layers}


def catalog_with_vast():
    """The installed plugins plus the backbone "vast"."""
    return catalog_with("backbones", "vast", Vast)
