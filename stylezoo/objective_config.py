"""The configuration of a perceptual objective, in plain values that need no torch.

Optimisation, training, evaluation and style records all describe an objective this way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from stylezoo.errors import OptionError

Scalar = bool | int | float | str
Option = bool | int | float | str | tuple[bool | int | float | str, ...]

STYLE_TERM = "style"


@dataclass(frozen=True, kw_only=True)
class TermConfig:
    """One weighted loss.

    Attributes:
        name: what to call the term, such as ``"content"``.
        loss: a registered loss.
        weight: factor applied to its value.
        options: options of the loss.

    Raises:
        OptionError: the weight is negative or not finite.
    """

    name: str
    loss: str
    weight: float
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise OptionError(
                f"the weight of {self.name!r} is {self.weight}; it must be 0 or more, and finite"
            )


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """A backbone and the terms that read it.

    Attributes:
        backbone: a registered backbone, the loss network.
        backbone_options: its options.
        terms: the weighted losses.

    Raises:
        OptionError: there is no term, a name is repeated, or every weight is 0.
    """

    backbone: str
    backbone_options: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    terms: tuple[TermConfig, ...]

    def __post_init__(self) -> None:
        names = [term.name for term in self.terms]
        if not names or len(set(names)) != len(names):
            raise OptionError(f"an objective needs terms with different names, not {names}")
        if not any(term.weight for term in self.terms):
            raise OptionError("every weight of the objective is 0; give one term some weight")

    @property
    def style_weight(self) -> float | None:
        """The weight of the term ``style``, specific to each painting; None if there is none."""
        return next((term.weight for term in self.terms if term.name == STYLE_TERM), None)

    def with_style_weight(self, weight: float) -> ObjectiveConfig:
        """Return a copy with another weight for the term ``style``."""
        terms = (
            dataclasses.replace(term, weight=weight) if term.name == STYLE_TERM else term
            for term in self.terms
        )
        return dataclasses.replace(self, terms=tuple(terms))
