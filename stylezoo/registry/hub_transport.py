"""A registry on the Hugging Face Hub: one repository for the index, one per style for its files.

The index is read at the head of branch main: it is signed, and can only move forward. A style's
files are read at the full commit that the index names, and checked against it, so that neither a
moved tag nor a lying mirror can change them. Bytes arrive over plain HTTPS in files that this
program names; nothing from a server's headers becomes part of a path.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.errors import RegistryError
from stylezoo.registry.download import download, read
from stylezoo.registry.transport import Progress, Transport, style_path
from stylezoo.registry.web import shown

if TYPE_CHECKING:
    from stylezoo.registry.hub_client import HubClient
    from stylezoo.registry.index import IndexEntry

INDEX_REVISION = "main"


class HubTransport(Transport):
    """Reads a registry on the Hub at HF_ENDPOINT, with the token from HF_TOKEN.

    Args:
        repository: of the index, ``owner/name``.
    """

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self._exists = False

    @property
    def location(self) -> str:
        """``hub:owner/name``."""
        return f"hub:{self.repository}"

    @property
    def remote(self) -> bool:
        """True."""
        return True

    def read(self, path: str, limit: int, progress: Progress | None = None) -> bytes | None:
        """Read a small file of the index; see ``Transport.read``.

        Raises:
            RegistryError: there is no such repository.
        """
        content = read(
            self._hub.file_url(self.repository, path, INDEX_REVISION),
            limit=limit,
            headers=self._hub.headers(),
            progress=progress,
            what=f"{path} of {self.location}",
        )
        if content is None and not self._exists:
            self._require_repository()
        self._exists = True
        return content

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
        if entry.repository is None or entry.commit is None:
            inside = f"{style_path(entry.name, entry.version)}/{path}"
            url = self._hub.file_url(self.repository, inside, INDEX_REVISION)
        else:
            commit = self._hub.checked_commit(entry.commit, entry.name)
            url = self._hub.file_url(entry.repository, path, commit)
        download(
            url,
            part,
            size=size,
            sha256=sha256,
            headers=self._hub.headers(),
            progress=progress,
            what=f"{path} of {entry.name} {entry.version}",
        )

    @cached_property
    def _hub(self) -> HubClient:
        from stylezoo.registry.hub_client import HubClient

        return HubClient()

    def _require_repository(self) -> None:
        """Distinguish a missing repository from a missing file.

        Raises:
            RegistryError: there is no such repository.
            AuthError, UnavailableError: the Hub does not say.
        """
        from stylezoo.registry.hub_client import HubRefusal

        try:
            self._hub.repository(self.repository)
        except HubRefusal as refusal:
            raise RegistryError(
                f"there is no repository {self.repository} on {shown(self._hub.endpoint)}, or it "
                "is private and HF_TOKEN does not give access to it"
            ) from refusal
