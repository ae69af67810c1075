"""A region of a picture, given by a mask, at the size of any layer."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from stylezoo.errors import OptionError

THRESHOLD = 0.5  # fraction of a layer's position that the mask must cover to include it


class Region:
    """The positions of a layer that a mask covers.

    A loss that treats features as a set of positions (Gram matrices, moments, histograms) receives
    only those of the region. For Gram matrices this is the guided Gram matrix of Gatys et al. 2017,
    "Controlling perceptual factors in neural style transfer" (arXiv 1611.07865), section 4.1, with
    guidance of 0 and 1.

    Args:
        mask: (H, W) in [0, 1], 1 inside; of the picture's size or its proportions.

    Raises:
        OptionError: the mask is empty.
    """

    def __init__(self, mask: Tensor) -> None:
        if not bool((mask >= THRESHOLD).any()):
            raise OptionError("the mask is black all over; its region must be white")
        self.mask = mask.float()
        self._positions: dict[tuple[int, int], Tensor] = {}

    def select(self, features: Tensor) -> Tensor:
        """Select the features of the region.

        Args:
            features: (B, C, h, w).

        Returns:
            (B, C, 1, K) for the K positions of the region.

        Raises:
            OptionError: the region is too small to hold a position of this layer.
        """
        height, width = features.shape[-2:]
        if (height, width) not in self._positions:
            self._positions[height, width] = self._covered(height, width)
        positions = self._positions[height, width].to(features.device)
        return features.flatten(2).index_select(2, positions).unsqueeze(2)

    def _covered(self, height: int, width: int) -> Tensor:
        covered = F.interpolate(self.mask[None, None], size=(height, width), mode="area")
        positions = (covered.flatten() >= THRESHOLD).nonzero().flatten()
        if not len(positions):
            raise OptionError(
                f"the white region of a mask is too small for a layer of {width} × {height} "
                "positions; make it larger, raise the size, or leave out the deepest layers"
            )
        return positions
