"""Listing the available styles; kept apart from loading them, so that it starts at once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.errors import PluginError, StyleZooError
from stylezoo.interfaces.source import RecordWarning, RegistrySource, SourceWarning
from stylezoo.registry.entry import StyleEntry
from stylezoo.registry.sources import all_sources

__all__ = ["ListedStyle", "RecordWarning", "list_sources", "list_styles"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedStyle:
    """A style as one of several sources lists it.

    Attributes:
        entry: the style, in the source's newest version.
        source: the name of the source.
        taken_from: the first source with a style of this name, which is the one used.
    """

    entry: StyleEntry
    source: str
    taken_from: str

    @property
    def taken(self) -> bool:
        """Whether ``load`` uses this one for the bare name."""
        return self.source == self.taken_from


def list_styles(catalog: Catalog | None = None) -> list[StyleEntry]:
    """The newest version of every style in the sources, sorted by name.

    A name in several sources is listed once, from the first of them, as ``load`` would use it. A
    record that breaks the format is skipped with a warning.

    Args:
        catalog: where styles come from; None for the installed plugins.
    """
    sources = all_sources(catalog or default_catalog())
    return [style.entry for style in list_sources(sources) if style.taken]


def list_sources(sources: Mapping[str, RegistrySource]) -> list[ListedStyle]:
    """The styles of each source, sorted by name and then in the order of sources.

    A source that cannot be reached or trusted, or that fails, is skipped with a warning.
    """
    taken_from: dict[str, str] = {}
    listed = []
    for source_name, source in sources.items():
        try:
            entries = [_checked(entry) for entry in source.entries()]
        except Exception as error:  # third-party code may raise anything
            reason = (
                error if isinstance(error, StyleZooError) else f"{type(error).__name__}: {error}"
            )
            message = f"the source {source_name!r} is left out: {reason}"
            warnings.warn(message, SourceWarning, stacklevel=2)
            continue
        for entry in entries:
            first = taken_from.setdefault(entry.name, source_name)
            listed.append(ListedStyle(entry=entry, source=source_name, taken_from=first))
    return sorted(listed, key=lambda style: style.entry.name)


def _checked(entry: object) -> StyleEntry:
    if not isinstance(entry, StyleEntry):
        raise PluginError(f"it lists {entry!r:.80}, which is not a StyleEntry")
    return entry
