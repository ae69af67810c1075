"""Locks between processes, with a time limit and a note of who holds them."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stylezoo.cache import CACHE_VARIABLE
from stylezoo.environment import seconds_of
from stylezoo.errors import CacheError

LOCK_VARIABLE = "STYLEZOO_LOCK_TIMEOUT"
LOCK_TIMEOUT = 60.0  # seconds without progress by the process that holds a lock
QUIET = 10.0  # seconds to wait before saying so
POLL = 0.05


class LockWarning(UserWarning):
    """This process is waiting for another one."""


@contextmanager
def locked(
    path: Path, what: str, *, progress: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold a lock. It ends with the process, however that exits; the file may stay.

    Args:
        path: of the lock file, in an existing folder.
        what: the thing it protects, for messages.
        progress: returns a value that changes as long as the holder makes progress, such as the
            bytes it has fetched; the time limit counts from the last change.

    Raises:
        CacheError: another process holds it without making progress, or it cannot be created.
        OptionError: STYLEZOO_LOCK_TIMEOUT is not a number of seconds.
    """
    import filelock

    lock = filelock.FileLock(path)
    limit = seconds_of(LOCK_VARIABLE, LOCK_TIMEOUT)
    began = moved = time.monotonic()
    seen, noticed = progress(), False
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except filelock.Timeout:
            pass
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CacheError(
                f"{path} cannot be locked: {reason}; choose another folder (for the cache, with "
                f"{CACHE_VARIABLE})"
            ) from error
        now = time.monotonic()
        if progress() != seen:
            seen, moved = progress(), now
        if now - moved >= limit:
            raise CacheError(
                f"{_holder(path)} holds {what} and made no progress for {limit:g} s; end it, or "
                f"set {LOCK_VARIABLE} to more seconds to wait longer"
            )
        if not noticed and now - began >= QUIET:
            noticed = True
            message = f"waiting for {_holder(path)}, which is working on {what}"
            warnings.warn(message, LockWarning, stacklevel=4)
        time.sleep(POLL)
    try:
        with suppress(OSError):
            path.write_text(str(os.getpid()))
        yield
    finally:
        with suppress(OSError):
            path.write_text("")
        lock.release()


def _holder(path: Path) -> str:
    try:
        return f"process {int(path.read_text()[:20])}"
    except (OSError, ValueError):
        return "another process"
