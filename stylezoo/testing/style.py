"""The check of a style folder, as the zoo's CI runs it."""

from __future__ import annotations

from pathlib import Path

from stylezoo.catalog import Catalog
from stylezoo.findings import Report


def check_style(folder: str | Path, *, catalog: Catalog | None = None) -> Report:
    """Check a style folder: record, files, licences, weights, golden output, preview, card.

    Args:
        folder: holds ``style.toml`` and the files that it lists.
        catalog: where nets come from; None for the installed plugins.

    Returns:
        Every fault found, with its field or file.
    """
    from stylezoo.check import check_style_folder

    return check_style_folder(Path(folder), catalog)
