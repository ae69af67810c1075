"""An entry: what listing and searching need of one version of a style, without its record."""

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
        status: ``"stable"``, ``"experimental"`` or what else a record may say.
        summary: one line.
        tags: words to search by.
        licence: of the weights, an SPDX expression or ``"unknown"``.
        net: the registered name of its transform net.
        styles: of a pack, the names of its styles with their titles.
    """

    name: str
    version: Version
    status: str
    summary: str
    tags: tuple[str, ...] = ()
    licence: str = "unknown"
    net: str = ""
    styles: tuple[tuple[str, str], ...] = ()
