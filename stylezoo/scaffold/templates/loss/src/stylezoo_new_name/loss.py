"""The loss ``new-name``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss

EPSILON = 1e-8  # keeps a painting without any features from a division by 0


def describe(features: Tensor) -> Tensor:
    """What the loss compares, of one layer. CHANGE THIS: here, the mean of each channel.

    Args:
        features: (B, C, h, w); (B, C, 1, K) if the loss is restricted to a region.

    Returns:
        (B, ...), of a shape that does not depend on h and w.
    """
    return features.mean(dim=(-2, -1))


class NewNameLoss(Loss):
    """Compares each layer of a picture, as ``describe`` sees it, with the painting's.

    Args:
        layers: of the backbone; by default two that VGG16 and VGG19 have.
    """

    target_from = "style"  # or "content", or None for a loss on the picture alone

    def __init__(self, *, layers: Sequence[str] = ("relu1_1", "relu2_1")) -> None:
        super().__init__()
        self._layers = tuple(layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are read."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Describe the painting, once."""
        return {layer: describe(features[layer]) for layer in self.layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The mean squared difference of the descriptions, a scalar.

        It is relative to the painting's own, so that a weight means the same for each painting.
        """
        terms = [
            mean_square(describe(features[layer]) - target[layer])
            / (mean_square(target[layer]) + EPSILON)
            for layer in self.layers
        ]
        return torch.stack(terms).mean()


def mean_square(values: Tensor) -> Tensor:
    """Of each image: (B, ...) to (B)."""
    return values.flatten(1).square().mean(dim=1)
