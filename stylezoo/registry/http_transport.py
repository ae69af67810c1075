"""A registry on any web server that serves the files of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from stylezoo.registry.transport import Progress, Transport, style_path

if TYPE_CHECKING:
    from stylezoo.registry.index import IndexEntry


class HttpTransport(Transport):
    """Reads the files of a registry over HTTP or HTTPS.

    Args:
        address: such as ``https://host/styles``, as returned by ``parse_location``.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def location(self) -> str:
        """The address."""
        return self.address

    @property
    def remote(self) -> bool:
        """True."""
        return True

    def read(self, path: str, limit: int, progress: Progress | None = None) -> bytes | None:
        """Read a small file; see ``Transport.read``."""
        from stylezoo.registry.download import read

        return read(self._url(path), limit=limit, progress=progress)

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
        """Download and verify one file of a style; see ``Transport.fetch``."""
        from stylezoo.registry.download import download

        download(
            self._url(f"{style_path(entry.name, entry.version)}/{path}"),
            part,
            size=size,
            sha256=sha256,
            progress=progress,
            what=f"{path} of {entry.name} {entry.version}",
        )

    def _url(self, path: str) -> str:
        return f"{self.address}/{quote(path)}"
