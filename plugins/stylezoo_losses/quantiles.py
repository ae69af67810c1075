"""Resampling of sorted values to another number of values."""

from __future__ import annotations

import torch
from torch import Tensor


def resample_sorted(values: Tensor, count: int) -> Tensor:
    """Compute ``count`` quantiles of sorted values, interpolating between neighbours.

    Each of n values stands for an n-th of the distribution, around its middle, so that pictures of
    different sizes are comparable.

    Args:
        values: (..., n), ascending.
        count: number of values wanted.

    Returns:
        (..., count), ascending; ``values`` itself if it has that many.
    """
    n = values.shape[-1]
    if n == count:
        return values
    # On the CPU: float32 is inexact for large counts, and Apple's GPUs have no float64.
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / count * n
    places = (places - 0.5).clamp(0, n - 1)
    below = places.floor().long()
    part = (places - below).to(values.dtype).to(values.device)
    below = below.to(values.device)
    above = (below + 1).clamp(max=n - 1)
    return torch.lerp(values[..., below], values[..., above], part)
