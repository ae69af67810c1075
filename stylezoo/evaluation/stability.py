"""Temporal stability: how a shift by one pixel, or sensor noise, would show in a video."""

from __future__ import annotations

import numpy as np

from stylezoo.images import Pixels
from stylezoo.style import Style

NOISE = 0.01  # standard deviation, for pixels in [0, 1]
MARGIN = 8  # border pixels left out, where the crop itself makes a difference


def shift_difference(style: Style, pixels: Pixels) -> float:
    """How much the styled picture changes, apart from shifting, if the photo shifts by one pixel.

    Args:
        style: to judge.
        pixels: (H, W, 3) in [0, 1].

    Returns:
        The root mean square of the difference, 0 for a perfectly shift-equivariant net.
    """
    left = np.ascontiguousarray(pixels[:, :-1])
    right = np.ascontiguousarray(pixels[:, 1:])
    return _difference(style(left)[:, 1:], style(right)[:, :-1])


def noise_difference(style: Style, pixels: Pixels, styled: Pixels, seed: int) -> float:
    """How much the styled picture changes if noise is added to the photo.

    Args:
        style: to judge.
        pixels: (H, W, 3) in [0, 1].
        styled: the style's output for it.
        seed: for the noise, whose standard deviation is ``NOISE``.

    Returns:
        The root mean square of the difference.
    """
    noise = np.random.default_rng(seed).normal(0, NOISE, pixels.shape)
    noisy = np.clip(pixels + noise, 0, 1).astype(np.float32)
    return _difference(style(noisy), styled)


def _difference(first: Pixels, second: Pixels) -> float:
    margin = min(MARGIN, (min(first.shape[:2]) - 1) // 2)
    inside = slice(margin, -margin) if margin else slice(None)
    return float(np.sqrt(np.mean((first - second)[inside, inside] ** 2)))
