"""Seeds, and torch's global generators in a known state: what draws from them draws the same."""

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


_found: list[_States] = []  # of each block that is open; the program's own come first
_found_lock = threading.Lock()


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Seed torch's global generators for this block, and leave them after it as they were.

    Those of GPUs, too, if this process uses them: to ask one for its state would take it into use.
    Blocks of several threads at once draw from the same generators, so which numbers each gets is
    chance; the last of them still leaves what the first found.

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
    """What torch's global generators will draw next.

    Attributes:
        cpu: of the CPU's.
        cuda: of those of all GPUs; None while this process does not use them.
        mps: of that of Apple's GPU; None where there is none.
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
    else:  # torch.manual_seed would seed a GPU too, once it is used
        torch.default_generator.manual_seed(seed)
