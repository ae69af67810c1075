"""Untrusted JSON: parsed unambiguously, or refused."""

from __future__ import annotations

import json
from typing import Any

from stylezoo.errors import RegistryFormatError

MAX_DEPTH = 32


def parse_object(content: bytes, origin: str) -> dict[str, Any]:
    """Parse a JSON object that nobody vouches for yet.

    Two parsers may read the same bytes differently if a key is repeated, a number is NaN, or a
    byte order mark comes first; such a file is refused, as is one that nests deeply.

    Args:
        content: UTF-8.
        origin: what to call it in errors.

    Raises:
        RegistryFormatError: it is not such an object; the message names the line if possible.
    """
    try:
        text = content.decode()
        if text.startswith("\ufeff"):
            raise ValueError("line 1: it begins with a byte order mark")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise RegistryFormatError(f"{origin}: it nests too deeply") from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError too
        raise RegistryFormatError(f"{origin} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise RegistryFormatError(f"{origin}: it is a {type(value).__name__}, not an object")
    _check_depth(value, origin)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key[:100]!r} appears twice in one object")
        made[key] = value
    return made


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_depth(value: dict[str, Any], origin: str) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise RegistryFormatError(f"{origin}: it nests deeper than {MAX_DEPTH} levels")
