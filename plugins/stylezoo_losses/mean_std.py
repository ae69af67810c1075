"""The style loss by channel statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss
from stylezoo_losses.normalization import EPSILON, checked_layer_weights, checked_layers


class MeanStdLoss(Loss):
    """Squared distance of the means and standard deviations of channels, over positions.

    For each layer Σ (μ(F) − μ(A))² / C + Σ (σ(F) − σ(A))² / C over its C channels, summed over the
    layers. Sources: Huang & Belongie 2017, "Arbitrary style transfer in real-time with adaptive
    instance normalization" (arXiv 1703.06868), equation 13, with norms instead of squares; Li et
    al. 2017, "Demystifying neural style transfer" (arXiv 1701.01036), "BN statistics matching",
    which has the squares and 1 / C.

    Args:
        layers: whose features to compare.
        layer_weights: weight of each layer's distance; None for 1.

    Raises:
        OptionError: no layer, a repeated layer, or a weight out of range.
    """

    target_from = "style"

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),
        layer_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self._layers = checked_layers(layers)
        self.layer_weights = checked_layer_weights(layer_weights, self._layers, 1.0)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers compared."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Means and standard deviations of each layer, (1, 2, C)."""
        return {layer: mean_and_std(features[layer].detach()) for layer in self._layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        terms = []
        for layer, weight in zip(self._layers, self.layer_weights, strict=True):
            difference = mean_and_std(features[layer]) - target[layer]
            terms.append(weight * difference.square().sum(dim=1).mean())
        return torch.stack(terms).sum()


def mean_and_std(features: Tensor) -> Tensor:
    """The mean and standard deviation of each channel over positions.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, 2, C), means first.
    """
    variance, mean = torch.var_mean(features.flatten(2), dim=2, correction=0)
    # The square root has no derivative at 0, which is the variance of a constant channel.
    return torch.stack([mean, (variance + EPSILON).sqrt()], dim=1)
