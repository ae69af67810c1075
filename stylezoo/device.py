"""Choose the device, precision and runtime to compute with."""

from __future__ import annotations

from typing import Literal

import torch

from stylezoo.errors import OptionError

Precision = Literal["auto", "bf16", "fp32"]
PRECISIONS = ("auto", "bf16", "fp32")


def choose_device(name: str | torch.device | None) -> torch.device:
    """Return a device, given itself or its name; None for the best available.

    Raises:
        OptionError: the device cannot be used.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()  # fails on a missing device and on "meta"
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"the device {str(name)!r} cannot be used: {reason}; try cpu") from error
    return device


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype for backbones and nets; ``"auto"`` is bfloat16 where hardware supports it.

    Raises:
        OptionError: the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise OptionError(
            f"the precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}"
        )
    if precision != "auto":
        return torch.bfloat16 if precision == "bf16" else torch.float32
    if device.type == "cuda":
        with torch.cuda.device(device):
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fast else torch.float32
    fast = device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def choose_runtime(device: str | None) -> str:
    """The runtime that applies styles fastest on a device, without visible differences.

    GPUs run nets in a few hundredths of a second in float32, so they keep it. So do CPUs with
    bfloat16 but without AMX, Intel's matrix unit: the layers of nets have so few channels that
    float32 is faster there, unlike in backbones.

    Args:
        device: name of the device; None for the best available.
    """
    name = device or choose_device(None).type
    return "torch-bf16" if name.partition(":")[0] == "cpu" and _cpu_has_amx() else "torch"


def _cpu_has_amx() -> bool:
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))
