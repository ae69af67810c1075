"""The PyTorch runtimes: float32, the reference, and bfloat16."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from stylezoo import Runtime, TransformNet
from stylezoo.errors import OptionError


class TorchRuntime(Runtime):
    """Runs a net in float32 on any device that PyTorch supports."""

    def prepare(self, net: TransformNet, device: str | None) -> Callable[[Tensor], Tensor]:
        """Put the net on the device; see ``Runtime.prepare``."""
        place = best_device() if device is None else checked_device(device)
        # channels-last is the layout that convolution kernels want; it only changes the order in
        # memory.
        net = on_device(net, place).to(memory_format=torch.channels_last)

        def run(images: Tensor) -> Tensor:
            with torch.inference_mode():
                images = images.to(device=place, memory_format=torch.channels_last)
                output: Tensor = net(images)
                return output.contiguous().cpu()

        return run


class TorchBFloat16Runtime(Runtime):
    """Runs a net in bfloat16, for hardware that computes in it faster than in float32.

    Weights and activations keep eight bits of precision. In a picture, that is an error of up to
    half a level of 255 on average; docs/architecture.md has figures.
    """

    tolerance = 0.05

    def prepare(self, net: TransformNet, device: str | None) -> Callable[[Tensor], Tensor]:
        """Convert a copy of the net and move it to the device; see ``Runtime.prepare``."""
        run = TorchRuntime().prepare(copy.deepcopy(net).to(torch.bfloat16), device)
        return lambda images: run(images.to(torch.bfloat16)).float()


def on_device(net: TransformNet, place: torch.device) -> TransformNet:
    """The net if it is on the device, else a copy: the nets of a pack's styles share parameters."""
    place = torch.empty(0, device=place).device  # with its index, as in parameters
    if all(tensor.device == place for tensor in (*net.parameters(), *net.buffers())):
        return net
    return copy.deepcopy(net).to(place)


def best_device() -> torch.device:
    """The accelerator if there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def checked_device(device: str) -> torch.device:
    """Turn a name into an available device.

    Raises:
        OptionError: PyTorch does not know the name, or this machine has no such device.
    """
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).cpu()  # available, and able to return results
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(
            f"the device {device!r} cannot be used ({reason}); leave it out to use the best one"
        ) from error
    return place
