"""Where the styles of this package are."""

from pathlib import Path

from stylezoo import FolderSource


def styles() -> FolderSource:
    """The folder ``styles``: NAME/VERSION/style.toml, and the files that each record lists."""
    return FolderSource(Path(__file__).parent / "styles")
