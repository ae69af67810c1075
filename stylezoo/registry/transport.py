"""The transport: how the files of a registry reach this machine, trustworthy or not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.version import Version

    from stylezoo.registry.index import IndexEntry

Progress = Callable[[int], None]
"""Called with the number of bytes of a file that are here."""


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
        """Where the registry is, for display."""

    @property
    @abstractmethod
    def remote(self) -> bool:
        """Whether it needs the network."""

    @abstractmethod
    def read(self, path: str, limit: int, progress: Progress | None = None) -> bytes | None:
        """Read a small file of the registry, such as ``metadata/timestamp.json``.

        Args:
            path: relative to the registry.
            limit: in bytes; no more is ever read.
            progress: called with the bytes so far, if the file comes over the network.

        Returns:
            Its content; None if there is no such file.

        Raises:
            RegistryFormatError: it is longer than the limit.
            UnavailableError, AuthError: the server does not provide it.
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
        """Fetch one file of a style into ``part`` and verify it.

        Args:
            entry: the style, from a verified index.
            path: of the file in the style folder.
            part: file to write; if it exists, it is the start of an earlier attempt.
            size: of the file, in bytes; no more is ever read.
            sha256: of the file.
            progress: called with the bytes so far.

        Raises:
            IntegrityError: the wrong file arrived (if remote, twice); ``part`` is then removed.
            UnavailableError, AuthError: the server does not provide it; ``part`` may stay.
            CacheError: ``part`` cannot be written.
        """
