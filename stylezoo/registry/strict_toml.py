"""Untrusted TOML: its values can be inspected and printed, whatever they are."""

from __future__ import annotations

import tomllib
from typing import Any

MAX_DEPTH = 32

_INTEGERS = range(-(2**63), 2**63)  # what TOML guarantees; Python fails to print the largest


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML that nobody vouches for.

    Args:
        text: TOML.

    Raises:
        ValueError: it is not TOML, has an integer of more than 64 bits, or nests deeply.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # from int(), which reads at most a few thousand digits
        raise ValueError("an integer has more than 64 bits") from error
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
    _check(table)
    return table


def _check(table: dict[str, Any]) -> None:
    """Refuse what cannot be printed, level by level: dotted keys nest as deep as they are long."""
    level: list[tuple[str, Any]] = list(table.items())
    for _ in range(MAX_DEPTH):
        for path, value in level:
            if isinstance(value, int) and value not in _INTEGERS:
                raise ValueError(f"the integer {path[:100]!r} has more than 64 bits")
        level = [inner for path, value in level for inner in _entries(path, value)]
        if not level:
            return
    raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")


def _entries(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [(f"{path[:100]}.{key[:100]}", entry) for key, entry in value.items()]
    if isinstance(value, list):
        return [(f"{path[:100]}[{index}]", entry) for index, entry in enumerate(value)]
    return []
