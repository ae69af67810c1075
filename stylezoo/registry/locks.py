"""Locks between processes: with a time limit, and they say who holds them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stylezoo.errors import CacheError, OptionError
from stylezoo.registry.store import LOCK_TIMEOUT, LOCK_VARIABLE

QUIET = 10.0  # seconds to wait before saying so


class LockWarning(UserWarning):
    """Another process is waited for."""


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock. It ends with the process, however that ends; the file may stay.

    Args:
        path: of the lock's file, in a folder that exists.
        what: it protects, for messages.

    Raises:
        CacheError: another process holds it for longer than the limit, or it cannot be made.
    """
    import filelock

    limit = _limit()
    lock = filelock.FileLock(path)
    try:
        try:
            lock.acquire(timeout=min(QUIET, limit))
        except filelock.Timeout:
            if limit > QUIET:
                warnings.warn(
                    f"waiting for {_holder(path)}, which works on {what}", LockWarning, stacklevel=4
                )
            lock.acquire(timeout=max(limit - QUIET, 0))
    except filelock.Timeout as error:
        raise CacheError(
            f"{_holder(path)} has worked on {what} for {limit:g} s; end it if it hangs, or set "
            f"{LOCK_VARIABLE} to more seconds"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise CacheError(f"{path} cannot be locked: {error}") from error
    try:
        with suppress(OSError):
            path.write_text(str(os.getpid()))
        yield
    finally:
        with suppress(OSError):
            path.write_text("")
        lock.release()


def _limit() -> float:
    text = os.environ.get(LOCK_VARIABLE) or LOCK_TIMEOUT
    try:
        return max(float(text), 0.0)
    except ValueError:
        raise OptionError(f"{LOCK_VARIABLE} is {text!r}; set it to a number of seconds") from None


def _holder(path: Path) -> str:
    try:
        return f"the process {int(path.read_text()[:20])}"
    except (OSError, ValueError):
        return "another process"
