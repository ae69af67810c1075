"""The transport: how the files of a registry reach this machine, whatever they are worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

    from stylezoo.registry.index import IndexEntry

Progress = Callable[[int], None]
"""Told how many bytes of a file are here."""


def style_path(name: str, version: Version) -> str:
    """The folder of one version of a style in a registry that holds the files itself."""
    return f"styles/{name}/{version}"


class Transport(ABC):
    """Reads the files of one registry. It trusts nothing and decides nothing: others verify.

    A registry holds ``metadata/`` (TUF: root, timestamp, snapshot, targets) and the styles, in
    ``styles/<name>/<version>/`` or, on the Hub, in repositories of their own.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the registry is, for people to read."""

    @property
    @abstractmethod
    def remote(self) -> bool:
        """Whether it takes the network."""

    @abstractmethod
    def read(self, path: str, limit: int) -> bytes | None:
        """Read a small file of the registry, such as ``metadata/timestamp.json``.

        Args:
            path: relative to the registry.
            limit: in bytes; no more is ever read.

        Returns:
            Its content; None if there is no such file.

        Raises:
            RegistryFormatError: it is longer than the limit.
            UnavailableError, AuthError: the server does not give it.
        """

    @abstractmethod
    def fetch(
        self,
        entry: IndexEntry,
        path: str,
        part: Path,
        *,
        size: int,
        sha256: str,
        progress: Progress | None = None,
    ) -> None:
        """Bring one file of a style into ``part``, checked.

        Args:
            entry: the style, from a verified index.
            path: of the file in the style folder.
            part: file to write; one that exists is the start of an earlier try.
            size: of the file, in bytes; no more is ever read.
            sha256: of the file.
            progress: told the bytes so far.

        Raises:
            IntegrityError: what comes is not the file, twice; ``part`` is gone then.
            UnavailableError, AuthError: the server does not give it; ``part`` may stay.
            CacheError: ``part`` cannot be written.
        """
