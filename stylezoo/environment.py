"""Numbers that users set in environment variables."""

from __future__ import annotations

import math
import os

from stylezoo.errors import OptionError


def seconds_of(variable: str, default: float) -> float:
    """The seconds that a variable says, or the default where it is not set or empty.

    Raises:
        OptionError: it says no number of seconds more than 0.
    """
    text = os.environ.get(variable, "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    # Written so that NaN fails too.
    if not 0 < seconds < 1e6:
        raise OptionError(f"{variable} is {text!r}; set it to a number of seconds")
    return seconds
