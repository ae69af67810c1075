"""torch's global generators in a known state for a while: what draws from them draws the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed torch's global generators for this block, and leave them after it as they were.

    Those of GPUs, too, if this process uses them: to ask one for its state would take it into use.
    """
    in_use = torch.cuda.is_initialized()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if in_use else ()):
        if in_use or torch.backends.mps.is_available():
            torch.manual_seed(seed)
        else:  # torch.manual_seed would seed a GPU too, once it is used
            torch.default_generator.manual_seed(seed)
        yield
