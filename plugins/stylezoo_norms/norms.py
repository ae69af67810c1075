"""Batch norm and instance norm, both with a learnt scale and shift a channel."""

from torch import nn


def batch_norm(channels: int) -> nn.Module:
    """Batch norm (Ioffe & Szegedy 2015), as Johnson et al. 2016 used it."""
    return nn.BatchNorm2d(channels)


def instance_norm(channels: int) -> nn.Module:
    """Instance norm: each image and channel by its own mean and variance, in eval mode too.

    Source: Ulyanov, Vedaldi, Lempitsky 2016 (arXiv 1607.08022), section 2.
    """
    return nn.InstanceNorm2d(channels, affine=True)
