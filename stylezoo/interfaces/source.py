"""The registry source: where records and files of styles come from."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.errors import RecordError

if TYPE_CHECKING:
    from packaging.version import Version

    from stylezoo.registry.entry import StyleEntry
    from stylezoo.registry.record import Record


class RecordWarning(UserWarning):
    """A style was left out of a list; the message says which and why."""


class SourceWarning(UserWarning):
    """A style came from an unexpected source, or a source was skipped."""


class RegistrySource(ABC):
    """Lists the styles of one place and delivers their files.

    A source is made without arguments. Making it and listing its names must be cheap, and import
    neither torch nor a network library.

    A network source answers ``names``, ``versions`` and ``entries`` from its last known state, and
    asks its server only if it has none yet, or in ``refresh``.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the styles are, in human-readable form: a folder or an address."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all styles here, sorted."""

    @abstractmethod
    def versions(self, name: str) -> list[Version]:
        """The versions of a style, oldest first; empty if there is no such style."""

    @abstractmethod
    def record(self, name: str, version: Version) -> Record:
        """Read the record of one version.

        Raises:
            RecordError: the record breaks the format, or is not of this name and version.
            VersionNotFoundError: there is no such version.
        """

    @abstractmethod
    def folder(self, name: str, version: Version) -> Path:
        """Return a local folder that holds ``style.toml`` and every file the record lists.

        The caller checks sizes and hashes; a source need not.

        Raises:
            VersionNotFoundError: there is no such version.
        """

    def local_versions(self, name: str) -> list[Version]:
        """The versions of a style whose files are on this machine, oldest first.

        All of them by default; a source that fetches returns those it has fetched.
        """
        return self.versions(name)

    def local_folder(self, name: str, version: Version) -> Path | None:
        """Where the files of one version are on this machine, damaged or not.

        Nothing is fetched or repaired: a source that does so in ``folder`` returns here the
        folder it would look in first.

        Returns:
            The folder; None if the files are not on this machine.
        """
        return self.folder(name, version) if version in self.local_versions(name) else None

    def entries(self) -> Sequence[StyleEntry]:
        """Each style in its newest version, sorted by name.

        Override this default if the source knows them without reading every record. A record
        that breaks the format is left out with a RecordWarning.
        """
        entries = []
        for name in self.names():
            try:
                entries.append(self.record(name, newest(self.versions(name))).entry)
            except RecordError as error:
                warnings.warn(f"a style is left out: {error}", RecordWarning, stacklevel=2)
        return entries

    def fetch(
        self, name: str, version: Version, progress: Callable[[int], None] | None = None
    ) -> Path:
        """Like ``folder``, with progress reports.

        Args:
            name: name of the style.
            version: version of the style.
            progress: called with the number of bytes of the style that are local so far. The
                default never calls it, as the files are local already.
        """
        return self.folder(name, version)

    def refresh(self) -> None:  # noqa: B027 - a source of this machine has nothing to ask
        """Ask the server for its current state, even if one is known.

        Raises:
            UnavailableError, AuthError: it does not answer, or refuses access.
            RegistryError: its answer cannot be trusted.
        """


def newest(versions: Sequence[Version]) -> Version:
    """The last of versions sorted oldest first; a pre-release only if there is no other."""
    finished = [version for version in versions if not version.is_prerelease]
    return (finished or versions)[-1]
