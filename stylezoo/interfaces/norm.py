"""The norm: a named factory of normalisation layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from torch import Tensor, nn


class Norm(Protocol):
    """Makes a normalisation layer for a number of channels.

    A transform net takes a norm by its registered name, so the same net can use batch norm or
    instance norm (Ulyanov et al. 2016).
    """

    def __call__(self, channels: int) -> nn.Module:
        """Return a new layer that maps (B, channels, H, W) to the same shape."""


class ConditionalNorm(nn.Module, ABC):
    """A normalisation layer with separate parameters for each of several styles.

    A plugin registers the subclass itself, which is called with a number of channels and a number
    of styles. Its name is ``conditional-`` plus that of the norm for one style, as in
    ``conditional-instance``.
    """

    @abstractmethod
    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Normalise each image with the parameters of its style.

        Args:
            features: (B, C, H, W).
            style: (B, styles), the share of each style in each image.

        Returns:
            (B, C, H, W).
        """

    @abstractmethod
    def blend(self, style: Tensor) -> nn.Module:
        """Return the ordinary layer equivalent to one mixture, without drawing random numbers.

        Args:
            style: (styles,), the share of each style.

        Returns:
            A layer like those a ``Norm`` makes, with its parameters. A mixture of several styles
            may need more numbers; training then starts from one of the styles.
        """

    @property
    @abstractmethod
    def blended(self) -> str:
        """The registered name of the norm whose layers ``blend`` returns for one style."""
