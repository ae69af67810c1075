"""How the C library keeps memory between the passes of a long computation."""

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

# glibc's own limits. It has none to read, so the thresholds are those that it comes to by itself
# in a program that frees blocks of 32 MB or more.
OWN_MMAP_MAX = 65536
OWN_MMAP_THRESHOLD = 32 * 1024**2
OWN_TRIM_THRESHOLD = 2 * OWN_MMAP_THRESHOLD


@contextmanager
def reuse_freed_memory() -> Iterator[None]:
    """In this block large blocks that are freed serve the next pass; after it, they go back.

    glibc maps every large block anew and unmaps it when it is freed, so that each pass of a
    network pays for thousands of page faults: at 512 × 512 pixels they are a quarter of an
    iteration. Every pass of a loop needs the same blocks, so keeping them costs nothing more.
    Other C libraries are left as they are.
    """
    with _KEEPING.at(True):
        yield


def return_freed_memory() -> None:
    """Give what is freed, and was kept for the next pass, back to the system."""
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
    """A function of glibc; None where the C library is another, such as musl."""
    if not sys.platform.startswith("linux"):
        return None
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return function


# The program around has it off: nothing else in stylezoo changes it, and glibc does not tell.
_KEEPING = ProcessSetting(lambda: False, _keep)
