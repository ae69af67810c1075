"""torch's own modes for a while: a program around may have set others, for its own sake."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_changing = threading.Lock()
_before: list[torch.dtype] = []  # the default dtype that each block found, the program's first


@contextmanager
def plain_modes() -> Iterator[None]:
    """In this block: float32 by default, gradients, no inference mode and no autocast.

    After it, everything is as it was.
    """
    with ExitStack() as modes:
        modes.enter_context(_float32_by_default())
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(device):
                modes.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def _float32_by_default() -> Iterator[None]:
    """The default dtype is the process's: the first thread changes it, the last changes it back."""
    with _changing:
        _before.append(torch.get_default_dtype())
        torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        with _changing:
            found = _before.pop()
            if not _before:
                torch.set_default_dtype(found)
