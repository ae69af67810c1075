"""The style loss by sliced Wasserstein distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss
from stylezoo.errors import OptionError
from stylezoo_losses.normalization import checked_layer_weights, checked_layers
from stylezoo_losses.quantiles import resample_sorted


class SlicedWassersteinLoss(Loss):
    """Distance of the whole distributions of features, along random directions.

    Features are projected onto directions of unit length; the values along each direction are
    sorted, and those of image and style are compared one by one: the mean squared difference,
    averaged over directions and summed over layers. Unlike the Gram matrix, it tells all
    distributions apart. Source: Heitz et al. 2021, "A sliced Wasserstein loss for neural texture
    synthesis" (arXiv 2006.07229), section 3. They draw new directions at every step; here they are
    drawn once, so that L-BFGS sees a single function. A style picture of another size is compared
    by its quantiles.

    Args:
        layers: whose features to compare.
        layer_weights: weight of each layer's distance; None for 1.
        directions: how many; None for as many as the layer has channels, as in the paper.
        seed: of the directions.

    Raises:
        OptionError: no layer, a repeated layer, a weight out of range, or no direction.
    """

    target_from = "style"

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1"),
        layer_weights: Sequence[float] | None = None,
        directions: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if directions is not None and directions < 1:
            raise OptionError(f"directions is {directions}; it must be 1 or more")
        self._layers = checked_layers(layers)
        self.layer_weights = checked_layer_weights(layer_weights, self._layers, 1.0)
        self.directions = directions
        self.seed = seed
        self._drawn: dict[int, Tensor] = {}

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers compared."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The sorted projections of each layer, (1, directions, positions)."""
        return {layer: self._sorted(features[layer].detach()) for layer in self._layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        terms = []
        for layer, weight in zip(self._layers, self.layer_weights, strict=True):
            projected = self._sorted(features[layer])
            wanted = resample_sorted(target[layer], projected.shape[2])
            terms.append(weight * (projected - wanted).square().mean())
        return torch.stack(terms).sum()

    def _sorted(self, features: Tensor) -> Tensor:
        flat = features.flatten(2)
        directions = self._unit_directions(flat.shape[1]).to(flat)
        return (directions @ flat).sort(dim=2).values

    def _unit_directions(self, channels: int) -> Tensor:
        if channels not in self._drawn:
            generator = torch.Generator().manual_seed(self.seed)
            count = self.directions or channels
            drawn = torch.randn(count, channels, generator=generator, dtype=torch.float64)
            self._drawn[channels] = drawn / drawn.norm(dim=1, keepdim=True)
        return self._drawn[channels]
