"""Colour: keep the photo's, and blend photo and styled picture."""

from __future__ import annotations

import numpy as np

from stylezoo.images import Pixels

# Luma of ITU-R BT.601, which is what the Y of JPEG and of the YIQ space is.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def keep_color(styled: Pixels, photo: Pixels) -> Pixels:
    """The luminance of the styled picture with the colours of the photo.

    Adding one number to all three channels changes the luma by that number and leaves the two
    colour differences as they are. Source: Gatys et al. 2016, "Preserving color in neural
    artistic style transfer" (arXiv 1606.05897), section 3, luminance-only transfer.

    Args:
        styled: (H, W, 3) in [0, 1].
        photo: the same shape.

    Returns:
        The same shape, in [0, 1].
    """
    difference = (styled - photo) @ LUMA
    return np.clip(photo + difference[..., None], 0, 1)


def blend(photo: Pixels, styled: Pixels, strength: float) -> Pixels:
    """Mix the two: 0 gives the photo, 1 the styled picture.

    Args:
        photo: (H, W, 3) in [0, 1].
        styled: the same shape.
        strength: from 0 to 1.

    Returns:
        The same shape.
    """
    if strength == 1:
        return styled
    return (photo + np.float32(strength) * (styled - photo)).astype(np.float32)
