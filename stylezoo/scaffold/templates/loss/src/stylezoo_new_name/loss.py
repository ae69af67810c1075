"""The loss ``new-name``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss

EPSILON = 1e-8  # avoids a division by 0 for a painting whose features are all 0


def describe(features: Tensor) -> Tensor:
    """What the loss compares in one layer: here, the mean of each channel. CHANGE THIS.

    Args:
        features: (B, C, h, w); (B, C, 1, K) if the loss is restricted to a region.

    Returns:
        (B, ...), with a shape that does not depend on h and w.
    """
    return features.mean(dim=(-2, -1))


class NewNameLoss(Loss):
    """Compares the descriptions of picture and painting, layer by layer.

    Args:
        layers: of the backbone; by default two that VGG16 and VGG19 both have.
    """

    target_from = "style"  # or "content", or None for a loss on the picture alone

    def __init__(self, *, layers: Sequence[str] = ("relu1_1", "relu2_1")) -> None:
        super().__init__()
        self._layers = tuple(layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that the loss reads."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Describe the painting, which happens once rather than at each step."""
        return {layer: describe(features[layer]) for layer in self.layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The mean squared difference of the descriptions, a scalar.

        It is divided by the painting's mean square, so that a weight suits every painting alike.
        """
        terms = [
            mean_square(describe(features[layer]) - target[layer])
            / (mean_square(target[layer]) + EPSILON)
            for layer in self.layers
        ]
        return torch.stack(terms).mean()


def mean_square(values: Tensor) -> Tensor:
    """The mean square of each image: (B, ...) to (B)."""
    return values.flatten(1).square().mean(dim=1)
