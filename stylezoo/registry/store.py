"""The store: fetched styles, each in a folder named by the sha256 of its record.

::

    <root>/<sha256>/style.toml, model.safetensors, ...     a style, complete
    <root>/.tmp/<sha256>/0.part, 1.part, ...               one being fetched
    <root>/.locks/<sha256>.lock                            held by the process fetching it

A record holds the sha256 of every file, so the folder's name vouches for all of it, and the same
style from two registries is stored once. A style appears in one move, when it is complete and
verified. What a killed process left is resumed by the next one that wants the same style, and
removed by the next one that fetches another.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from stylezoo.cache import CACHE_VARIABLE, cache_dir
from stylezoo.errors import (
    AuthError,
    CacheError,
    IntegrityError,
    RecordError,
    RegistryError,
    RegistryFormatError,
    UnavailableError,
)
from stylezoo.files import remove_path
from stylezoo.registry.locks import locked
from stylezoo.registry.record import RECORD_FILE, File, Record
from stylezoo.registry.record_text import SHA256
from stylezoo.registry.stored_folder import (
    check_folder,
    is_intact,
    parse_record_bytes,
    read_record_bytes,
    unusable,
)
from stylezoo.registry.transport import Progress
from stylezoo.registry.verify import verify_files

Fetch = Callable[[File, Path, Progress | None], None]
"""Fetches one file of a style into a part and verifies it; see ``Transport.fetch``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredStyle:
    """A style in the store.

    Attributes:
        sha256: of its record.
        record: its record.
        folder: where its files are, not verified.
        size: of all its files, in bytes.
        used: when it was last asked for (UTC).
    """

    sha256: str
    record: Record
    folder: Path
    size: int
    used: datetime


