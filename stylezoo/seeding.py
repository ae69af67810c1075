"""Seed torch's global generators, so that random draws are reproducible."""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

from stylezoo.errors import OptionError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_SEED = 2**64 - 1  # torch's


def check_seed(seed: SupportsIndex, largest: int = LARGEST_SEED) -> int:
    """Return a seed as a Python integer; other libraries' integers are accepted too.

    Raises:
        OptionError: it is not an integer, or out of range.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= largest:
        raise OptionError(f"the seed is {seed!r}; it must be an integer from 0 to {largest}")
    return number


_found: list[_States] = []  # one per open block; the program's own comes first
_found_lock = threading.Lock()


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed torch's global generators for this block, and restore them after it.

    GPU generators are included if this process already uses GPUs: asking one for its state would
    initialise it. Blocks in concurrent threads share the generators, so which numbers each gets is
    undefined; the last of them still restores what the first found.

    Raises:
        OptionError: the seed is out of range.
    """
    seed = check_seed(seed)
    with _found_lock:
        _found.append(_States.now())
        _seed_generators(seed)
    try:
        yield
    finally:
        with _found_lock:
            _found.pop().put_back()


@dataclass(frozen=True)
class _States:
    """The states of torch's global generators.

    Attributes:
        cpu: state of the CPU's generator.
        cuda: states for all GPUs; None while this process does not use them.
        mps: state for Apple's GPU; None if there is none.
    """

    cpu: Tensor
    cuda: list[Tensor] | None
    mps: Tensor | None

    @classmethod
    def now(cls) -> _States:
        import torch

        return cls(
            cpu=torch.get_rng_state(),
            cuda=torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None,
            mps=torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        )

    def put_back(self) -> None:
        import torch

        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state_all(self.cuda)
        if self.mps is not None:
            torch.mps.set_rng_state(self.mps)


def _seed_generators(seed: int) -> None:
    import torch

    if torch.cuda.is_initialized() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:  # torch.manual_seed would also seed a GPU once it is used
        torch.default_generator.manual_seed(seed)
