"""Which device and which precision to compute on."""

from __future__ import annotations

from typing import Literal

import torch

from stylezoo.errors import OptionError

Precision = Literal["auto", "bf16", "fp32"]
PRECISIONS = ("auto", "bf16", "fp32")


def choose_device(name: str | None) -> torch.device:
    """The device of this name; None for the best there is.

    Raises:
        OptionError: there is no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()  # fails where the device is not there, and on "meta"
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"the device {name!r} cannot be used: {reason}; try cpu") from error
    return device


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype for backbones and nets; ``"auto"`` is bfloat16 where the hardware computes in it.

    Raises:
        OptionError: another precision.
    """
    if precision not in PRECISIONS:
        raise OptionError(
            f"the precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}"
        )
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    fast = device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if fast else torch.float32
