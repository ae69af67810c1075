"""Losses on the pixels themselves, which need no backbone layer and no target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from stylezoo import Loss
from stylezoo.errors import OptionError


class PixelLoss(Loss):
    """A regulariser that only reads the image."""

    target_from = None

    @property
    def layers(self) -> tuple[str, ...]:
        """None."""
        return ()


class TotalVariationLoss(PixelLoss):
    """How much neighbouring pixels differ: mean over rows plus mean over columns.

    Source: Johnson et al. 2016, section 3.2, after Mahendran & Vedaldi 2015. They sum the squares;
    means make the term independent of picture size.

    Args:
        norm: ``"l1"`` (absolute differences, keeps edges) or ``"l2"`` (squared differences).

    Raises:
        OptionError: another norm.
    """

    needs_grid = True

    def __init__(self, *, norm: Literal["l1", "l2"] = "l2") -> None:
        super().__init__()
        if norm not in ("l1", "l2"):
            raise OptionError(f"norm is {norm!r}; it must be 'l1' or 'l2'")
        self.norm = norm

    def forward(self, features: Mapping[str, Tensor], target: None) -> Tensor:
        """The variation, a scalar; 0 for a picture of one row and one column."""
        image = features["image"]
        across = image[..., :, 1:] - image[..., :, :-1]
        down = image[..., 1:, :] - image[..., :-1, :]
        total = image.new_zeros(())
        for difference in (across, down):
            if difference.numel():
                size = difference.abs() if self.norm == "l1" else difference.square()
                total = total + size.mean()
        return total


class RangeLoss(PixelLoss):
    """Mean squared distance of values to [0, 1]: it pulls back what clamping would cut off.

    Clamping in training would stop the gradient wherever a value has left the range.
    """

    def forward(self, features: Mapping[str, Tensor], target: None) -> Tensor:
        """The penalty, a scalar; 0 for values in [0, 1]."""
        image = features["image"]
        return (F.relu(-image) + F.relu(image - 1)).square().mean()
