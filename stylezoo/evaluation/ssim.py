"""Structural similarity of two pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylezoo.color import LUMA
from stylezoo.images import Pixels

WINDOW = 11  # pixels
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2  # for values in [0, 1]


def structural_similarity(first: Pixels, second: Pixels) -> float:
    """The mean structural similarity of the luminance of two pictures of the same size.

    Source: Wang et al. 2004, "Image quality assessment: from error visibility to structural
    similarity", equation 13, with their window of 11 × 11 pixels and standard deviation 1.5. The
    window is cut to the picture's shorter side.

    Args:
        first: (H, W, 3) in [0, 1].
        second: the same shape.

    Returns:
        At most 1, the value for identical pictures.
    """
    x, y = (torch.from_numpy(pixels @ LUMA).double()[None, None] for pixels in (first, second))
    line = _gaussian(min(WINDOW, *x.shape[-2:]))

    def blurred(image: Tensor) -> Tensor:
        # The window is separable: one axis after the other takes 22 products, not 121.
        return F.conv2d(F.conv2d(image, line[None, None, :, None]), line[None, None, None, :])

    mean_x, mean_y = blurred(x), blurred(y)
    variance_x = blurred(x * x) - mean_x**2
    variance_y = blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    )
    return float(similarity.mean())


def _gaussian(side: int) -> Tensor:
    """One axis of the window, (side,), whose values sum to 1."""
    places = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    line = torch.exp(-(places**2) / (2 * SIGMA**2))
    return line / line.sum()
