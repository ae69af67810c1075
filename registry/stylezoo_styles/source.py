"""The folder ``styles`` beside this module as a source."""

from pathlib import Path

from stylezoo import FolderSource


def embedded() -> FolderSource:
    """The styles that come with stylezoo."""
    return FolderSource(Path(__file__).parent / "styles")
