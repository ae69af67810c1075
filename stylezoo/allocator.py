"""How the C library keeps memory between the passes of a long computation."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def reuse_freed_memory() -> None:
    """Let large blocks that are freed serve the next pass instead of going back to the system.

    glibc maps every large block anew and unmaps it when it is freed, so that each pass of a
    network pays for thousands of page faults: at 512 × 512 pixels they are a quarter of an
    iteration. Every pass of a loop needs the same blocks, so keeping them costs nothing more.
    Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
