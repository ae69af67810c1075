"""Sorted values at another number of places."""

from __future__ import annotations

import torch
from torch import Tensor


def resample_sorted(values: Tensor, count: int) -> Tensor:
    """The quantiles of sorted values at ``count`` places, between neighbours in proportion.

    Each of n values stands for an n-th of the distribution, around its middle; so two pictures of
    different sizes compare.

    Args:
        values: (..., n), ascending.
        count: how many are wanted.

    Returns:
        (..., count), ascending; ``values`` itself if there are as many.
    """
    n = values.shape[-1]
    if n == count:
        return values
    # On the CPU: in float32 large counts would be inexact, and Apple's GPUs have no float64.
    places = (torch.arange(count, dtype=torch.float64) + 0.5) / count * n
    places = (places - 0.5).clamp(0, n - 1)
    below = places.floor().long()
    part = (places - below).to(values.dtype).to(values.device)
    below = below.to(values.device)
    above = (below + 1).clamp(max=n - 1)
    return torch.lerp(values[..., below], values[..., above], part)
