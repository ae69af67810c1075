"""The source ``new-name``. Every ``stylezoo list`` imports this module, so keep it light."""

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
    """Serves the styles in a zip archive, if there is one. CHANGE THIS to your own storage."""

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
        """The archive, unpacked into a temporary folder that is deleted along with this source."""
        # Kept as an attribute: the folder is deleted when this object is garbage-collected.
        self._temporary = tempfile.TemporaryDirectory(prefix="stylezoo-new-name-")
        folder = Path(self._temporary.name)
        if VARIABLE in os.environ:
            with zipfile.ZipFile(os.environ[VARIABLE]) as archive:
                for member in archive.infolist():
                    # An archive must not decide where on this disk its files are written.
                    if MEMBER.fullmatch(member.filename) and member.file_size <= LARGEST_FILE:
                        archive.extract(member, folder)
        return stylezoo.FolderSource(folder)
