"""The processes that train one net together, one per GPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from stylezoo.device import choose_device
from stylezoo.errors import OptionError, PluginError

T = TypeVar("T")


class Processes:
    """This process alone, or all that ``accelerate launch`` started.

    Each takes its part of every batch, and all apply the mean of their gradients: any number that
    divides the batch learns what one process would, up to rounding (only roughly with batch norm,
    whose statistics cover one part of the batch). The exchange is accelerate's, which uses torch's
    DistributedDataParallel.

    Args:
        device: such as ``"cpu"`` or ``"cuda"``; None for the best available. With several GPUs,
            each process has its own.

    Raises:
        OptionError: the device is not available.
        PluginError: several processes were started, and accelerate is not installed.
    """

    def __init__(self, device: str | torch.device | None) -> None:
        self.rank, self.count = process_rank(), int(os.environ.get("WORLD_SIZE", "1"))
        self._accelerator: Any = None
        if self.count == 1:
            self.device = choose_device(device)
            return
        try:
            from accelerate import Accelerator
        except ImportError as error:
            raise PluginError(
                "training in several processes needs accelerate; "
                'run: pip install "stylezoo[accelerate]"'
            ) from error
        # A precision set in the user's accelerate configuration would apply inside ours.
        self._accelerator = Accelerator(cpu=str(device) == "cpu", mixed_precision="no")
        self.device = self._accelerator.device

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def share(self, batch: Sequence[T]) -> Sequence[T]:
        """This process's part of a batch.

        Raises:
            OptionError: it cannot be divided evenly.
        """
        if len(batch) % self.count:
            raise OptionError(
                f"a batch of {len(batch)} cannot be divided evenly among {self.count} processes; "
                f"choose a multiple of {self.count}"
            )
        size = len(batch) // self.count
        return batch[self.rank * size : (self.rank + 1) * size]

    def join(self, net: nn.Module) -> nn.Module:
        """Wrap the net so that its backward pass averages the gradients of all processes."""
        if self._accelerator is None:
            return net
        return cast("nn.Module", self._accelerator.prepare(net))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the processes, element by element."""
        values = values.detach()
        if self._accelerator is None:
            return values
        return cast("Tensor", self._accelerator.reduce(values.clone(), "mean"))

    def wait(self) -> None:
        """Wait until all processes get here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()


def process_rank() -> int:
    """The rank of this process among those that ``accelerate launch`` started; 0 if alone."""
    return int(os.environ.get("RANK", "0"))
