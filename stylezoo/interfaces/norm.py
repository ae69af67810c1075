"""The norm: a named factory of normalisation layers."""

from __future__ import annotations

from typing import Protocol

from torch import nn


class Norm(Protocol):
    """Makes the normalisation layer for a number of channels.

    A transform net takes a norm by its registered name, which makes batch norm and instance norm
    alternatives of one net (Ulyanov et al. 2016).
    """

    def __call__(self, channels: int) -> nn.Module:
        """Return a new layer that maps (B, channels, H, W) to the same shape."""
