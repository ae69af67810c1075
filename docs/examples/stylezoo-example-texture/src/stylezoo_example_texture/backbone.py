"""The backbone ``gabor``: what simple cells of the visual cortex respond to, at four scales.

The filters are those of Daugman 1985 ("Uncertainty relation for resolution in space, spatial
frequency, and orientation", J. Opt. Soc. Am. A 2): a wave under a Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylezoo import Backbone
from stylezoo.errors import OptionError

SCALES = 4
PHASES = 4  # of the wave: even and odd, each in both signs, for what is negative is cut off
COLORS = 3
SIDE = 9  # of a filter, pixels
WAVELENGTH = 4.0  # pixels
DEVIATION = 2.0  # of the Gaussian, pixels


class GaborBackbone(Backbone):
    """Each colour channel through Gabor filters; each scale at half the size of the one before.

    Args:
        orientations: how many there are, from 1 to 32.

    Raises:
        OptionError: orientations is out of its range.
    """

    filters: Tensor

    def __init__(self, *, orientations: int = 4) -> None:
        super().__init__()
        if not 1 <= orientations <= 32:
            raise OptionError(f"orientations is {orientations}; it must be from 1 to 32")
        filters = gabor_filters(orientations)
        self.register_buffer("filters", filters[:, None].repeat(COLORS, 1, 1, 1))

    @property
    def layers(self) -> tuple[str, ...]:
        """``scale1``, the finest, to ``scale4``."""
        return tuple(f"scale{number}" for number in range(1, SCALES + 1))

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Compute the features of some layers; see ``Backbone.forward``."""
        unknown = [layer for layer in layers if layer not in self.layers]
        if unknown:
            raise OptionError(
                f"the backbone has no layer {unknown[0]!r}; it has {', '.join(self.layers)}"
            )
        scaled = images.to(self.filters.dtype)
        found: dict[str, Tensor] = {}
        for name in self.layers:
            if set(layers) <= set(found):
                break  # no deeper than it is asked
            if name != self.layers[0]:
                scaled = F.avg_pool2d(scaled, 2, ceil_mode=True)
            if name in layers:
                padded = F.pad(scaled, (SIDE // 2,) * 4, mode="replicate")
                found[name] = F.conv2d(padded, self.filters, groups=COLORS).relu()
        return {layer: found[layer] for layer in layers}


def gabor_filters(orientations: int) -> Tensor:
    """The filters, (orientations × PHASES, SIDE, SIDE), each of mean 0 and length 1."""
    offsets = torch.arange(SIDE, dtype=torch.float64) - SIDE // 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    window = torch.exp(-(x.square() + y.square()) / (2 * DEVIATION**2))
    filters = []
    for number in range(orientations):
        angle = math.pi * number / orientations
        across = x * math.cos(angle) + y * math.sin(angle)
        for phase in range(PHASES):
            wave = torch.cos(2 * math.pi * (across / WAVELENGTH + phase / PHASES))
            # Less a multiple of the window, so that a flat picture gives nothing.
            filtered = window * (wave - (window * wave).sum() / window.sum())
            filters.append(filtered / filtered.norm())
    return torch.stack(filters).float()
