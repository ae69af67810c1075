"""The index of a registry: every version of every style, with what is needed to fetch it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from packaging.version import Version

from stylezoo.interfaces.source import newest
from stylezoo.registry.entry import StyleEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEntry(StyleEntry):
    """One version of a style in an index.

    Attributes:
        sha256: of its record, ``style.toml``, which holds the hashes of all other files.
        size: of its record, in bytes.
        total_size: of all its files and its record, in bytes.
        repository: on the Hub, ``owner/name``; None if the registry itself holds the files.
        commit: of the repository, 40 hex digits.
    """

    sha256: str
    size: int
    total_size: int
    repository: str | None = None
    commit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """The verified index of a registry.

    Attributes:
        entries: the versions of each style, oldest first.
        expires: when its signatures expire (UTC).
        refreshed: when it was last confirmed by the registry (UTC).
    """

    entries: Mapping[str, tuple[IndexEntry, ...]] = field(default_factory=dict)
    expires: datetime
    refreshed: datetime

    @property
    def expired(self) -> bool:
        """Whether its signatures have expired."""
        return self.expires <= datetime.now(UTC)

    def versions(self, name: str) -> list[Version]:
        """The versions of a style, oldest first; empty if there is no such style."""
        return [entry.version for entry in self.entries.get(name, ())]

    def find(self, name: str, version: Version) -> IndexEntry | None:
        """One version of a style; None if it is not there."""
        for entry in self.entries.get(name, ()):
            if entry.version == version:
                return entry
        return None

    def newest(self) -> Iterator[IndexEntry]:
        """The newest entry of each style, sorted by name; see ``newest`` of the sources."""
        for name in sorted(self.entries):
            entries = self.entries[name]
            if len(entries) == 1:
                yield entries[0]
                continue
            version = newest(self.versions(name))
            yield next(entry for entry in entries if entry.version == version)
