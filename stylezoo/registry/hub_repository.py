"""One style in a repository of its own on the Hugging Face Hub: ``alice/ink@1``.

No index vouches for it: what its owner puts there is trusted on first use and pinned.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from stylezoo.cache import cache_dir
from stylezoo.errors import (
    IntegrityError,
    OfflineError,
    RecordError,
    StyleNotFoundError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import RegistrySource, newest
from stylezoo.registry.download import download, read
from stylezoo.registry.offline import offline_variable, require_network
from stylezoo.registry.pins import Knowledge, MovedTag, Pin, PinFile, repositories
from stylezoo.registry.record import MAX_RECORD_BYTES, RECORD_FILE, File, Record
from stylezoo.registry.record_io import parse_record
from stylezoo.registry.record_text import check_version
from stylezoo.registry.spec import is_repository
from stylezoo.registry.store import Store
from stylezoo.registry.transport import Progress
from stylezoo.registry.web import shown

if TYPE_CHECKING:
    from stylezoo.registry.entry import StyleEntry
    from stylezoo.registry.hub_client import HubClient

TAG_PREFIX = "v"


def known_repositories(store: Store | None = None) -> list[HubRepository]:
    """The repositories used on this machine, sorted by name.

    One whose pin file cannot be read is skipped with a warning.

    Raises:
        CacheError: there is no home folder to keep a cache in.
    """
    return [HubRepository(name, store) for name in repositories(_pins_folder())]


class HubRepository(RegistrySource):
    """Serves the versions of the style in one repository, under the repository's name.

    Version 1.2.0 is what the tag ``v1.2.0`` pointed to when it was first used here: its commit and
    its record's sha256 are pinned then, and moving the tag later changes nothing.

    The Hub is asked for tags if none are known or on ``refresh``, and for a record or files that
    are not in the store. Nothing else needs the network. When offline, only the versions in the
    store count, if there are any.

    Args:
        repository: ``owner/name``.
        store: where fetched styles are kept; None for the one in the cache.
        wanted_record: the sha256 of the wanted record, if known: a version with another one is not
            pinned, as it will not be used.
        wanted_weights: the sha256 of the wanted weights, if only that is known.

    Raises:
        CacheError: there is no home folder to keep a cache in.
    """

    def __init__(
        self,
        repository: str,
        store: Store | None = None,
        *,
        wanted_record: str | None = None,
        wanted_weights: str | None = None,
    ) -> None:
        self.repository = repository
        self.store = store or Store()
        self._wanted_record = wanted_record
        self._wanted_weights = wanted_weights
        self._unwanted: dict[Version, Pin] = {}
        self._file = PinFile(_pins_folder(), repository)
        self._records: dict[str, bytes] = {}

    @property
    def location(self) -> str:
        """``hub:owner/name``."""
        return f"hub:{self.repository}"

    def names(self) -> list[str]:
        """The repository, which is the name of its style here."""
        return [self.repository]

    def versions(self, name: str) -> list[Version]:
        """The known versions, oldest first.

        Raises:
            StyleNotFoundError, VersionNotFoundError: none were known, and there are none.
            OfflineError, UnavailableError, AuthError: none were known; see ``refresh``.
            CacheError: what is known cannot be read or written.
        """
        if name != self.repository:
            return []
        known = self._knowledge_or_ask()
        if offline_variable() is not None:
            return self.local_versions(name) or known.versions
        return known.versions

    def local_versions(self, name: str) -> list[Version]:
        """The fetched versions, oldest first."""
        known = self._knowledge()
        if name != self.repository:
            return []
        return [version for version in known.versions if self._is_stored(known, version)]

    def local_folder(self, name: str, version: Version) -> Path | None:
        """Where one version is in the store, damaged or not; None if it was not fetched."""
        known = self._knowledge()
        fetched = name == self.repository and self._is_stored(known, version)
        return self.store.root / known.pins[version].sha256 if fetched else None

    def entries(self) -> Sequence[StyleEntry]:
        """The newest version in the store, under the repository's name; empty if there is none."""
        stored = self.local_versions(self.repository)
        if not stored:
            return []
        record = self.record(self.repository, newest(stored))
        return [replace(record.entry, name=self.repository)]

    def refresh(self) -> None:
        """Ask the Hub for the tags of the repository.

        Raises:
            StyleNotFoundError: there is no such repository.
            VersionNotFoundError: none of its tags is a version.
            OfflineError, UnavailableError, AuthError: the Hub cannot be asked, or does not answer.
            CacheError: the answer cannot be stored.
        """
        from stylezoo.registry.hub_client import HubRefusal

        require_network(f"the list of versions of {self.repository}", self._fetch_command())
        try:
            tags = self._hub.tags(self.repository)
        except HubRefusal as refusal:
            raise self._no_repository() from refusal
        listed = dict(_versions(tags))
        if not listed:
            raise VersionNotFoundError(
                f"{self.repository} on {self._host} has no versions: none of its tags looks like "
                f"'{TAG_PREFIX}1.0.0'"
            )
        self._file.set_listed(listed)

    def moved(self) -> list[MovedTag]:
        """The versions used here whose tag was moved or removed, as of the last ``refresh``."""
        known = self._knowledge()
        return [
            MovedTag(
                repository=self.repository,
                version=version,
                pinned=pin.commit,
                found=known.listed.get(version),
            )
            for version, pin in sorted(known.pins.items())
            if known.listed.get(version) != pin.commit
        ]

    def pin(self, version: Version) -> Pin | None:
        """What a version is pinned to on this machine; None if it was never used."""
        return self._knowledge().pins.get(version)

    def record(self, name: str, version: Version) -> Record:
        """Read the record of one version, and pin the version if this is its first use.

        Raises:
            VersionNotFoundError: there is no such version.
            RecordError: the record breaks the format, or is of another version.
            IntegrityError: the download is not what was pinned.
            OfflineError, UnavailableError, AuthError: it is not in the store and cannot be fetched.
            CacheError: the cache cannot be used.
        """
        return self._parse(self._record(name, version)[1], version)

    def folder(self, name: str, version: Version) -> Path:
        """The folder of one version, fetched if it is not in the store; see ``fetch``."""
        return self.fetch(name, version)

    def fetch(
        self, name: str, version: Version, progress: Callable[[int], None] | None = None
    ) -> Path:
        """The folder of one version, fetched if it is not in the store.

        Args:
            name: the repository.
            version: of the style.
            progress: called with the number of bytes of the style that are here.

        Raises:
            VersionNotFoundError: there is no such version.
            RecordError: its record breaks the format, or is of another version.
            IntegrityError: the download is not what was pinned, or what the record lists.
            OfflineError, UnavailableError, AuthError: it is not in the store and cannot be fetched.
            CacheError: the cache cannot be used, or has no space for it.
        """
        pin, content = self._record(name, version)
        stored = self.store.folder(pin.sha256)
        if stored is not None:
            return stored
        self._parse(content, version)
        try:
            self._require_network(version)
        except OfflineError:
            self.store.check(pin.sha256)  # name one that is here but damaged
            raise

        def fetch_file(file: File, part: Path, progress: Progress | None) -> None:
            download(
                self._hub.file_url(self.repository, file.path, pin.commit),
                part,
                size=file.size,
                sha256=file.sha256,
                headers=self._hub.headers(),
                progress=progress,
                what=f"{file.path} of {self.repository} {version}",
            )

        return self.store.add(content, fetch_file, origin=self._origin(version), progress=progress)

    @cached_property
    def _hub(self) -> HubClient:
        from stylezoo.registry.hub_client import HubClient

        return HubClient()

    @property
    def _host(self) -> str:
        return shown(self._hub.endpoint)

    def _knowledge(self) -> Knowledge:
        return self._file.read() or Knowledge(listed={}, pins={})

    def _knowledge_or_ask(self) -> Knowledge:
        known = self._file.read()
        if known is None:
            self.refresh()
            known = self._knowledge()
        return known

    def _is_stored(self, known: Knowledge, version: Version) -> bool:
        pin = known.pins.get(version)
        return pin is not None and self.store.record(pin.sha256) is not None

    def _record(self, name: str, version: Version) -> tuple[Pin, bytes]:
        """The pin of a version, stored if it will be used, and the bytes of its record."""
        if name != self.repository:
            raise VersionNotFoundError(f"{self.location} has no {name} {version}")
        known = self._knowledge_or_ask()
        pin = known.pins.get(version) or self._unwanted.get(version)
        if pin is None:
            pin = self._first_use(version, known)
        kept = self._records.get(pin.sha256) or self.store.record(pin.sha256)
        if kept is not None:
            content = kept
        else:
            content = self._read_record(version, pin.commit)
            found_sha256 = hashlib.sha256(content).hexdigest()
            if found_sha256 != pin.sha256:
                raise IntegrityError(
                    f"{self._origin(version)} has the sha256 {found_sha256}, but had "
                    f"{pin.sha256} when it was first used here; a commit cannot change: do not "
                    f"trust {self._host}"
                )
        self._records[pin.sha256] = content
        return pin, content

    def _first_use(self, version: Version, known: Knowledge) -> Pin:
        """What a version's tag points to, which is pinned unless it is not what is wanted."""
        found = self._tagged(version, known)
        if not self._is_wanted(found, version):
            self.refresh()  # the tag may have been moved back since it was listed
            found = self._tagged(version, self._knowledge())
        self._parse(self._records[found.sha256], version)
        if self._is_wanted(found, version):
            return self._file.pin(version, found)
        self._unwanted[version] = found
        return found

    def _is_wanted(self, found: Pin, version: Version) -> bool:
        if self._wanted_record is not None:
            return found.sha256 == self._wanted_record
        if self._wanted_weights is None:
            return True
        record = self._parse(self._records[found.sha256], version)
        return record.file("weights").sha256 == self._wanted_weights

    def _tagged(self, version: Version, known: Knowledge) -> Pin:
        commit = known.listed.get(version)
        if commit is None:
            raise VersionNotFoundError(f"{self.location} has no version {version}")
        content = self._read_record(version, commit)
        found = Pin(commit=commit, sha256=hashlib.sha256(content).hexdigest())
        self._records[found.sha256] = content
        return found

    def _read_record(self, version: Version, commit: str) -> bytes:
        self._require_network(version)
        content = read(
            self._hub.file_url(self.repository, RECORD_FILE, commit),
            limit=MAX_RECORD_BYTES,
            headers=self._hub.headers(),
            what=self._origin(version),
        )
        if content is None:
            raise VersionNotFoundError(
                f"{self.repository} {version} on {self._host} holds no {RECORD_FILE} (commit "
                f"{commit}): it is not a style, or that commit is gone"
            )
        return content

    def _parse(self, content: bytes, version: Version) -> Record:
        origin = self._origin(version)
        try:
            record = parse_record(content.decode(), origin=origin)
        except UnicodeDecodeError as error:
            raise RecordError(f"it is not UTF-8: {error}", origin=origin) from error
        if record.version != version:
            raise RecordError(
                f"it is {str(record.version)!r}, but the tag is {TAG_PREFIX}{version}",
                field="version",
                origin=origin,
            )
        return record

    def _origin(self, version: Version) -> str:
        return f"{RECORD_FILE} of {self.repository} {version}"

    def _require_network(self, version: Version) -> None:
        spec = f"{self.repository}@{version}"
        require_network(f"the style {spec}", self._fetch_command(f"@{version}"))

    def _fetch_command(self, version: str = "") -> str:
        return f"stylezoo fetch {self.repository}{version}"

    def _no_repository(self) -> StyleNotFoundError:
        owner, _, name = self.repository.partition("/")
        theirs = {
            other.partition("/")[2]: other
            for other in self._hub.repositories_of(owner)
            if is_repository(other) and other.startswith(f"{owner}/")
        }
        near = get_close_matches(name, theirs, n=1)
        advice = (
            f"did you mean {theirs[near[0]]!r}?"
            if near
            else f"for a folder on this machine, write ./{self.repository}"
        )
        return StyleNotFoundError(
            f"there is no repository {self.repository!r} on {self._host}, or it is private and "
            f"HF_TOKEN does not give access to it; {advice}"
        )


def _versions(tags: dict[str, str]) -> Iterator[tuple[Version, str]]:
    """The tags that are versions in normal form, such as ``v1.2.0``."""
    for tag, commit in tags.items():
        if tag.startswith(TAG_PREFIX):
            with contextlib.suppress(RecordError):
                yield check_version(tag.removeprefix(TAG_PREFIX)), commit


def _pins_folder() -> Path:
    return cache_dir() / "hub"
