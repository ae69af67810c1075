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
    """Squared distance of the Laplacians of the pooled image and of the pooled content photo.

    It keeps the photo's lines and edges where the features of deep layers let them go. The image
    is pooled by averages, the Laplacians of its three channels are added up, and the squared
    differences averaged over positions; summed over the pool sizes. Source: Li, Xu, Nie & Chua
    2017, "Laplacian-steered neural style transfer" (arXiv 1707.01253), the Laplacian loss,
    where squares are summed.

    Args:
        pool_sizes: sides of the pooling windows, in pixels; one that leaves less than 3 positions
            in a row or column counts nothing.

    Raises:
        OptionError: there is no pool size, or one below 1.
    """

    target_from = "content"
    needs_grid = True

    def __init__(self, *, pool_sizes: Sequence[int] = (4, 16)) -> None:
        super().__init__()
        if not pool_sizes or min(pool_sizes) < 1:
            raise OptionError(f"pool_sizes is {pool_sizes!r}; name at least one, each 1 or more")
        self.pool_sizes = tuple(pool_sizes)

    @property
    def layers(self) -> tuple[str, ...]:
        """None: it reads the image alone."""
        return ()

    def target(self, features: Mapping[str, Tensor]) -> list[Tensor | None]:
        """The Laplacian for each pool size."""
        return [laplacian(features["image"].detach(), size) for size in self.pool_sizes]

    def forward(self, features: Mapping[str, Tensor], target: Sequence[Tensor | None]) -> Tensor:
        """The distance, a scalar; the mean over the batch."""
        image = features["image"]
        total = image.new_zeros(())
        for size, wanted in zip(self.pool_sizes, target, strict=True):
            found = laplacian(image, size)
            if found is not None and wanted is not None:
                total = total + (found - wanted).square().mean()
        return total


def laplacian(image: Tensor, pool_size: int) -> Tensor | None:
    """The Laplacian of a pooled image, added up over its channels, at all inner positions.

    Args:
        image: (B, 3, H, W).
        pool_size: side of the pooling window.

    Returns:
        (B, 1, h - 2, w - 2); None if the pooled image has less than 3 rows or columns.
    """
    if min(image.shape[-2:]) < 3 * pool_size:
        return None
    pooled = F.avg_pool2d(image, pool_size)
    kernel = image.new_tensor(LAPLACIAN).expand(1, image.shape[1], 3, 3)
    return F.conv2d(pooled, kernel)
