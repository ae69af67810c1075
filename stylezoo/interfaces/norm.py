"""The norm: a named factory of normalisation layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from torch import Tensor, nn


class Norm(Protocol):
    """Makes the normalisation layer for a number of channels.

    A transform net takes a norm by its registered name, which makes batch norm and instance norm
    alternatives of one net (Ulyanov et al. 2016).
    """

    def __call__(self, channels: int) -> nn.Module:
        """Return a new layer that maps (B, channels, H, W) to the same shape."""


class ConditionalNorm(nn.Module, ABC):
    """A normalisation layer with parameters of its own for each of several styles.

    The subclass itself is what a plugin registers; it is called with a number of channels and a
    number of styles. Its name is ``conditional-`` and that of the norm for one style, as in
    ``conditional-instance``.
    """

    @abstractmethod
    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Normalise each image by the parameters of its style.

        Args:
            features: (B, C, H, W).
            style: (B, styles), the share of each style in each image.

        Returns:
            (B, C, H, W).
        """

    @abstractmethod
    def blend(self, style: Tensor) -> nn.Module:
        """The ordinary layer that this one is for one mixture; no random numbers are drawn for it.

        Args:
            style: (styles,), the share of each style.

        Returns:
            A layer as a ``Norm`` makes it, with its parameters. That of several styles may have
            more numbers, if their mixture takes them; then a training starts from one of them.
        """

    @property
    @abstractmethod
    def blended(self) -> str:
        """The registered name of the norm that ``blend`` gives a layer of for one style."""
