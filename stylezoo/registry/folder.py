"""A folder of styles as a source: ``<root>/<name>/<version>/style.toml``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.version import InvalidVersion, Version

from stylezoo.errors import RecordError, UnavailableError, VersionNotFoundError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.record_text import STYLE_NAME


class FolderSource(RegistrySource):
    """Serves the styles of a folder.

    Args:
        root: holds a folder for each style, with a folder for each version. Other entries are
            skipped, and so are symbolic links, which could lead anywhere.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    def location(self) -> str:
        """The path of the folder."""
        return str(self.root)

    def names(self) -> list[str]:
        """The names of all styles here, sorted.

        Raises:
            UnavailableError: the folder cannot be read.
        """
        with _reading(self.root):
            folders = _folders(self.root)
        return sorted(
            folder.name
            for folder in folders
            if STYLE_NAME.fullmatch(folder.name) and self.versions(folder.name)
        )

    def versions(self, name: str) -> list[Version]:
        """The versions of a style, oldest first.

        Raises:
            UnavailableError: the folder cannot be read.
        """
        if not STYLE_NAME.fullmatch(name):
            return []
        found = []
        with _reading(self.root / name):
            for folder in _folders(self.root / name):
                try:
                    version = Version(folder.name)
                except InvalidVersion:
                    continue
                if str(version) == folder.name and (folder / RECORD_FILE).is_file():
                    found.append(version)
        return sorted(found)

    def refresh(self) -> None:
        """Check that the folder can be read.

        Raises:
            UnavailableError: it cannot.
        """
        self.names()

    def record(self, name: str, version: Version) -> Record:
        """Read the record of one version; see ``RegistrySource.record``."""
        folder = self.folder(name, version)
        record = read_record(folder)
        for field, found, expected in (
            ("name", record.name, name),
            ("version", record.version, version),
        ):
            if found != expected:
                raise RecordError(
                    f"it is {str(found)!r} in a folder for {str(expected)!r}",
                    field=field,
                    origin=str(folder / RECORD_FILE),
                )
        return record

    def folder(self, name: str, version: Version) -> Path:
        """The folder of one version; see ``RegistrySource.folder``."""
        if version not in self.versions(name):
            raise VersionNotFoundError(f"{self.root} has no {name} {version}")
        return self.root / name / str(version)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn system errors into one that does not stop other sources."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be read: {error.strerror}; ask its owner for permission, or remove it "
            "from the list with: stylezoo registries remove NAME"
        ) from error


def _folders(path: Path) -> list[Path]:
    try:
        entries = list(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
