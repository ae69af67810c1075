"""Batch norm and instance norm, both with a learnt scale and shift per channel."""

from __future__ import annotations

from torch import Tensor, nn

from stylezoo_norms.normalize import EPSILON, normalize_instances


def batch_norm(channels: int) -> nn.Module:
    """Batch norm (Ioffe & Szegedy 2015), as Johnson et al. 2016 used it."""
    return nn.BatchNorm2d(channels)


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm: each image and channel with its own mean and variance, even in eval mode.

    Source: Ulyanov, Vedaldi, Lempitsky 2016 (arXiv 1607.08022), section 2.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return normalize_instances(features, self.weight, self.bias)
