"""The content loss by Laplacians."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch.nn.functional as F
from torch import Tensor

from stylezoo import Loss
from stylezoo.errors import OptionError

# The discrete Laplacian of a position and its four neighbours.
LAPLACIAN = ((0.0, -1.0, 0.0), (-1.0, 4.0, -1.0), (0.0, -1.0, 0.0))


class LaplacianLoss(Loss):
    """Squared distance of the Laplacians of the pooled image and the pooled content photo.

    It keeps lines and edges of the photo that features of deep layers lose. The image is average
    pooled, the Laplacians of its three channels are added up, and the squared differences are
    averaged over positions; summed over the pool sizes. Source: Li, Xu, Nie & Chua 2017,
    "Laplacian-steered neural style transfer" (arXiv 1707.01253), where squares are summed. The
    authors' program (https://github.com/askerlee/lapstyle) averages, too, and gives windows of 16
    sixteen times the weight of windows of 4; two terms, with one size each, do that here.

    Args:
        pool_sizes: sides of the pooling windows, in pixels; one that leaves fewer than 3 positions
            in a row or column is ignored.

    Raises:
        OptionError: there is no pool size, a repeated one, or one below 1.
    """

    target_from = "content"
    needs_grid = True

    def __init__(self, *, pool_sizes: Sequence[int] = (4, 16)) -> None:
        super().__init__()
        distinct = len(set(pool_sizes)) == len(pool_sizes)
        if not pool_sizes or not distinct or min(pool_sizes) < 1:
            raise OptionError(
                f"pool_sizes is {pool_sizes!r}; name at least one, each once and 1 or more"
            )
        self.pool_sizes = tuple(pool_sizes)

    @property
    def layers(self) -> tuple[str, ...]:
        """None: it reads the image alone."""
        return ()

    def target(self, features: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """The Laplacian for each pool size that the photo is large enough for."""
        image = features["image"].detach()
        return {
            size: laplacian(image, size)
            for size in self.pool_sizes
            if min(image.shape[-2:]) >= len(LAPLACIAN) * size
        }

    def forward(self, features: Mapping[str, Tensor], target: Mapping[int, Tensor]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        image = features["image"]
        total = image.new_zeros(())
        for size, wanted in target.items():
            total = total + (laplacian(image, size) - wanted).square().mean()
        return total


def laplacian(image: Tensor, pool_size: int) -> Tensor:
    """The Laplacian of a pooled image, summed over its channels, at all inner positions.

    Args:
        image: (B, 3, H, W), at least 3 · pool_size pixels in each direction.
        pool_size: side of the pooling window.

    Returns:
        (B, 1, h - 2, w - 2), for a pooled image of h × w.
    """
    pooled = F.avg_pool2d(image, pool_size)
    kernel = image.new_tensor(LAPLACIAN).expand(1, image.shape[1], 3, 3)
    return F.conv2d(pooled, kernel)
