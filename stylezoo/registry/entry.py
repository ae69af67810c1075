"""Entries: what listing and searching need to know of a style's version, without its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleEntry:
    """One version of a style as a source lists it.

    Attributes:
        name: of the style.
        version: of the style.
        status: ``"stable"``, ``"experimental"`` or ``"deprecated"``.
        summary: one line.
        tags: words to search by.
        licence: of the weights, an SPDX expression or ``"unknown"``.
        net: the registered name of its transform net.
        styles: names and titles of a pack's styles.
    """

    name: str
    version: Version
    status: str
    summary: str
    tags: tuple[str, ...] = ()
    licence: str = "unknown"
    net: str = ""
    styles: tuple[tuple[str, str], ...] = ()