class Store:
    """Keeps fetched styles.

    Args:
        root: its folder; None for ``styles`` in the cache folder. It need not exist.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._chosen = root

    @cached_property
    def root(self) -> Path:
        """The folder of the store.

        Raises:
            CacheError: there is no home folder to keep a cache in.
        """
        return self._chosen or cache_dir() / "styles"

    def folder(self, sha256: str) -> Path | None:
        """The folder of a style, with every file verified.

        A file that has not changed since this process hashed it is not hashed again.

        Args:
            sha256: of the record.

        Returns:
            None if the style is missing or damaged: ``add`` fetches or repairs it.

        Raises:
            CacheError: the store cannot be read.
        """
        try:
            record = self.check(sha256)
        except IntegrityError:
            return None
        if record is None:
            return None
        folder = self._folder(sha256)
        with suppress(OSError):  # a read-only cache is just as good
            os.utime(folder)
        return folder

    def check(self, sha256: str) -> Record | None:
        """Verify every file of a style.

        Args:
            sha256: of the record.

        Returns:
            Its record; None if the style is not here.

        Raises:
            IntegrityError: it is damaged; the message names the file.
            CacheError: the store cannot be read.
        """
        return check_folder(self._folder(sha256), sha256, self.root)

    def record(self, sha256: str) -> bytes | None:
        """The verified record of a style, whatever the state of its other files.

        Args:
            sha256: of the record.

        Returns:
            The content of ``style.toml``; None if it is not here, or damaged.

        Raises:
            CacheError: the store cannot be read.
        """
        try:
            return read_record_bytes(self._folder(sha256), sha256, self.root)
        except IntegrityError:
            return None

    def add(
        self,
        record_bytes: bytes,
        fetch: Fetch,
        *,
        origin: str,
        progress: Progress | None = None,
    ) -> Path:
        """Fetch a style or repair a damaged one; of several processes, one fetches, others wait.

        Args:
            record_bytes: the content of its ``style.toml``, verified.
            fetch: fetches one file; it is called for those that are missing or damaged.
            origin: where the record is from, for messages.
            progress: called with the bytes that are here, of all files together.

        Returns:
            Its folder.

        Raises:
            RecordError: the record breaks the format.
            CacheError: the store cannot be used, has no room, or another process holds it up.
            IntegrityError: the download does not match the record, or the style is damaged and
                cannot be fetched again.
            UnavailableError, AuthError, RegistryError: ``fetch`` raised it.
        """
        sha256 = hashlib.sha256(record_bytes).hexdigest()
        record = parse_record_bytes(record_bytes, origin)
        present = self.folder(sha256)
        if present is not None:
            return present
        what = f"{record.name} {record.version}"
        with self._disk_errors():
            self._make_folders()
            with self._lock(sha256, what):
                return self._complete(sha256, record, record_bytes, fetch, progress)

    def entries(self) -> list[StoredStyle]:
        """The styles in the store, by name and version, except those without a valid record.

        Raises:
            CacheError: the store cannot be read.
        """
        found = []
        for sha256 in self._names():
            content = self.record(sha256)
            if content is None:
                continue
            folder = self._folder(sha256)
            try:
                record = parse_record_bytes(content, str(folder / RECORD_FILE))
                used = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            except (RecordError, OSError):  # from a newer stylezoo, or removed meanwhile
                continue
            size = len(content) + sum(file.size for file in record.files)
            found.append(
                StoredStyle(sha256=sha256, record=record, folder=folder, size=size, used=used)
            )
        return sorted(found, key=lambda style: (style.record.name, style.record.version))

    def damaged(self) -> list[str]:
        """The names of the folders whose record is missing or does not match the name.

        Raises:
            CacheError: the store cannot be read.
        """
        return [sha256 for sha256 in self._names() if self.record(sha256) is None]

    def unreadable(self) -> list[str]:
        """The names of the folders with an intact record that only a newer stylezoo can read.

        Raises:
            CacheError: the store cannot be read.
        """
        readable = {style.sha256 for style in self.entries()}
        return [
            sha256
            for sha256 in self._names()
            if sha256 not in readable and self.record(sha256) is not None
        ]

    def remove(self, sha256: str) -> int:
        """Remove a style atomically; nothing happens if it is not here.

        Args:
            sha256: of the record.

        Returns:
            The number of bytes freed.

        Raises:
            CacheError: it cannot be removed, or another process is fetching it.
        """
        folder = self._folder(sha256)
        with self._disk_errors():
            if not os.path.lexists(folder):
                return 0
            self._make_folders()
            with self._lock(sha256, folder.name):
                freed = _size(folder)
                staging = self._staging(sha256)
                remove_path(staging)
                staging.mkdir()
                with suppress(FileNotFoundError):  # removed while we waited
                    folder.replace(staging / "removed")
                remove_path(staging)
        return freed

    def sweep(self) -> int:
        """Remove what killed processes left; what others are fetching is left alone.

        Returns:
            The number of bytes freed.
        """
        return self._sweep(except_for=None)

    @property
    def _unfinished(self) -> Path:
        return self.root / ".tmp"

    @property
    def _locks(self) -> Path:
        return self.root / ".locks"

    def _folder(self, sha256: str) -> Path:
        if not SHA256.fullmatch(sha256):
            raise RegistryFormatError(f"{sha256[:100]!r} is not 64 hex digits")
        return self.root / sha256

    def _staging(self, sha256: str) -> Path:
        return self._unfinished / sha256

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.root.iterdir() if SHA256.fullmatch(path.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unusable(self.root, error) from error

    def _make_folders(self) -> None:
        for folder in (self._unfinished, self._locks):
            folder.mkdir(parents=True, exist_ok=True)

    def _complete(
        self,
        sha256: str,
        record: Record,
        record_bytes: bytes,
        fetch: Fetch,
        progress: Progress | None,
    ) -> Path:
        """Fetch what is missing, with the lock held."""
        folder, staging = self._folder(sha256), self._staging(sha256)
        try:
            if self.check(sha256) is not None:  # fetched by another while we waited
                return folder
            damage = None
        except IntegrityError as error:
            damage = error
        self._sweep(except_for=sha256)
        staging.mkdir(exist_ok=True)
        try:
            new = staging / "style"
            if not is_intact(new, sha256, self.root):
                remove_path(new)
                parts = self._parts(sha256, record)
                self._require_room(record, parts)
                _fetch(parts, record, fetch, progress)
                _assemble(new, folder, record, record_bytes, parts)
            if damage is not None:
                folder.replace(staging / "damaged")
            new.replace(folder)
        except (UnavailableError, AuthError, RegistryError) as error:
            # The parts stay, for the next run to resume.
            with suppress(OSError):
                staging.rmdir()
            if damage is None:
                raise
            raise IntegrityError(f"{damage}; it cannot be fetched again: {error}") from error
        except BaseException:  # a full disk, a wrong file, Ctrl-C: free the space again
            remove_path(staging)
            raise
        remove_path(staging)
        return folder

    def _parts(self, sha256: str, record: Record) -> dict[str, Path]:
        """Where to fetch each file that is missing or damaged."""
        folder, staging = self._folder(sha256), self._staging(sha256)
        parts = {}
        for index, file in enumerate(record.files):
            try:
                verify_files(folder, record, [file])
            except IntegrityError:
                parts[file.path] = staging / f"{index}.part"
        for part in parts.values():
            with suppress(OSError):
                if not part.is_symlink():  # never followed, which utime on Windows cannot be told
                    os.utime(part)  # it belongs to this run now
        return parts

    def _require_room(self, record: Record, parts: dict[str, Path]) -> None:
        needed = sum(file.size for file in record.files if file.path in parts)
        here = sum(_size(part) for part in parts.values())
        free = shutil.disk_usage(self.root).free
        if needed - here > free:
            raise CacheError(
                f"{record.name} {record.version}: need {_megabytes(needed - here)}, "
                f"only {_megabytes(free)} free in {self.root}; make room, such as with "
                f"'stylezoo cache prune --all', or choose another folder with {CACHE_VARIABLE}"
            )

    def _sweep(self, *, except_for: str | None) -> int:
        import filelock

        freed = 0
        with suppress(OSError):
            for leftover in self._unfinished.iterdir():
                if leftover.name == except_for or not SHA256.fullmatch(leftover.name):
                    continue
                self._make_folders()
                lock = filelock.FileLock(self._locks / f"{leftover.name}.lock")
                with suppress(filelock.Timeout, OSError), lock.acquire(timeout=0):
                    size = _size(leftover)
                    remove_path(leftover)
                    freed += size
        return freed

    def _lock(self, sha256: str, what: str) -> AbstractContextManager[None]:
        """Hold the lock of a style; others wait as long as the holder keeps fetching."""
        path = self._locks / f"{sha256}.lock"
        staging = self._staging(sha256)
        return locked(path, what, progress=lambda: _size(staging))

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unusable(self.root, error) from error


def _fetch(parts: dict[str, Path], record: Record, fetch: Fetch, progress: Progress | None) -> None:
    done = sum(file.size for file in record.files if file.path not in parts)
    for file in record.files:
        if file.path not in parts:
            continue
        part = parts[file.path]
        fetch(file, part, _after(done, progress))
        status = part.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            raise IntegrityError(f"{part} is not the file {file.path} that was requested")
        done += file.size


def _after(done: int, progress: Progress | None) -> Progress | None:
    if progress is None:
        return None
    return lambda here: progress(done + here)


def _assemble(
    new: Path, old: Path, record: Record, record_bytes: bytes, parts: dict[str, Path]
) -> None:
    """Build the folder of a style from what was fetched and what was already intact."""
    new.mkdir()
    for file in record.files:
        target = new / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.path in parts:
            parts[file.path].replace(target)
        else:
            shutil.copyfile(old / file.path, target)
    (new / RECORD_FILE).write_bytes(record_bytes)


def _size(path: Path) -> int:
    """The bytes of a file, or of all files in a folder; 0 if it does not exist."""
    total = 0
    with suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            return sum(_size(entry) for entry in path.iterdir())
        total = path.lstat().st_size
    return total


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
