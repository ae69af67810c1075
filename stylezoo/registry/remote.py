"""A signed registry as a source: its index says what there is, the store keeps what was fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.errors import (
    CacheError,
    OfflineError,
    RecordError,
    RegistryFormatError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.offline import require_network
from stylezoo.registry.record import RECORD_FILE, File, Record
from stylezoo.registry.record_io import parse_record
from stylezoo.registry.store import Store, StoredStyle
from stylezoo.registry.transport import Progress, Transport
from stylezoo.registry.trust import TrustedRegistry

if TYPE_CHECKING:
    from packaging.version import Version

    from stylezoo.registry.index import IndexEntry

_RECORDS = "records"


class RemoteSource(RegistrySource):
    """Serves the styles of a signed registry.

    The registry is asked for its index if none was ever verified here or on ``refresh``, and for a
    record or files of a style that are not in the cache. Nothing else needs the network.

    Args:
        registry: its index.
        store: where fetched styles are kept; None for the one in the cache.
    """

    def __init__(self, registry: TrustedRegistry, store: Store | None = None) -> None:
        self.registry = registry
        self.store = store or Store()
        self._records: dict[str, tuple[Record, bytes]] = {}

    @property
    def location(self) -> str:
        """Where the registry is."""
        return self.registry.transport.location

    def names(self) -> list[str]:
        """The names of all styles in the index, sorted; see ``TrustedRegistry.index``."""
        return sorted(self.registry.index().entries)

    def versions(self, name: str) -> list[Version]:
        """The versions of a style in the index, oldest first."""
        return self.registry.index().versions(name)

    def local_versions(self, name: str) -> list[Version]:
        """The fetched versions of a style, oldest first."""
        entries = self.registry.index().entries.get(name, ())
        return [entry.version for entry in entries if self.store.record(entry.sha256) is not None]

    def local_folder(self, name: str, version: Version) -> Path | None:
        """Where one version is in the store, damaged or not; None if it was not fetched."""
        fetched = version in self.local_versions(name)
        return self.store.root / self.find(name, version).sha256 if fetched else None

    def withdrawn(self) -> list[StoredStyle]:
        """The fetched styles that the registry has since withdrawn."""
        gone = self.registry.withdrawn()
        return [style for style in self.store.entries() if style.sha256 in gone]

    def entries(self) -> Sequence[IndexEntry]:
        """The newest version of each style in the index, sorted by name."""
        return list(self.registry.index().newest())

    def refresh(self) -> None:
        """Ask the registry for its index, without falling back to an earlier one.

        Raises:
            See ``TrustedRegistry.refresh``.
        """
        self.registry.refresh(fall_back=False)

    def record(self, name: str, version: Version) -> Record:
        """Read the record of one version, from the cache if it was read before.

        Raises:
            VersionNotFoundError: the index has no such version.
            RecordError: it breaks the format, or is not of this name and version.
            IntegrityError: the download is not what the index lists.
            OfflineError, UnavailableError, AuthError: it is not in the cache and cannot be fetched.
            CacheError: the cache cannot be written.
        """
        return self._record(self.find(name, version))[0]

    def folder(self, name: str, version: Version) -> Path:
        """The folder of one version, fetched if it is not in the store; see ``fetch``."""
        return self.fetch(name, version)

    def fetch(
        self, name: str, version: Version, progress: Callable[[int], None] | None = None
    ) -> Path:
        """The folder of one version, fetched if it is not in the store.

        Args:
            name: of the style.
            version: of the style.
            progress: called with the number of bytes of the style that are here.

        Raises:
            VersionNotFoundError: the index has no such version.
            RecordError: its record breaks the format.
            IntegrityError: the download is not what the index and the record list.
            ExpiredError, SignatureError, RollbackError: the index expired, and the new one refused.
            RegistryFormatError: a new index cannot be read, or lists fewer bytes than the record.
            OfflineError, UnavailableError, AuthError: it is not in the store and cannot be fetched.
            CacheError: the store cannot be written, or has no space for it.
        """
        entry = self.find(name, version)
        stored = self.store.folder(entry.sha256)
        if stored is not None:
            return stored
        self._require_network(entry)
        if self.registry.index().expired:
            self._renew_index(entry)
            entry = self.find(name, version)
        record, content = self._record(entry)
        listed = sum(file.size for file in record.files) + entry.size
        if listed > entry.total_size:
            raise RegistryFormatError(
                f"{self.location} lists {entry.total_size} bytes for {name} {version}, but its "
                f"record says {listed}; tell the maintainers of the registry"
            )
        transport = self._transport(entry)

        def fetch_file(file: File, part: Path, progress: Progress | None) -> None:
            transport.fetch(
                entry, file.path, part, size=file.size, sha256=file.sha256, progress=progress
            )

        origin = f"{self.location}, {name} {version}"
        return self.store.add(content, fetch_file, origin=origin, progress=progress)

    def find(self, name: str, version: Version) -> IndexEntry:
        """The index entry of one version.

        Raises:
            VersionNotFoundError: it has no such version.
        """
        entry = self.registry.index().find(name, version)
        if entry is None:
            raise VersionNotFoundError(f"{self.location} has no {name} {version}")
        return entry

    def _renew_index(self, entry: IndexEntry) -> None:
        """Ask for an index that has not expired: styles new to this machine need one.

        The copy will not do: whoever withholds the newer index may have a reason to.
        """
        try:
            self.registry.refresh(fall_back=False)
        except (UnavailableError, RegistryFormatError) as error:
            self.store.check(entry.sha256)  # name one that is here but damaged
            raise type(error)(
                f"{entry.name} {entry.version} is new to this machine, and the index that lists "
                f"it has expired: {error}"
            ) from error

    def _record(self, entry: IndexEntry) -> tuple[Record, bytes]:
        """The record and its bytes: from this process, the store or the cache, or fetched."""
        known = self._records.get(entry.sha256)
        if known is not None:
            return known
        path = self.registry.state / _RECORDS / f"{entry.sha256}.toml"
        content = self.store.record(entry.sha256) or _vouched_for(path, entry)
        if content is None:
            content = self._fetch_record(entry, path)
        origin = f"{self.location}, {entry.name} {entry.version}, {RECORD_FILE}"
        try:
            record = parse_record(content.decode(), origin=origin)
        except UnicodeDecodeError as error:
            raise RecordError(f"it is not UTF-8: {error}", origin=origin) from error
        for field, found, expected in (
            ("name", record.name, entry.name),
            ("version", record.version, entry.version),
        ):
            if found != expected:
                raise RecordError(
                    f"it is {str(found)!r}, but listed as {str(expected)!r}",
                    field=field,
                    origin=origin,
                )
        self._records[entry.sha256] = record, content
        return record, content

    def _fetch_record(self, entry: IndexEntry, path: Path) -> bytes:
        self._require_network(entry)
        part = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.registry.locked() as progress:
                content = _vouched_for(path, entry)
                if content is not None:
                    return content  # another process has fetched it while this one waited
                self._sweep_records(keep=part)
                self._transport(entry).fetch(
                    entry,
                    RECORD_FILE,
                    part,
                    size=entry.size,
                    sha256=entry.sha256,
                    progress=progress,
                )
                content = part.read_bytes()
                part.replace(path)
        except OSError as error:
            raise CacheError(
                f"{path} cannot be written: {error.strerror or error}; to use another "
                f"folder, set {CACHE_VARIABLE}"
            ) from error
        return content

    def _sweep_records(self, keep: Path) -> None:
        """Remove what killed processes left, and records that the index no longer lists."""
        entries = self.registry.index().entries
        listed = {f"{one.sha256}.toml" for versions in entries.values() for one in versions}
        for path in keep.parent.iterdir():
            if path != keep and path.name not in listed:
                path.unlink()

    def _require_network(self, entry: IndexEntry) -> None:
        if self._transport(entry).remote:
            style = f"{entry.name}@{entry.version}"
            try:
                require_network(f"the style {style}", f"stylezoo fetch {style}")
            except OfflineError:
                self.store.check(entry.sha256)  # name one that is here but damaged
                raise

    def _transport(self, entry: IndexEntry) -> Transport:
        """The transport of a style's files: any index may list styles with files on the Hub."""
        transport = self.registry.transport
        if entry.repository is None:
            return transport
        from stylezoo.registry.hub_transport import HubTransport

        return transport if isinstance(transport, HubTransport) else HubTransport(entry.repository)


def _vouched_for(path: Path, entry: IndexEntry) -> bytes | None:
    """The bytes of a record on this machine, if they match the index."""
    import hashlib

    try:
        with path.open("rb") as file:
            content = file.read(entry.size + 1)
    except OSError:
        return None
    good = len(content) == entry.size and hashlib.sha256(content).hexdigest() == entry.sha256
    return content if good else None
