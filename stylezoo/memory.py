"""Estimate how much memory a computation takes, and how much is available."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from stylezoo.allocator import return_freed_memory
from stylezoo.errors import OptionError

# On top of what is kept for the backward pass: convolution workspace, the gradients of two layers
# at a time, and gaps. Peaks measured at 256 to 1024 pixels were 1.2 to 1.5 times what is kept.
OVERHEAD = 1.6

CGROUP = Path("/sys/fs/cgroup")  # of this container


def kept_bytes(forward: Callable[[], object]) -> int:
    """Run a forward pass and count the bytes that autograd keeps for the backward pass."""
    sizes: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # else an output and its graph would keep each other alive

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        forward()
    return sum(sizes.values())


def peak_bytes(compute: Callable[[], object], device: torch.device) -> int:
    """Run a computation without gradients, and measure the peak size of its tensors in bytes.

    Args:
        compute: uses torch; memory of other libraries is not counted.
        device: whose memory to count.
    """
    counter = _LiveTensors(device)
    with torch.no_grad(), counter:
        compute()
    return counter.peak


class _LiveTensors(TorchDispatchMode):
    """Counts the bytes of a device's tensors made in its block for as long as they live."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._device = device.type
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        given = {storage.data_ptr() for storage in _storages((args, kwargs))}
        for storage in _storages(result):
            if storage.device.type == self._device and storage.data_ptr() not in given:  # no view
                self._count(storage)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        address = storage.data_ptr()
        if address not in self._sizes:
            self._sizes[address] = storage.nbytes()
            weakref.finalize(storage, self._sizes.pop, address)
            self.peak = max(self.peak, sum(self._sizes.values()))


def _storages(nested: object) -> Iterator[torch.UntypedStorage]:
    for leaf in tree_leaves(nested):
        if isinstance(leaf, Tensor):
            yield leaf.untyped_storage()


def available_bytes(device: torch.device) -> int:
    """The free memory of a device; on the CPU, within the limit of a container, if any."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # The driver counts what torch keeps of freed tensors for reuse as used.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + kept
    import psutil

    free = int(psutil.virtual_memory().available)
    within = available_in_cgroup(CGROUP)
    return free if within is None else min(free, within)


def available_in_cgroup(folder: Path) -> int | None:
    """What a container has left of its own limit, in bytes; None if it has no limit.

    Args:
        folder: folder of a control group's files, as in
            https://docs.kernel.org/admin-guide/cgroup-v2.html.
    """
    try:
        limit, used, parts = (
            (folder / f"memory.{name}").read_text().strip() for name in ("max", "current", "stat")
        )
    except OSError:
        return None
    if not limit.isdigit():
        return None
    # Cached file pages count as used, but are dropped as soon as the memory is needed.
    reclaimable = dict(line.split() for line in parts.splitlines()).get("inactive_file", "0")
    return int(limit) - int(used) + int(reclaimable)


def is_out_of_memory(error: Exception) -> bool:
    """Whether numpy or torch failed to allocate memory.

    On the CPU torch raises a RuntimeError that differs from others only in its message.
    """
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        # From torch's DefaultCPUAllocator, the second on Windows; the last from mmap.
        or any(
            text in str(error)
            for text in ("can't allocate memory", "not enough memory", "Cannot allocate memory")
        )
    )


@contextmanager
def within_memory(what: str, advice: str) -> Iterator[None]:
    """Turn running out of memory in this block into an error that says what to do.

    Args:
        what: what does not fit, in the plural, such as ``"640 × 480 pixels"``.
        advice: such as ``"choose a smaller size (--size)"``.

    Raises:
        OptionError: numpy or torch ran out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OptionError(f"{what} do not fit into memory; {advice}") from error


def check_memory(needed: int, device: torch.device, *, size: int) -> None:
    """Reject a picture that would not fit, as a killed process explains nothing.

    Args:
        needed: bytes for a picture of this size; assumed proportional to its pixels.
        device: the device to compute on.
        size: longest side of the picture, in pixels.

    Raises:
        OptionError: it does not fit; the message says which size would.
    """
    if needed <= available_bytes(device):
        return
    return_freed_memory()  # memory freed since but kept for reuse counts as used
    free = available_bytes(device)
    if needed <= free:
        return
    fitting = int(size * (free / needed) ** 0.5 * 0.98)
    raise OptionError(
        f"{size} pixels need about {needed / 1e9:.1f} GB of memory, but only "
        f"{free / 1e9:.1f} GB is free; choose a size of {fitting} or less (--size)"
    )
