"""The processes that train one net together, one to a GPU."""

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

    Each takes its part of every batch, and all apply the mean of their gradients: any number of
    them, which divides the batch, learns what one would, up to rounding (with batch norm, whose
    statistics are of a part of the batch, about that). The exchange is that of accelerate, and
    of torch's DistributedDataParallel under it.

    Args:
        device: such as ``"cpu"`` or ``"cuda"``; None for the best there is. Of several GPUs,
            each process has its own.

    Raises:
        OptionError: the device is not there.
        PluginError: several were started, and accelerate is not installed.
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
        # Its own precision, which a user's configuration of it may set, would come inside ours.
        self._accelerator = Accelerator(cpu=str(device) == "cpu", mixed_precision="no")
        self.device = self._accelerator.device

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def share(self, batch: Sequence[T]) -> Sequence[T]:
        """This process's part of a batch.

        Raises:
            OptionError: it cannot be shared out evenly.
        """
        if len(batch) % self.count:
            raise OptionError(
                f"a batch of {len(batch)} cannot be shared out evenly to {self.count} processes; "
                f"choose a multiple of {self.count}"
            )
        size = len(batch) // self.count
        return batch[self.rank * size : (self.rank + 1) * size]

    def join(self, net: nn.Module) -> nn.Module:
        """Give the net whose backward pass leaves the mean of all processes' gradients."""
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
        """Go on when all processes are here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()


def process_rank() -> int:
    """The number of this process among those that ``accelerate launch`` started; 0 alone."""
    return int(os.environ.get("RANK", "0"))
