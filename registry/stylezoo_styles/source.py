"""A source of the styles in the folder ``styles`` beside this module."""

from pathlib import Path

from stylezoo import FolderSource


def embedded() -> FolderSource:
    """The styles that come with stylezoo."""
    return FolderSource(Path(__file__).parent / "styles")
