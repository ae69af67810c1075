"""The checks of a whole plugin."""

from __future__ import annotations

from collections.abc import Collection

from stylezoo.catalog import Catalog
from stylezoo.findings import Report


def check_plugin(
    name: str, *, catalog: Catalog | None = None, skip: Collection[str] = ()
) -> Report:
    """Check a plugin: how it is written, how it is imported, and every component it registers.

    Args:
        name: of the plugin, or of its distribution, whose plugins are then all checked.
        catalog: where it is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault.

    Raises:
        PluginError: no such plugin is installed.
    """
    return Report(subject=name)
