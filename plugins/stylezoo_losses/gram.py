"""The style loss, or style reconstruction loss, by Gram matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stylezoo import Loss
from stylezoo_losses.normalization import (
    EPSILON,
    Normalization,
    checked_layer_weights,
    checked_layers,
    checked_normalization,
    mean_square,
)


def gram_matrix(features: Tensor) -> Tensor:
    """The Gram matrix of each image: inner products of its channels, averaged over positions.

    G_ij = Σ_k F_ik F_jk / (H W), so that pictures of different sizes are comparable (Gatys et al.
    2015, equation 3, which does not divide).

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, C).
    """
    gram: Tensor = _GramMatrix.apply(features.flatten(2))  # type: ignore[no-untyped-call]
    return gram


class _GramMatrix(torch.autograd.Function):
    """F Fᵀ / K with half the work in the backward pass.

    F occurs twice in the product, and autograd would compute the two parts of its gradient one by
    one; together they are (D + Dᵀ) F / K. The gradient has F's memory layout and dtype, since it
    is added to the gradient from deeper layers. The matrix itself is at least float32: in bfloat16
    the difference of two of them would be noise.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        wide = flat.to(torch.promote_types(flat.dtype, torch.float32))
        return wide @ wide.mT / flat.shape[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        both = ((grad + grad.mT) / flat.shape[2]).to(flat.dtype)
        if flat.stride(1) == 1:  # channels-last
            return (flat.mT @ both).mT
        return both @ flat


class GramLoss(Loss):
    """Squared distance of the Gram matrices of the image and the style picture.

    With N the channels of a layer, G and A the matrices of image and style from ``gram_matrix``
    (means over positions), the distance of a layer by ``normalization`` is

    - ``"gatys"``: Σ (G − A)² / (4 N²), which is equation 4 of Gatys et al. 2015 for an image and
      style of the same size M: its 1/M² is in the means here;
    - ``"gatys-program"``: Σ (G − A)² / N⁴, as in the programs of both papers' authors
      (https://github.com/leongatys/PytorchNeuralStyleTransfer and
      https://github.com/jcjohnson/fast-neural-style);
    - ``"johnson"``: Σ (G − A)² / N², the squared Frobenius distance of matrices divided by C H W
      (Johnson et al. 2016, section 3.2);
    - ``"relative"``: Σ (G − A)² / Σ A², which is 0 for the style picture itself and 1 for no
      features at all, whatever the layer and the weights.

    The loss is the sum of the layers' distances, each times its weight.

    Args:
        layers: whose features to compare.
        layer_weights: weight of each layer's distance; None for 1 with ``"johnson"`` and
            ``"gatys-program"``, and 1 / layers with the others, as in Gatys et al. 2015.
        normalization: as above.

    Raises:
        OptionError: no layer, a repeated layer, a weight out of range, or an unknown
            normalisation.
    """

    target_from = "style"
    own_precision = True

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3"),
        layer_weights: Sequence[float] | None = None,
        normalization: Normalization = "johnson",
    ) -> None:
        super().__init__()
        self._layers = checked_layers(layers)
        self.normalization = checked_normalization(normalization)
        summed = normalization in ("johnson", "gatys-program")
        default = 1.0 if summed else 1 / len(self._layers)
        self.layer_weights = checked_layer_weights(layer_weights, self._layers, default)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers compared."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The Gram matrices A of each layer, (1, N, N)."""
        return {layer: gram_matrix(features[layer].detach()) for layer in self._layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        terms = [
            weight * self._distance(gram_matrix(features[layer]), target[layer]).mean()
            for layer, weight in zip(self._layers, self.layer_weights, strict=True)
        ]
        return torch.stack(terms).sum()

    def _distance(self, image: Tensor, style: Tensor) -> Tensor:
        """The distance of each image: (B,)."""
        distance = mean_square(image - style)  # over N² entries: the 1/N² of both papers
        if self.normalization == "gatys":
            return distance / 4
        if self.normalization == "gatys-program":
            return distance / style.shape[-1] ** 2
        if self.normalization == "johnson":
            return distance
        return distance / (mean_square(style) + EPSILON)
