"""The source of this package's styles."""

from pathlib import Path

from stylezoo import FolderSource


def styles() -> FolderSource:
    """The folder ``styles``: each NAME/VERSION has a style.toml and the files that it lists."""
    return FolderSource(Path(__file__).parent / "styles")
