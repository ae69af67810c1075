"""The backbone ``new-name``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylezoo import Backbone
from stylezoo.errors import OptionError

CHANNELS = (3, 16, 32, 64)


class NewNameBackbone(Backbone):
    """Convolutions, each at half the resolution of the one before. CHANGE THIS to your network.

    Args:
        seed: for the random weights.
    """

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        convolutions = [
            nn.Conv2d(before, after, 3, padding=1, padding_mode="replicate", bias=False)
            for before, after in pairwise(CHANNELS)
        ]
        generator = torch.Generator().manual_seed(seed)
        for convolution in convolutions:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu", generator=generator)
        self.convolutions = nn.ModuleList(convolutions)
        self.requires_grad_(False)  # a backbone is frozen; gradients flow through it to images
        self.eval()

    @property
    def layers(self) -> tuple[str, ...]:
        """``relu1`` to ``relu3``, shallow to deep."""
        return tuple(f"relu{number}" for number in range(1, len(CHANNELS)))

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Compute the features of some layers; see ``Backbone.forward``."""
        unknown = [layer for layer in layers if layer not in self.layers]
        if unknown:
            raise OptionError(
                f"the backbone has no layer {unknown[0]!r}; it has {', '.join(self.layers)}"
            )
        # A backbone does its own preprocessing; images are float32 even with bfloat16 weights.
        features = (images * 2 - 1).to(next(self.parameters()).dtype)
        found: dict[str, Tensor] = {}
        for name, convolution in zip(self.layers, self.convolutions, strict=True):
            if set(layers) <= set(found):
                break  # go no deeper than requested
            if name != self.layers[0]:
                features = F.avg_pool2d(features, 2, ceil_mode=True)
            features = convolution(features).relu()
            if name in layers:
                found[name] = features
        return {layer: found[layer] for layer in layers}
