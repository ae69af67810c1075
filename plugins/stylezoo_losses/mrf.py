"""The style loss by patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylezoo import Loss
from stylezoo.errors import OptionError
from stylezoo_losses.normalization import EPSILON, checked_layer_weights, checked_layers

CHUNK = 1024  # number of image patches to compare with all of the style's at a time


class MRFLoss(Loss):
    """Squared distance of every patch of features to the most similar patch of the style.

    Similarity is normalised cross-correlation. The loss keeps local structure that statistics over
    all positions lose. Source: Li & Wand 2016, "Combining Markov random fields and convolutional
    neural networks for image synthesis" (arXiv 1601.04589), equations 2 and 3; they sum the
    squares, which here are averaged over the values of a patch and over patches, so that pictures
    of different sizes are comparable.

    The nearest patches are found without gradients, ``CHUNK`` patches at a time, so that the
    similarities take ``CHUNK`` numbers for each of the style's patches. The patches themselves take
    patch² times the memory of the features. The time is proportional to the patches of the image
    times those of the style: with both strides at 2, it is a sixteenth.

    Args:
        layers: whose features to compare.
        layer_weights: weight of each layer's distance; None for 1.
        patch: side of a patch, in positions.
        stride: between the patches of the image.
        style_stride: between the patches of the style.

    Raises:
        OptionError: no layer, a repeated layer, a weight out of range, or a side or stride below
            1.
    """

    target_from = "style"
    needs_grid = True

    def __init__(
        self,
        *,
        layers: Sequence[str] = ("relu3_1", "relu4_1"),
        layer_weights: Sequence[float] | None = None,
        patch: int = 3,
        stride: int = 1,
        style_stride: int = 1,
    ) -> None:
        super().__init__()
        for name, value in (("patch", patch), ("stride", stride), ("style_stride", style_stride)):
            if value < 1:
                raise OptionError(f"{name} is {value}; it must be 1 or more")
        self._layers = checked_layers(layers)
        self.layer_weights = checked_layer_weights(layer_weights, self._layers, 1.0)
        self.patch = patch
        self.stride = stride
        self.style_stride = style_stride

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers compared."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The patches of each layer, (patches, C · patch²)."""
        return {
            layer: self._patches(features[layer].detach(), layer, self.style_stride)[0]
            for layer in self._layers
        }

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        terms = []
        for layer, weight in zip(self._layers, self.layer_weights, strict=True):
            patches = self._patches(features[layer], layer, self.stride).flatten(0, 1)
            nearest = target[layer][nearest_patches(patches.detach(), target[layer])]
            terms.append(weight * (patches - nearest).square().mean())
        return torch.stack(terms).sum()

    def _patches(self, features: Tensor, layer: str, stride: int) -> Tensor:
        """Cut features into patches: (B, patches, C · patch²)."""
        height, width = features.shape[-2:]
        if min(height, width) < self.patch:
            raise OptionError(
                f"layer {layer} has {width} × {height} positions, fewer than a patch of "
                f"{self.patch} × {self.patch}; choose a larger size, or a shallower layer"
            )
        return F.unfold(features, self.patch, stride=stride).transpose(1, 2)


def nearest_patches(patches: Tensor, style: Tensor) -> Tensor:
    """For each patch, the index of the style patch with the largest cross-correlation.

    Args:
        patches: (n, d).
        style: (m, d).

    Returns:
        (n,) integers below m.
    """
    # The norm of the image's own patch divides all candidates alike, so it does not matter.
    unit = style / (style.norm(dim=1, keepdim=True) + EPSILON)
    return torch.cat([(chunk @ unit.T).argmax(dim=1) for chunk in patches.split(CHUNK)])
