"""Inputs that checks give to components, and the comparison of their outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

TOLERANCE = 1e-4
"""How far two float32 computations of one thing may differ, relative to the largest value."""

FLOOR = 1e-3
"""Images and features are around 1: where all are smaller than this, differences are rounding."""

VALUE_FLOOR = 1e-30
"""The value of a loss may have any scale, so small values count as much as large ones."""


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
    """Reproducible noise, (batch, channels, height, width) in [low, high]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64)
    return (low + (high - low) * noise).float()


def shape_text(tensor: Tensor) -> str:
    """A shape as text, such as ``1 × 3 × 32 × 48``."""
    return " × ".join(map(str, tensor.shape)) or "a scalar"


def difference(
    found: Tensor, expected: Tensor, tolerance: float = TOLERANCE, floor: float = FLOOR
) -> str | None:
    """Say how two tensors differ; None if at most by rounding.

    Args:
        found: a tensor.
        expected: another.
        tolerance: how far they may differ, relative to the largest value of both.
        floor: lower bound on that largest value.
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


def unchanged(found: Any, before: Any) -> bool:
    """Whether two nests hold the same tensors: same dtypes, shapes and values, NaN included."""
    ours, theirs = tensors_of(found), tensors_of(before)
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _same(found: Tensor, expected: Tensor) -> bool:
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        return False
    return bool(((found == expected) | (found.isnan() & expected.isnan())).all())


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
    """The devices to move components to: any accelerator, and torch's meta device.

    Meta tensors have no values; mixing them with tensors left on the CPU is an error, as with any
    accelerator.
    """
    found = ["meta"]
    if torch.cuda.is_available():
        found.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        found.insert(0, "mps")
    return found
