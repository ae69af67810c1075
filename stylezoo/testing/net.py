"""The checks of a net."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from stylezoo.catalog import Catalog
from stylezoo.findings import Report


def check_net(
    subject: str | Callable[..., Any],
    *,
    arguments: Mapping[str, Any] | None = None,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a net keeps the promises of ``TransformNet``.

    Args:
        subject: a registered name, or the class.
        arguments: what to build it from; None for the defaults of its ``Arguments``.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault.
    """
    return Report(subject=str(subject))
