"""Stability in time: what a video would see of a shift by one pixel, and of sensor noise."""

from __future__ import annotations

import numpy as np

from stylezoo.images import Pixels
from stylezoo.style import Style

NOISE = 0.01  # deviation of the noise, in the range [0, 1] of the pixels
MARGIN = 8  # pixels at the border that are left out, where the cut itself makes a difference


def shift_difference(style: Style, pixels: Pixels) -> float:
    """How far the styled picture changes, besides moving along, if the photo moves by one pixel.

    Args:
        style: to judge.
        pixels: (H, W, 3) in [0, 1].

    Returns:
        The root mean square of the difference, 0 for a net that moves along perfectly.
    """
    left = np.ascontiguousarray(pixels[:, :-1])
    right = np.ascontiguousarray(pixels[:, 1:])
    return _difference(style(left)[:, 1:], style(right)[:, :-1])


def noise_difference(style: Style, pixels: Pixels, styled: Pixels, seed: int) -> float:
    """How far the styled picture changes if noise is added to the photo.

    Args:
        style: to judge.
        pixels: (H, W, 3) in [0, 1].
        styled: the style's picture of it.
        seed: of the noise, whose deviation is ``NOISE``.

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
