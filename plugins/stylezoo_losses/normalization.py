"""What losses share: checks of their layers, and the normalisations of content and Gram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from stylezoo.errors import OptionError

Normalization = Literal["gatys", "gatys-program", "johnson", "relative"]
NORMALIZATIONS = ("gatys", "gatys-program", "johnson", "relative")

# Keeps division by the energy of an all-zero target finite.
EPSILON = 1e-8


def checked_layers(layers: Sequence[str]) -> tuple[str, ...]:
    """Return the layers as a tuple.

    Raises:
        OptionError: there is none, or one is repeated.
    """
    if isinstance(layers, str):
        layers = (layers,)
    if not layers or len(set(layers)) != len(layers):
        raise OptionError(f"layers is {layers!r}; name at least one layer, each once")
    return tuple(layers)


def checked_layer_weights(
    layer_weights: Sequence[float] | None, layers: Sequence[str], default: float
) -> tuple[float, ...]:
    """Return a weight for each layer: those given, or the default for all.

    Raises:
        OptionError: their number differs from that of the layers, or one is negative or not finite.
    """
    if layer_weights is None:
        return (default,) * len(layers)
    if len(layer_weights) != len(layers):
        raise OptionError(
            f"{len(layer_weights)} layer weights are given for {len(layers)} layers "
            f"({', '.join(layers)}); give one for each"
        )
    for layer, weight in zip(layers, layer_weights, strict=True):
        if not (math.isfinite(weight) and weight >= 0):
            raise OptionError(
                f"the weight of layer {layer} is {weight}; it must be 0 or more, and finite"
            )
    return tuple(layer_weights)


def checked_normalization(normalization: Normalization) -> Normalization:
    """Return the normalisation.

    Raises:
        OptionError: there is no such normalisation.
    """
    if normalization not in NORMALIZATIONS:
        raise OptionError(
            f"normalization is {normalization!r}; it must be one of {', '.join(NORMALIZATIONS)}"
        )
    return normalization


def mean_square(difference: Tensor) -> Tensor:
    """The mean square of each image: (B, ...) to (B,)."""
    return difference.square().mean(dim=tuple(range(1, difference.ndim)))
