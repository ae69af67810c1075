"""The normalisations that content and Gram losses share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from stylezoo.errors import OptionError

Normalization = Literal["gatys", "johnson", "relative"]
NORMALIZATIONS = ("gatys", "johnson", "relative")

# Keeps a division by the energy of an all-zero target finite.
EPSILON = 1e-8


def checked_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """Return the layers as a tuple.

    Raises:
        OptionError: there is none, or one stands twice.
    """
    if isinstance(layers, str):
        layers = (layers,)
    if not layers or len(set(layers)) != len(layers):
        raise OptionError(f"layers is {layers!r}; name at least one layer, each once")
    return tuple(layers)


def checked_normalization(normalization: Normalization) -> Normalization:
    """Return the normalisation.

    Raises:
        OptionError: it is none of the three.
    """
    if normalization not in NORMALIZATIONS:
        raise OptionError(
            f"normalization is {normalization!r}; it must be one of {', '.join(NORMALIZATIONS)}"
        )
    return normalization


def mean_square(difference: Tensor) -> Tensor:
    """The mean of the squares, over everything."""
    return difference.square().mean()
