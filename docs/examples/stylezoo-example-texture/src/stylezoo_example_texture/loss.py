"""The loss ``shifted-gram``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylezoo import Loss
from stylezoo.errors import OptionError


class ShiftedGramLoss(Loss):
    """Compares Gram matrices between features and the same features some positions away.

    A Gram matrix says which features appear together; a shifted one, which appear at a distance,
    across and down. Source: Berger & Memisevic 2017 (arXiv 1606.01286), section 3.1.

    Args:
        layers: of the backbone.
        shift: positions of a layer; at a layer too small for it, half its side.

    Raises:
        OptionError: shift is less than 1.
    """

    target_from = "style"
    needs_grid = True

    def __init__(
        self, *, layers: Sequence[str] = ("relu2_1", "relu3_1", "relu4_1"), shift: int = 8
    ) -> None:
        super().__init__()
        if shift < 1:
            raise OptionError(f"shift is {shift}; it must be 1 or more")
        self._layers = tuple(layers)
        self.shift = shift

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are read."""
        return self._layers

    def target(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The matrices of the painting."""
        return {layer: self._matrices(features[layer]) for layer in self.layers}

    def forward(self, features: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The mean squared difference of the matrices, a scalar."""
        terms = [
            (self._matrices(features[layer]) - target[layer]).square().mean()
            for layer in self.layers
        ]
        return torch.stack(terms).mean()

    def _matrices(self, features: Tensor) -> Tensor:
        """(B, 2, C, C): across and down."""
        height, width = features.shape[-2:]
        across, down = min(self.shift, width // 2), min(self.shift, height // 2)
        return torch.stack(
            [
                shifted_gram(features[..., : width - across], features[..., across:]),
                shifted_gram(features[..., : height - down, :], features[..., down:, :]),
            ],
            dim=1,
        )


def shifted_gram(first: Tensor, second: Tensor) -> Tensor:
    """(B, C, C): products of each channel with each, averaged over channels and positions."""
    first, second = first.flatten(2), second.flatten(2)
    return first @ second.mT / first[0].numel()
