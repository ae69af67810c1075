"""The registry source: where records and files of styles come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

    from stylezoo.registry.record import Record


class RegistrySource(ABC):
    """Lists the styles of one place and delivers their files.

    A source is made without arguments. Making it and listing its names must be cheap, and import
    neither torch nor a network library.
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
