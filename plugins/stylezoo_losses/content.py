"""The content loss, or feature reconstruction loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss
from stylezoo.errors import OptionError
from stylezoo_losses.normalization import (
    EPSILON,
    Normalization,
    checked_layer_weights,
    checked_layers,
    checked_normalization,
    mean_square,
)


class ContentLoss(Loss):
    """Squared distance of the image's features F and the content photo's P, summed over layers.

    With C, H, W the size of a layer, its distance by ``normalization`` is

    - ``"gatys"``: ½ Σ (F − P)² (Gatys et al. 2015, equation 1);
    - ``"johnson"`` or ``"gatys-program"``: Σ (F − P)² / (C H W) (Johnson et al. 2016, section
      3.2; the program of Gatys et al.,
      https://github.com/leongatys/PytorchNeuralStyleTransfer);
    - ``"relative"``: Σ (F − P)² / Σ P², which is 0 for the photo itself and 1 for no features at
      all, whatever the layer and the weights.

    Args:
        layers: whose features to compare.
        layer_weights: weight of each layer's distance; None for 1.
        normalization: as above.

    Raises:
        OptionError: no layer, a repeated layer, a weight out of range, or an unknown
            normalisation.
    """

    target_from = "content"

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("relu3_3",),
        layer_weights: Sequence[float] | None = None,
        normalization: Normalization = "johnson",
    ) -> None:
        super().__init__()
        self._layers = checked_layers(layers)
        self.layer_weights = checked_layer_weights(layer_weights, self._layers, 1.0)
        self.normalization = checked_normalization(normalization)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers compared."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The features P of each layer."""
        return {layer: features[layer].detach() for layer in self._layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch.

        Raises:
            OptionError: the images do not have the size of the content photo.
        """
        for layer in self._layers:
            _check_size(layer, features[layer], target[layer])
        terms = [
            weight * self._distance(features[layer], target[layer]).mean()
            for layer, weight in zip(self._layers, self.layer_weights, strict=True)
        ]
        return torch.stack(terms).sum()

    def _distance(self, image: Tensor, content: Tensor) -> Tensor:
        """The distance of each image: (B,)."""
        distance = mean_square(image - content)
        if self.normalization == "gatys":
            return distance * content[0].numel() / 2
        if self.normalization in ("johnson", "gatys-program"):
            return distance
        return distance / (mean_square(content) + EPSILON)


def _check_size(layer: str, image: Tensor, content: Tensor) -> None:
    (height, width), (wanted_height, wanted_width) = image.shape[-2:], content.shape[-2:]
    if (height, width) != (wanted_height, wanted_width):
        raise OptionError(
            f"the images have {width} × {height} features at {layer!r}, but the content photo "
            f"has {wanted_width} × {wanted_height}; give images of the photo's size"
        )
