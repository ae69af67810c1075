"""Seeds, and torch's global generators in a known state: what draws from them draws the same."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import SupportsIndex

from stylezoo.errors import OptionError

LARGEST_SEED = 2**64 - 1  # torch's


def check_seed(seed: SupportsIndex, largest: int = LARGEST_SEED) -> int:
    """A seed as an integer of Python, which that of another library may be, too.

    Raises:
        OptionError: it is no integer, or out of range.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= largest:
        raise OptionError(f"the seed is {seed!r}; it must be an integer from 0 to {largest}")
    return number


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed torch's global generators for this block, and leave them after it as they were.

    Those of GPUs, too, if this process uses them: to ask one for its state would take it into use.

    Raises:
        OptionError: the seed is out of range.
    """
    import torch

    seed = check_seed(seed)
    in_use = torch.cuda.is_initialized()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if in_use else ()):
        if in_use or torch.backends.mps.is_available():
            torch.manual_seed(seed)
        else:  # torch.manual_seed would seed a GPU too, once it is used
            torch.default_generator.manual_seed(seed)
        yield
