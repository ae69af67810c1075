"""Trust in a registry: its index is accepted only if the keys of a known root vouch for it.

The Update Framework (https://theupdateframework.github.io/specification/latest/), by python-tuf's
client: it refuses an index that is unsigned, older than one already seen, mixed from several, or
expired. The sha256 in the index then vouches for the files of styles.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.errors import (
    AuthError,
    CacheError,
    ExpiredError,
    OutputError,
    RegistryError,
    RegistryFormatError,
    RollbackError,
    SignatureError,
    UnavailableError,
    one_line,
)
from stylezoo.registry.config import RegistryConfig, RegistryWarning
from stylezoo.registry.index import Index
from stylezoo.registry.index_io import INDEX_SCHEMA, WITHDRAWN, read_copy, read_targets, write_copy
from stylezoo.registry.offline import offline_variable, require_network
from stylezoo.registry.strict_json import parse_object
from stylezoo.registry.transport import Progress, Transport

if TYPE_CHECKING:
    from tuf.ngclient import FetcherInterface, UpdaterConfig

ROOT_LIMIT = 500_000
TIMESTAMP_LIMIT = 16_000
SNAPSHOT_LIMIT = 2_000_000
TARGETS_LIMIT = 20_000_000

LONGEST_REASON = 300  # characters

_BASE = "registry:/"  # python-tuf wants an address; stripped again before reading
_METADATA = "metadata"
_COPY = "index"
_PROGRESS = ".progress"  # touched on progress, by the process with the lock
_STAGING = ".refresh-"
_PERSISTED = ("timestamp.json", "snapshot.json", "targets.json")


class TrustedRegistry:
    """The verified index of one registry, and this machine's own copy of it.

    Args:
        name: of the registry, for messages.
        transport: reads its files.
        config: its location and trusted root.
        state: folder for what was verified: the copy, and TUF metadata, which a later index must
            not be older than. It need not exist.
    """

    def __init__(
        self, name: str, transport: Transport, config: RegistryConfig, state: Path
    ) -> None:
        self.name = name
        self.transport = transport
        self.config = config
        self.state = state
        self._held: tuple[tuple[int, int, int], Index] | None = None
        self._warned = False

    def index(self) -> Index:
        """The index as last verified, without asking anyone; if it never was, refreshed.

        An expired one gives a RegistryWarning: what it lists was vouched for when it was
        verified, but a newer index may have been withheld from this machine since.

        Raises:
            See ``refresh``.
        """
        copy = self.copy()
        if copy is None:
            return self.refresh()
        self._warn_if_expired(copy)
        return copy

    def copy(self) -> Index | None:
        """This machine's own copy of the index; None if there is none."""
        path = self.state / _COPY
        try:
            status = path.stat()
        except OSError:
            return None
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if self._held is None or self._held[0] != stamp:
            index = read_copy(path)
            if index is None:
                return None
            self._held = (stamp, index)
        return self._held[1]

    def withdrawn(self) -> frozenset[str]:
        """The sha256 of the records that the registry once listed and, as last seen, does not."""
        try:
            # Verified before it was stored. It is read in full, so not for the index alone.
            content = (self.state / _METADATA / "targets.json").read_bytes()
            withdrawn = json.loads(content)["signed"].get(WITHDRAWN, {})
            return frozenset(map(str, withdrawn.values()))
        except (OSError, ValueError, LookupError, AttributeError, TypeError):
            return frozenset()

    def refresh(self, *, fall_back: bool = True) -> Index:
        """Ask the registry for its index and verify it.

        If the registry cannot be reached, its answer cannot be read, or the state cannot be locked
        or written, an index verified earlier stays in use, with a RegistryWarning. If the answer
        is read and refused, that is an error, and the earlier index stays in use after it.

        Args:
            fall_back: whether an earlier index will do.

        Raises:
            SignatureError: it is not signed by the keys that the root trusts.
            RollbackError: it is older than one already seen.
            ExpiredError: it has expired.
            RegistryFormatError: it cannot be read, and no earlier one will do.
            UnavailableError, OfflineError: it cannot be reached, and no earlier one will do.
            AuthError: the server refuses access.
            CacheError: the state cannot be locked or written, and no earlier index will do.
            RegistryError: the file with the trusted root cannot be read.
        """
        if self.transport.remote and offline_variable() is not None:
            copy = self.copy() if fall_back else None
            if copy is None:
                which = "the" if self.copy() is None else "a newer"
                require_network(f"{which} index of the registry {self.name!r}", "stylezoo update")
                raise AssertionError("the variable was there a moment ago")
            self._warn_if_expired(copy)
            return copy
        try:
            return self._refresh()
        except (UnavailableError, RegistryFormatError, CacheError) as error:
            copy = self.copy() if fall_back else None
            if copy is None:
                raise
            warnings.warn(
                f"{error}; the index of {copy.refreshed:%Y-%m-%d %H:%M} UTC is used instead",
                RegistryWarning,
                stacklevel=2,
            )
            self._warn_if_expired(copy)
            return copy

    def _refresh(self) -> Index:
        root = self._root()
        asked = datetime.now(UTC)
        with self.locked() as progress:
            copy = self.copy()
            if copy is not None and asked < copy.refreshed <= datetime.now(UTC):
                return copy  # another process has refreshed it while this one waited
            with self._staging() as staging:
                index = self._update(root, staging, progress)
                self._keep(staging, index)
        return index

    def _root(self) -> bytes:
        assert self.config.root is not None
        try:
            return self.config.root.read_bytes()
        except OSError as error:
            raise RegistryError(
                f"the root of the registry {self.name!r} cannot be read from {self.config.root}: "
                f"{error.strerror}; add the registry again: stylezoo registries add "
                f"{self.transport.location} --root FILE"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[Progress]:
        """Lock the state against other processes; these wait as long as this one makes progress.

        Yields:
            A function to call on progress, such as with the bytes of a file so far.

        Raises:
            CacheError: it cannot be locked, or another process holds it for too long.
        """
        from stylezoo.registry.locks import locked

        try:
            self.state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        sign = self.state / _PROGRESS

        def progress(_: int) -> None:
            with suppress(OSError):
                sign.touch()

        with locked(
            self.state / ".lock",
            f"the index of the registry {self.name!r}",
            progress=lambda: _time_of(sign),
        ):
            try:
                yield progress
            finally:
                with suppress(OSError):
                    sign.unlink(missing_ok=True)

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder for a working copy of the metadata, so that a refusal leaves the old as is."""
        try:
            for leftover in self.state.glob(f"{_STAGING}*"):
                shutil.rmtree(leftover)  # of a killed process; this one has the lock
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.state))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _update(self, root: bytes, staging: Path, progress: Progress) -> Index:
        from tuf.api.metadata import Metadata, Targets
        from tuf.ngclient import Updater

        with self._our_errors():
            (staging / "root_history").mkdir()
            _copy_metadata(self.state / _METADATA, staging)
            if self.config.seed is not None:
                _plant_seed(self.config.seed, staging)
            updater = Updater(
                str(staging),
                f"{_BASE}{_METADATA}/",
                fetcher=_fetcher(self.transport, progress),
                config=_limits(),
                bootstrap=root,
            )
            updater.refresh()
            # All of these were just verified. python-tuf hands out targets only by path, and an
            # index needs them all.
            targets = Metadata[Targets].from_bytes((staging / "targets.json").read_bytes()).signed
            expiries = [targets.expires] + [
                Metadata[Any].from_bytes((staging / f"{role}.json").read_bytes()).signed.expires
                for role in ("root", "snapshot", "timestamp")
            ]
        schema = targets.unrecognized_fields.get("schema")
        if type(schema) is int and schema > INDEX_SCHEMA:
            raise RegistryFormatError(
                f"the index of {self.transport.location} has the schema {schema}, newer than this "
                f"stylezoo reads ({INDEX_SCHEMA}); run: pip install --upgrade stylezoo"
            )
        try:
            entries = read_targets(
                {
                    path: (target.length, target.hashes.get("sha256"), target.custom)
                    for path, target in targets.targets.items()
                }
            )
        except RegistryFormatError as error:
            raise RegistryFormatError(f"{self.transport.location}: {error}") from error
        return Index(entries=entries, expires=min(expiries), refreshed=datetime.now(UTC))

    def _keep(self, staging: Path, index: Index) -> None:
        """Move what was verified into place; the next refresh can continue after each step.

        Files of different ages do no harm: python-tuf verifies each before relying on it.
        """
        metadata = self.state / _METADATA
        try:
            (metadata / "root_history").mkdir(parents=True, exist_ok=True)
            for root in sorted((staging / "root_history").iterdir()):
                root.replace(metadata / "root_history" / root.name)
            for name in _PERSISTED:
                (staging / name).replace(metadata / name)
            write_copy(staging / _COPY, index)
            (staging / _COPY).replace(self.state / _COPY)
        except OutputError as error:
            raise CacheError(f"{error}; to use another folder, set {CACHE_VARIABLE}") from error
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        """Turn python-tuf's errors into ours, without quoting what nobody signed at length."""
        from tuf.api import exceptions as tuf
        from tuf.api.serialization import DeserializationError, SerializationError

        where = f"the registry {self.name!r} ({self.transport.location})"
        advice = "none of it was used; ask its maintainer, or try again later"
        try:
            yield
        except (tuf.UnsignedMetadataError, tuf.LengthOrHashMismatchError) as error:
            raise SignatureError(
                f"{where} does not match what its trusted keys signed: {_reason(error)}; {advice}"
            ) from error
        except tuf.BadVersionNumberError as error:
            raise RollbackError(
                f"{where} is older than the copy seen before: {_reason(error)}; {advice}"
            ) from error
        except tuf.ExpiredMetadataError as error:
            raise ExpiredError(
                f"{where} has expired and can no longer be trusted: {_reason(error)}; ask its "
                "maintainer to renew it with: stylezoo registry sign (styles already fetched keep "
                "working)"
            ) from error
        except (DeserializationError, SerializationError) as error:
            reason = _reason(error.__cause__ or error)
            if "spec_version" in reason:
                reason = f"{reason}; run: pip install --upgrade stylezoo"
            raise RegistryFormatError(f"{where} cannot be read: {reason}") from error
        except tuf.RepositoryError as error:
            raise RegistryFormatError(f"{where} cannot be read: {_reason(error)}") from error
        except tuf.DownloadError as error:
            raise UnavailableError(f"{where}: {error}") from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> CacheError:
        return CacheError(
            f"{self.state} cannot be written: {error.strerror or error}; to use another "
            f"folder, set {CACHE_VARIABLE}"
        )

    def _warn_if_expired(self, index: Index) -> None:
        if index.expired and not self._warned:
            self._warned = True
            warnings.warn(
                f"the index of the registry {self.name!r} expired on {index.expires:%Y-%m-%d}; "
                "the copy verified before is used; renew it with: stylezoo update",
                RegistryWarning,
                stacklevel=3,
            )


def _reason(error: BaseException) -> str:
    """What python-tuf says; it quotes values from metadata before anyone has vouched for them."""
    return one_line(str(error), LONGEST_REASON)


def _limits() -> UpdaterConfig:
    from tuf.ngclient import UpdaterConfig

    return UpdaterConfig(
        root_max_length=ROOT_LIMIT,
        timestamp_max_length=TIMESTAMP_LIMIT,
        snapshot_max_length=SNAPSHOT_LIMIT,
        targets_max_length=TARGETS_LIMIT,
    )


def _fetcher(transport: Transport, progress: Progress) -> FetcherInterface:
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient import FetcherInterface

    class Fetcher(FetcherInterface):
        """Gives python-tuf the files of a registry, read strictly."""

        def download_bytes(self, url: str, max_length: int) -> bytes:
            """Read a file; the limit is its length according to the index, if given there."""
            path = url.removeprefix(_BASE)
            try:
                content = transport.read(path, max_length, progress)
            except AuthError as error:
                if path.endswith(".root.json"):
                    # Some servers answer so for missing files. A newer root is usually missing,
                    # and timestamp.json shows whether access is really refused.
                    raise DownloadHTTPError(str(error), 403) from error
                raise
            if content is None:
                raise DownloadHTTPError(
                    f"it has no {path}; it is not a signed registry, or is incomplete "
                    "at the moment",
                    404,
                )
            parse_object(content, f"{transport.location}, {path}")
            return content

        def _fetch(self, url: str) -> Iterator[bytes]:
            return iter((self.download_bytes(url, TARGETS_LIMIT),))

    return Fetcher()


def _time_of(path: Path) -> int:
    """When a file was last touched, in nanoseconds; 0 if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _copy_metadata(source: Path, target: Path) -> None:
    """Copy what python-tuf keeps, except its link root.json, which it creates itself."""
    for name in _PERSISTED:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    for root in (source / "root_history").glob("*.root.json"):
        shutil.copyfile(root, target / "root_history" / root.name)


def _plant_seed(seed: Path, target: Path) -> None:
    """Start from metadata that came with a package, if it is newer than what was seen.

    It is verified like any other: what the root does not vouch for is ignored.
    """
    planted = _version_of(seed / "timestamp.json")
    if planted <= _version_of(target / "timestamp.json"):
        return
    shutil.copyfile(seed / "timestamp.json", target / "timestamp.json")
    for role in ("snapshot", "targets"):
        newest = max(seed.glob(f"*.{role}.json"), key=_version_of, default=None)
        if newest is not None:
            shutil.copyfile(newest, target / f"{role}.json")
    for root in seed.glob("*.root.json"):
        if not (target / "root_history" / root.name).exists():
            shutil.copyfile(root, target / "root_history" / root.name)


def _version_of(path: Path) -> int:
    """The version that metadata claims, 0 for none."""
    try:
        version = json.loads(path.read_bytes())["signed"]["version"]
    except (OSError, ValueError, TypeError, KeyError):
        return 0
    return version if isinstance(version, int) else 0
