"""A style folder in the store: whether it matches its name to the last byte."""

from __future__ import annotations

import hashlib
import stat
from contextlib import suppress
from pathlib import Path

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.errors import CacheError, IntegrityError, RecordError
from stylezoo.registry.record import MAX_RECORD_BYTES, RECORD_FILE, Record
from stylezoo.registry.record_io import parse_record
from stylezoo.registry.verify import verify_files

_Signature = tuple[tuple[int, ...], ...]
_intact: dict[Path, tuple[Record, _Signature]] = {}  # what this process has hashed


def check_folder(folder: Path, sha256: str, root: Path) -> Record | None:
    """Hash every file of a style that has changed since this process hashed it.

    Args:
        folder: of the style.
        sha256: of its record.
        root: of the store, for messages.

    Returns:
        The record; None if there is no such folder.

    Raises:
        IntegrityError: a file does not match the record, or the record its hash.
        CacheError: the store cannot be read.
    """
    content = read_record_bytes(folder, sha256, root)
    if content is None:
        return None
    known = _intact.get(folder)
    if known is not None and _signature(folder, known[0]) == known[1]:
        return known[0]
    try:
        record = parse_record_bytes(content, str(folder / RECORD_FILE))
    except RecordError as error:  # intact, but from a newer stylezoo
        raise IntegrityError(str(error)) from error
    before = _signature(folder, record)
    verify_files(folder, record)
    _intact[folder] = record, before
    return record


def is_intact(folder: Path, sha256: str, root: Path) -> bool:
    """Whether a folder holds a style with every byte intact; see ``check_folder``."""
    try:
        return check_folder(folder, sha256, root) is not None
    except IntegrityError:
        return False


def _signature(folder: Path, record: Record) -> _Signature:
    """Inode data that changes when a file does; empty if a file is missing."""
    found = []
    try:
        for file in record.files:
            at = (folder / file.path).lstat()
            found.append((at.st_mode, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))
    except OSError:
        return ()
    return tuple(found)


def read_record_bytes(folder: Path, sha256: str, root: Path) -> bytes | None:
    """Read the record of a style, and check it against its hash.

    Args:
        folder: of the style.
        sha256: of the record.
        root: of the store, for messages.

    Returns:
        The content of ``style.toml``; None if there is no such folder.

    Raises:
        IntegrityError: it is missing or does not match.
        CacheError: the store cannot be read.
    """
    path = folder / RECORD_FILE
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise IntegrityError(f"{folder} is not a folder")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(root, error) from error
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise IntegrityError(f"{path} is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_RECORD_BYTES + 1)
    except PermissionError as error:
        raise unusable(root, error) from error
    except OSError as error:
        raise IntegrityError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise IntegrityError(f"{path} has the sha256 {found}, but its folder is named {sha256}")
    return content


def parse_record_bytes(content: bytes, origin: str) -> Record:
    """Parse a record that is to be kept in a store.

    Args:
        content: of ``style.toml``.
        origin: what to call it in errors.

    Raises:
        RecordError: it breaks the format.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"it is not UTF-8: {error}", origin=origin) from error
    record = parse_record(text, origin=origin)
    for index, file in enumerate(record.files):
        if file.path.casefold() == RECORD_FILE:
            raise RecordError(
                f"{file.path!r} is reserved for the record", field=f"files[{index}]", origin=origin
            )
    return record


def unusable(root: Path, error: OSError) -> CacheError:
    """Turn a disk error into a CacheError.

    Args:
        root: of the store.
        error: the error that the system raised.
    """
    reason = error.strerror or str(error)
    with suppress(PermissionError):  # looking is forbidden too
        for folder in (root, *root.parents):
            if folder.is_symlink() and not folder.exists():
                reason = f"{folder} is a broken link"
            elif folder.exists() and not folder.is_dir():
                reason = f"{folder} is not a folder"
    return CacheError(
        f"the cache {root} cannot be used: {reason}; choose another folder with {CACHE_VARIABLE}"
    )
