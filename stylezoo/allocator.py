"""Make the C library reuse memory between the passes of a long computation."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stylezoo.process_setting import ProcessSetting

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_MMAP_MAX = -4

# glibc's defaults. They cannot be read back, so the thresholds are those it arrives at by itself
# in a program that frees blocks of 32 MB or more.
OWN_MMAP_MAX = 65536
OWN_MMAP_THRESHOLD = 32 * 1024**2
OWN_TRIM_THRESHOLD = 2 * OWN_MMAP_THRESHOLD


@contextmanager
def reuse_freed_memory() -> Iterator[None]:
    """Reuse large freed blocks within this context, and return them to the system after it.

    glibc maps each large block anew and unmaps it when it is freed, so every pass of a network
    pays for thousands of page faults: a quarter of an iteration at 512 × 512 pixels. Every pass of
    a loop needs the same blocks, so keeping them costs no extra memory. Other C libraries are left
    alone.
    """
    with _KEEPING.at(True):
        yield


def return_freed_memory() -> None:
    """Return freed memory that was kept for reuse to the system."""
    if (malloc_trim := _of_glibc("malloc_trim")) is not None:
        malloc_trim(0)


def _keep(freed: bool) -> None:
    if (mallopt := _of_glibc("mallopt")) is None:
        return
    if freed:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
        return
    mallopt(M_MMAP_MAX, OWN_MMAP_MAX)
    mallopt(M_MMAP_THRESHOLD, OWN_MMAP_THRESHOLD)
    mallopt(M_TRIM_THRESHOLD, OWN_TRIM_THRESHOLD)
    return_freed_memory()


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Look up a glibc function; None under another C library, such as musl."""
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return function


# Assumed off initially: nothing else in stylezoo changes it, and glibc cannot be asked.
_KEEPING = ProcessSetting(lambda: False, _keep)
