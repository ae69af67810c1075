"""The styles there are. Kept apart from loading one, so that listing starts at once."""

from __future__ import annotations

import warnings

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.errors import RecordError
from stylezoo.registry.record import Record


class RecordWarning(UserWarning):
    """A style was left out of a list; the message says which and why."""


def list_styles(catalog: Catalog | None = None) -> list[Record]:
    """The newest version of every style that the installed sources have, sorted by name.

    A name that several sources have is listed once, from the first of them, as ``load`` would
    take it. A record that breaks the format is left out with a warning.
    """
    catalog = catalog or default_catalog()
    newest: dict[str, Record] = {}
    for source in catalog.sources().values():
        for name in source.names():
            if name in newest:
                continue
            try:
                newest[name] = source.record(name, source.versions(name)[-1])
            except RecordError as error:
                warnings.warn(f"a style is left out: {error}", RecordWarning, stacklevel=2)
    return [newest[name] for name in sorted(newest)]
