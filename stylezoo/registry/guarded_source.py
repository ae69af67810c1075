"""A wrapper for plugins' sources: a failure names its source and stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from packaging.version import Version

from stylezoo.errors import StyleZooError, UnavailableError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.entry import StyleEntry
from stylezoo.registry.record import Record


class GuardedSource(RegistrySource):
    """Wraps a source and turns any exception that is not ours into an UnavailableError.

    Args:
        name: of the source.
        source: a plugin's source.
    """

    def __init__(self, name: str, source: RegistrySource) -> None:
        self._name = name
        self._source = source

    @property
    def location(self) -> str:
        """Where the styles are, for display."""
        with self._guarded():
            return str(self._source.location)

    def names(self) -> list[str]:
        """The names of all styles here, sorted."""
        with self._guarded():
            return list(self._source.names())

    def versions(self, name: str) -> list[Version]:
        """The versions of a style, oldest first."""
        with self._guarded():
            return _checked(self._source.versions(name))

    def record(self, name: str, version: Version) -> Record:
        """Read the record of one version."""
        with self._guarded():
            return self._source.record(name, version)

    def folder(self, name: str, version: Version) -> Path:
        """Return a local folder with the files of a style."""
        with self._guarded():
            return self._source.folder(name, version)

    def local_versions(self, name: str) -> list[Version]:
        """The versions of a style whose files are on this machine, oldest first."""
        with self._guarded():
            return _checked(self._source.local_versions(name))

    def local_folder(self, name: str, version: Version) -> Path | None:
        """Where the files of one version are on this machine, intact or not."""
        with self._guarded():
            return self._source.local_folder(name, version)

    def entries(self) -> Sequence[StyleEntry]:
        """The newest version of each style."""
        with self._guarded():
            return list(self._source.entries())

    def fetch(
        self, name: str, version: Version, progress: Callable[[int], None] | None = None
    ) -> Path:
        """Like ``folder``, with progress."""
        with self._guarded():
            return self._source.fetch(name, version, progress)

    def refresh(self) -> None:
        """Ask the server what it has now."""
        with self._guarded():
            self._source.refresh()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except StyleZooError:
            raise
        except (Exception, SystemExit) as error:  # third-party code may raise anything
            raise UnavailableError(
                f"the source {self._name!r} failed: {type(error).__name__}: {error}; report it to "
                "the authors of its plugin, see: stylezoo plugins"
            ) from error


def _checked(versions: Sequence[Version]) -> list[Version]:
    for version in versions:
        if not isinstance(version, Version):
            raise TypeError(f"{version!r:.80} is not a packaging.version.Version")
    return list(versions)
