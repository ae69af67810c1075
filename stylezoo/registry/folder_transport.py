"""A registry in a folder, on this machine or on a shared disk."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stylezoo.errors import (
    CacheError,
    IntegrityError,
    RegistryError,
    RegistryFormatError,
    UnavailableError,
)
from stylezoo.registry.transport import Progress, Transport, style_path

if TYPE_CHECKING:
    from stylezoo.registry.index import IndexEntry

_CHUNK = 1 << 20


class FolderTransport(Transport):
    """Reads the files of a registry in a folder.

    Anyone who can write there could plant a link to any file on this machine, or an endless pipe,
    so only regular files are read, and no symbolic link below the folder is followed.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def location(self) -> str:
        """The path of the folder."""
        return str(self.root)

    @property
    def remote(self) -> bool:
        """False: a shared disk is the operating system's business."""
        return False

    def read(self, path: str, limit: int, progress: Progress | None = None) -> bytes | None:
        """Read a small file, without progress; see ``Transport.read``."""
        file = self._open(path)
        if file is None:
            return None
        with file:
            try:
                content = file.read(limit + 1)
            except OSError as error:
                raise self._unreadable(path, error) from error
        if len(content) > limit:
            raise RegistryFormatError(f"{self.root / path} is longer than {limit} bytes")
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
        """Copy and verify one file of a style; see ``Transport.fetch``."""
        inside = f"{style_path(entry.name, entry.version)}/{path}"
        file = self._open(inside)
        if file is None:
            raise RegistryError(f"{self.root} has no {inside}, though its index lists it")
        with file:
            there = os.fstat(file.fileno()).st_size
            if there != size:
                found = f"it has {there} bytes, not {size}"
            else:
                digest = self._copy(file, inside, part, size, progress)
                if digest == sha256:
                    return
                found = f"its sha256 is {digest}, not {sha256}"
        part.unlink(missing_ok=True)
        raise IntegrityError(
            f"{self.root / inside} is not what the registry says it is: {found}; tell the "
            "maintainers of the registry"
        )

    def _copy(
        self, file: BinaryIO, path: str, part: Path, size: int, progress: Progress | None
    ) -> str:
        """Copy at most ``size`` bytes and return their sha256."""
        digest = hashlib.sha256()
        done = 0
        with _writing(part) as write:
            while chunk := self._read_chunk(file, path, min(_CHUNK, size - done)):
                write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done)
        return digest.hexdigest()

    def _read_chunk(self, file: BinaryIO, path: str, length: int) -> bytes:
        try:
            return file.read(length)
        except OSError as error:
            raise self._unreadable(path, error) from error

    def _open(self, path: str) -> BinaryIO | None:
        """Open a regular file below the folder; None if there is none."""
        if not self.root.is_dir():
            raise UnavailableError(f"{self.root} is not a folder, or is not currently mounted")
        place = self.root
        for part in path.split("/")[:-1]:
            place = place / part
            if place.is_symlink():
                raise RegistryFormatError(
                    f"{place} is a symbolic link; a registry must not contain any"
                )
        # O_NONBLOCK avoids waiting for the other end of a pipe; regular files ignore it.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        target = self.root / path
        try:
            if target.is_symlink():
                raise RegistryFormatError(
                    f"{target} is a symbolic link; a registry must not contain any"
                )
            file = os.fdopen(os.open(target, flags | getattr(os, "O_BINARY", 0)), "rb")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError as error:
            raise RegistryFormatError(f"{target} is not a regular file") from error
        except OSError as error:
            raise self._unreadable(path, error) from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise RegistryFormatError(f"{target} is not a regular file")
        return file

    def _unreadable(self, path: str, error: OSError) -> UnavailableError:
        return UnavailableError(f"{self.root / path} cannot be read: {error.strerror or error}")


@contextmanager
def _writing(part: Path) -> Iterator[Callable[[bytes], object]]:
    """Yield an unbuffered write function for a file, so that a full disk fails right there."""

    def failure(error: OSError) -> CacheError:
        return CacheError(f"{part} cannot be written: {error.strerror or error}")

    try:
        target = part.open("wb", buffering=0)
    except OSError as error:
        raise failure(error) from error

    def write(chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:
                left = left[target.write(left) :]
        except OSError as error:
            raise failure(error) from error

    with target:
        yield write
