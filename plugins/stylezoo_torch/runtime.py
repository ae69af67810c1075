"""The reference runtime: PyTorch in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stylezoo import Runtime, TransformNet
from stylezoo.errors import OptionError


class TorchRuntime(Runtime):
    """Runs a net in float32 on any device that PyTorch knows."""

    def prepare(self, net: TransformNet, device: str | None) -> Callable[[Tensor], Tensor]:
        """Move the net to the device; see ``Runtime.prepare``."""
        place = best_device() if device is None else checked_device(device)
        # channels-last is the layout that the convolution kernels want; it changes no value's
        # meaning, only the order in memory.
        net = net.to(device=place, memory_format=torch.channels_last)

        def run(images: Tensor) -> Tensor:
            with torch.inference_mode():
                images = images.to(device=place, memory_format=torch.channels_last)
                output: Tensor = net(images)
                return output.contiguous().cpu()

        return run


def best_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def checked_device(device: str) -> torch.device:
    """Turn a name into a device that is there.

    Raises:
        OptionError: PyTorch does not know the name, or this machine has no such device.
    """
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).cpu()  # there, and able to give results back
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(
            f"the device {device!r} cannot be used ({reason}); leave it out to use the best one"
        ) from error
    return place
