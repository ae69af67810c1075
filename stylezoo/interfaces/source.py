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
    """A style is of another source than one might think, or a source was passed over."""


class RegistrySource(ABC):
    """Lists the styles of one place and delivers their files.

    A source is made without arguments. Making it and listing its names must be cheap, and import
    neither torch nor a network library.

    A source of the network answers ``names``, ``versions`` and ``entries`` from what it was told
    last, and asks its server only if it was told nothing yet, or by ``refresh``.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the styles are, for people to read: a folder, an address."""

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
        """Return a local folder that holds ``style.toml`` and every file that the record lists.

        The caller checks sizes and hashes; a source need not.

        Raises:
            VersionNotFoundError: there is no such version.
        """

    def local_versions(self, name: str) -> list[Version]:
        """The versions of a style whose files are on this machine, oldest first.

        By default all: those of a source that fetches are what it has fetched.
        """
        return self.versions(name)

    def local_folder(self, name: str, version: Version) -> Path | None:
        """Where the files of one version are on this machine, whatever has become of them.

        Nothing is fetched, and nothing mended: a source that does so in ``folder`` says here what
        it would look at first.

        Returns:
            None if they are not here.
        """
        return self.folder(name, version) if version in self.local_versions(name) else None

    def entries(self) -> Sequence[StyleEntry]:
        """Each style in its newest version, sorted by name.

        A source that knows them without reading every record does better than this default. A
        record that breaks the format is left out with a RecordWarning.
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
        """The same as ``folder``, told as it goes.

        Args:
            name: of the style.
            version: of the style.
            progress: told how many bytes of the style are here. By default it is told nothing,
                as the files are here already.
        """
        return self.folder(name, version)

    def refresh(self) -> None:  # noqa: B027 - a source of this machine has nothing to ask
        """Ask the server what there is now, even if that was known.

        Raises:
            UnavailableError, AuthError: it does not answer.
            RegistryError: it answers what cannot be trusted.
        """


def newest(versions: Sequence[Version]) -> Version:
    """The last of some versions, oldest first; a pre-release only if there is nothing else."""
    finished = [version for version in versions if not version.is_prerelease]
    return (finished or versions)[-1]
