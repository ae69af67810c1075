"""Numbers read from environment variables."""

from __future__ import annotations

import math
import os

from stylezoo.errors import OptionError


def seconds_of(variable: str, default: float) -> float:
    """Read a number of seconds from a variable; the default if it is unset or empty.

    Raises:
        OptionError: it is not a number of seconds above 0 and below a million.
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
        raise OptionError(
            f"{variable} is {text!r}; set it to a number of seconds above 0 and below 1000000"
        )
    return seconds
