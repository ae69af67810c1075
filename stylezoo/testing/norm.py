"""The checks of a norm."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from stylezoo.catalog import Catalog
from stylezoo.findings import Report


def check_norm(
    subject: str | Callable[..., Any],
    *,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a norm keeps the promises of ``Norm`` or ``ConditionalNorm``.

    Args:
        subject: a registered name, or what is registered: a class or function.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault.
    """
    return Report(subject=str(subject))
