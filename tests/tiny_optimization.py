"""A one-second optimisation with a random backbone, and a painting for it."""

import numpy as np

from stylezoo import OptimizationConfig
from stylezoo.images import Photo

RANDOM = {"weights": "random"}


def small(**changes):
    """A quick config, the same on every machine: the first two blocks of a random VGG16."""
    options = {
        "backbone": "vgg16",
        "backbone_options": RANDOM,
        "content_layers": ("relu2_2",),
        "style_layers": ("relu1_1", "relu2_1"),
        "normalization": "relative",
        "style_weight": 5.0,
        "size": 48,
        "iterations": 10,
        "precision": "fp32",
        "device": "cpu",
        "start": "content",
    }
    return OptimizationConfig(**{**options, **changes})


def same(first, second):
    return np.array_equal(first.photo.rgb, second.photo.rgb)


def stripes(direction, colours, size=72):
    """A painting of stripes in two colours."""
    steps = np.arange(size) // 4 % 2
    pattern = steps[None, :] if direction == "down" else steps[:, None]
    rgb = np.where(np.broadcast_to(pattern, (size, size))[..., None], *np.array(colours))
    return Photo(rgb=rgb.astype(np.float32))
