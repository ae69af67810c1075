"""Whether the network may be used."""

from __future__ import annotations

import os

from stylezoo.errors import OfflineError

VARIABLES = ("STYLEZOO_OFFLINE", "HF_HUB_OFFLINE")

_TRUE = {"1", "on", "yes", "true"}


def offline_variable() -> str | None:
    """The variable that forbids the network; None if none does."""
    for variable in VARIABLES:
        if os.environ.get(variable, "").strip().lower() in _TRUE:
            return variable
    return None


def require_network(what: str, command: str) -> None:
    """Refuse to continue if the network is forbidden.

    Args:
        what: the thing that is wanted and missing; starts the message.
        command: to run when online.

    Raises:
        OfflineError: STYLEZOO_OFFLINE or HF_HUB_OFFLINE is set.
    """
    variable = offline_variable()
    if variable is not None:
        raise OfflineError(
            f"{what} is not in the cache, and {variable} forbids the network; "
            f"when online, unset {variable} and run: {command}"
        )
