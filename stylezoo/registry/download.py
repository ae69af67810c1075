"""Downloads over HTTP: files arrive complete and verified, or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.errors import CacheError, IntegrityError, RegistryError, RegistryFormatError
from stylezoo.registry.transport import Progress
from stylezoo.registry.verify import sha256_of
from stylezoo.registry.web import (
    Passing,
    answer,
    body,
    content_length,
    content_range,
    host_of,
    persist,
    refuse_page,
    require_success,
    shown,
    status_in_words,
)

if TYPE_CHECKING:
    from requests import Response

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


class _OtherFile(Exception):
    """The server's file is not the one that is wanted; the message says why."""


def download(
    url: str,
    part: Path,
    *,
    size: int,
    sha256: str,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    what: str = "",
) -> None:
    """Download one file into ``part`` and verify it.

    Args:
        url: ``http`` or ``https``. Proxies from the environment are used.
        part: file to write. If it exists, it is the start of an earlier attempt and is resumed.
        size: of the file, in bytes; no more is ever read.
        sha256: of the file.
        headers: to send. Authorization is not forwarded to other servers on a redirect.
        progress: called with the bytes so far.
        what: the file in words, for messages; by default, the address.

    Raises:
        IntegrityError: the wrong file arrived twice; ``part`` is then removed.
        UnavailableError: the server cannot be reached or gives an invalid response; ``part`` may
            stay, for the next run to resume.
        AuthError: the server refuses access.
        RegistryError: the server has no such file.
        CacheError: ``part`` cannot be written.
    """
    what = what or shown(url)
    for _ in range(2):
        try:
            _complete(url, part, size, dict(headers or {}), progress, what)
            reason = _difference(part, sha256)
        except _OtherFile as difference:
            reason = str(difference)
        if reason is None:
            return
        _remove(part)
    raise IntegrityError(
        f"{what} is not what the registry says it is: {reason}; it was fetched twice from "
        f"{shown(url)}; tell the maintainers of the registry"
    )


def read(
    url: str,
    *,
    limit: int,
    headers: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    what: str = "",
) -> bytes | None:
    """Read a small file.

    Args:
        url: ``http`` or ``https``. Proxies from the environment are used.
        limit: in bytes; at most one byte more is read.
        headers: to send. Authorization is not forwarded to other servers on a redirect.
        progress: called with the bytes so far, on each try and piece.
        what: the file in words, for messages; by default, the address.

    Returns:
        Its content; None if the server has no such file.

    Raises:
        RegistryFormatError: it is longer than the limit.
        UnavailableError: the server cannot be reached or gives an invalid response.
        AuthError: the server refuses access.
    """
    what = what or shown(url)

    def attempt() -> bytes | None:
        content = bytearray()  # no list: a server may send single bytes
        if progress is not None:
            progress(0)
        with answer(url, dict(headers or {}), what) as response:
            if response.status_code in (404, 410):
                return None
            require_success(response, what)
            length = content_length(response)
            for chunk in body(response, limit + 1 if (length or 0) <= limit else 0):
                content += chunk
                if progress is not None:
                    progress(len(content))
            if len(content) > limit or (length or 0) > limit:
                raise RegistryFormatError(f"{what} is longer than {limit} bytes")
            if length is not None and len(content) < length:
                raise Passing("the connection was lost")
            refuse_page(response, content, what)
            return bytes(content)

    return persist(attempt, lambda: what)


def _complete(
    url: str,
    part: Path,
    size: int,
    headers: dict[str, str],
    progress: Progress | None,
    what: str,
) -> None:
    """Download what is missing of ``part``.

    Raises:
        _OtherFile: the server's file has another size.
    """

    def attempt() -> None:
        here = _bytes_here(part, size)
        if progress is not None:
            progress(here)
        if here == size:
            return
        wanted = headers | ({"Range": f"bytes={here}-"} if here else {})
        with answer(url, wanted, what) as response:
            start = _start(response, here, size, what)
            _write_body(response, part, start, size, progress, what)

    def label() -> str:
        return f"{what} ({_bytes_here(part, size)} of {size} bytes fetched)"

    persist(attempt, label)


def _start(response: Response, here: int, size: int, what: str) -> int:
    """The byte from which the response continues."""
    status = response.status_code
    if status in (404, 410):
        raise RegistryError(f"{host_of(response.url)} has no {what} ({status_in_words(response)})")
    if status == 416:
        # Either the file has another size, or the server serves no range at its end.
        total = content_range(response)[1]
        if total is None or total == size:
            raise _OtherFile("the server cannot resume it")
        raise _OtherFile(f"it has {total} bytes, not {size}")
    if status == 206:
        start, total = content_range(response)
        if start != here:
            raise _OtherFile("the server sent a different part than requested")
        if total is not None and total != size:
            raise _OtherFile(f"it has {total} bytes, not {size}")
        return here
    require_success(response, what)
    length = content_length(response)
    if length is not None and length != size:
        # A web page instead of the file deserves its own message.
        refuse_page(response, next(body(response, min(size, 1024)), b""), what)
        raise _OtherFile(f"it has {length} bytes, not {size}")
    return 0


def _write_body(
    response: Response, part: Path, start: int, size: int, progress: Progress | None, what: str
) -> None:
    chunks = body(response, size - start)
    first = next(chunks, b"")
    if start == 0:
        refuse_page(response, first, what)
    here = start
    with _writing(part, start) as write:
        for chunk in chain((first,), chunks):
            write(chunk)
            here += len(chunk)
            if progress is not None:
                progress(here)
    if here < size:
        raise Passing("the connection was lost")


def _bytes_here(part: Path, size: int) -> int:
    """The bytes left by an earlier attempt; anything else in the file's place is removed.

    Raises:
        CacheError: it cannot be removed.
    """
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    except OSError as error:
        _fail_to_write(part, error)
    if stat.S_ISREG(status.st_mode) and status.st_size <= size:
        return status.st_size
    _remove(part)
    return 0


def _difference(part: Path, sha256: str) -> str | None:
    try:
        found = sha256_of(part)
    except OSError as error:
        _fail_to_write(part, error)
    return None if found == sha256 else f"its sha256 is {found}, not {sha256}"


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        _fail_to_write(part, error)


@contextmanager
def _writing(part: Path, start: int) -> Iterator[Callable[[bytes], None]]:
    """Open a part for writing from an offset; a link in its place is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(part, flags, 0o666)
    except OSError as error:
        _fail_to_write(part, error)

    def write(chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:  # a nearly full disk may take only part of it
                left = left[os.write(descriptor, left) :]
        except OSError as error:
            _fail_to_write(part, error)

    try:
        os.ftruncate(descriptor, start)
        os.lseek(descriptor, start, os.SEEK_SET)
        yield write
    finally:
        os.close(descriptor)


def _fail_to_write(part: Path, error: OSError) -> NoReturn:
    """Raise a disk error as a CacheError, after freeing the space if the disk is full."""
    if error.errno in _DISK_FULL:
        part.unlink(missing_ok=True)
    raise CacheError(
        f"{part} cannot be written: {error.strerror or error}; make room there, or choose another "
        f"folder with {CACHE_VARIABLE}"
    ) from error
