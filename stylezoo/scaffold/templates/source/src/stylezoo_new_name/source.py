"""The source ``new-name``: every ``stylezoo list`` imports this module, so keep it light."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from functools import cached_property
from pathlib import Path

from packaging.version import Version

import stylezoo

VARIABLE = "STYLEZOO_NEW_NAME_ARCHIVE"
MEMBER = re.compile(r"[a-z0-9-]+/[a-z0-9.]+/(?!\.)[A-Za-z0-9_.-]+")
LARGEST_FILE = 256 * 2**20  # bytes


class NewNameSource(stylezoo.RegistrySource):
    """Serves the styles of a zip archive; without one, none. CHANGE THIS to your place."""

    @property
    def location(self) -> str:
        """The archive's path."""
        return os.environ.get(VARIABLE, f"no archive: {VARIABLE} is not set")

    def names(self) -> list[str]:
        """The names of all styles here, sorted."""
        return self._unpacked.names()

    def versions(self, name: str) -> list[Version]:
        """The versions of a style, oldest first; empty if there is no such style."""
        return self._unpacked.versions(name)

    def record(self, name: str, version: Version) -> stylezoo.Record:
        """Read the record of one version; see ``RegistrySource.record``."""
        return self._unpacked.record(name, version)

    def folder(self, name: str, version: Version) -> Path:
        """Return a folder that holds one version; see ``RegistrySource.folder``."""
        return self._unpacked.folder(name, version)

    @cached_property
    def _unpacked(self) -> stylezoo.FolderSource:
        """The archive in a temporary folder, which goes when this source does."""
        # Kept as an attribute, for it deletes the folder when it is collected.
        self._temporary = tempfile.TemporaryDirectory(prefix="stylezoo-new-name-")
        folder = Path(self._temporary.name)
        if VARIABLE in os.environ:
            with zipfile.ZipFile(os.environ[VARIABLE]) as archive:
                for member in archive.infolist():
                    # Whoever made the archive may not choose where on this disk its files go.
                    if MEMBER.fullmatch(member.filename) and member.file_size <= LARGEST_FILE:
                        archive.extract(member, folder)
        return stylezoo.FolderSource(folder)
