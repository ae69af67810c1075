"""The checks of a loss."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from stylezoo.catalog import Catalog
from stylezoo.findings import Report


def check_loss(
    subject: str | Callable[..., Any],
    *,
    options: Mapping[str, Any] | None = None,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a loss keeps the promises of ``Loss``.

    Args:
        subject: a registered name, or what is registered: a class or function.
        options: what to make it with; None for its defaults.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault.
    """
    return Report(subject=str(subject))
