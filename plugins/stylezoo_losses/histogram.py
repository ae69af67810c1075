"""The style loss by histograms of activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss
from stylezoo_losses.normalization import checked_layer_weights, checked_layers
from stylezoo_losses.quantiles import resample_sorted


class HistogramLoss(Loss):
    """Squared distance of activations to themselves with the style's histogram.

    Each channel of the image is remapped so that its values are distributed like the style's: the
    smallest takes the style's smallest value, and so on. The loss is the mean squared difference
    between the activations and the remapped ones, through which no gradient flows, as in the
    paper; summed over the layers. It keeps the Gram loss from unstable textures that share a matrix
    but not a histogram. Source: Risser, Wilmot & Barnes 2017, "Stable and controllable neural
    texture synthesis and style transfer using histogram losses" (arXiv 1701.08893), section 4,
    where binned histograms are matched and squares are summed.

    Args:
        layers: whose features to compare; the paper uses relu1_1 and relu4_1 along with Gram
            matrices.
        layer_weights: weight of each layer's distance; None for 1.

    Raises:
        OptionError: no layer, a repeated layer, or a weight out of range.
    """

    target_from = "style"

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("relu1_1", "relu4_1"),
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
        """The sorted values of each channel, (1, C, positions)."""
        return {
            layer: features[layer].detach().flatten(2).sort(dim=2).values for layer in self._layers
        }

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        terms = []
        for layer, weight in zip(self._layers, self.layer_weights, strict=True):
            flat = features[layer].flatten(2)
            difference = flat - match_histogram(flat.detach(), target[layer])
            terms.append(weight * difference.square().mean())
        return torch.stack(terms).sum()


def match_histogram(values: Tensor, target: Tensor) -> Tensor:
    """Give each row the distribution of the target's row, in the order of its own values.

    Args:
        values: (B, C, n).
        target: (1, C, m), ascending.

    Returns:
        (B, C, n). Equal values keep their order.
    """
    order = values.argsort(dim=2, stable=True)
    wanted = resample_sorted(target, values.shape[2]).expand_as(values)
    return torch.empty_like(values).scatter_(2, order, wanted)
