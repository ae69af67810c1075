"""Inputs that checks give to components, and the comparison of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

TOLERANCE = 1e-4
"""How far two ways to compute one thing in float32 may differ, in parts of the largest value."""

FLOOR = 1e-3
"""Images and features are around 1: where all are smaller than this, what differs is rounding."""

VALUE_FLOOR = 1e-30
"""The value of a loss may be of any scale, so that small ones count as large ones do."""


def random_images(
    batch: int,
    height: int,
    width: int,
    *,
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
    channels: int = 3,
) -> Tensor:
    """Noise that is the same each time: (batch, channels, height, width) in [low, high]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64)
    return (low + (high - low) * noise).float()


def shape_text(tensor: Tensor) -> str:
    """``1 × 3 × 32 × 48``."""
    return " × ".join(map(str, tensor.shape)) or "a scalar"


def difference(
    found: Tensor, expected: Tensor, tolerance: float = TOLERANCE, floor: float = FLOOR
) -> str | None:
    """Say how two tensors differ; None if they do not, beyond rounding.

    Args:
        found: a tensor.
        expected: another.
        tolerance: how far they may differ, in parts of the largest value of both.
        floor: the least that counts as the largest value.
    """
    if found.shape != expected.shape:
        return f"shapes {shape_text(found)} and {shape_text(expected)}"
    if not found.numel():
        return None
    ours, theirs = found.detach().cpu().double(), expected.detach().cpu().double()
    for tensor in (ours, theirs):
        if not bool(tensor.isfinite().all()):
            return "values that are not finite"
    gap = float((ours - theirs).abs().max())
    largest = max(float(ours.abs().max()), float(theirs.abs().max()))
    if gap <= tolerance * max(largest, floor):
        return None
    return f"values that differ by up to {gap:.3g}, where the largest value is {largest:.3g}"


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors in nested dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for entry in value for tensor in tensors_of(entry)]
    return []


def converted(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of nested dicts, lists and tuples with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: converted(entry, change) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        entries = [converted(entry, change) for entry in value]
        # A NamedTuple takes its fields one by one.
        return type(value)(*entries) if hasattr(value, "_fields") else type(value)(entries)
    return value


def other_devices() -> list[str]:
    """The devices to move components to: what accelerator there is, and torch's meta device.

    Tensors of the meta device have no values; mixing them with tensors that stayed on the CPU is
    an error, as it is with any accelerator's.
    """
    found = ["meta"]
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        found.insert(0, "mps")
    return found
