"""Colour: against Pillow's YCbCr, whose luma is BT.601 too."""

import numpy as np
from PIL import Image

from stylezoo.color import blend, keep_color


def test_luminance_is_the_styled_pictures_and_colour_the_photos():
    random = np.random.default_rng(0)
    # Mild values, so that nothing is clipped.
    photo = random.uniform(0.4, 0.6, (32, 32, 3)).astype(np.float32)
    styled = random.uniform(0.4, 0.6, (32, 32, 3)).astype(np.float32)

    def ycbcr(pixels):
        return np.asarray(Image.fromarray((pixels * 255).round().astype(np.uint8)).convert("YCbCr"))

    mixed = ycbcr(keep_color(styled, photo)).astype(int)
    assert np.abs(mixed[..., 0] - ycbcr(styled)[..., 0]).max() <= 2
    assert np.abs(mixed[..., 1:] - ycbcr(photo)[..., 1:]).max() <= 2


def test_blend_goes_from_the_photo_to_the_styled_picture():
    photo, styled = np.zeros((2, 2, 3), np.float32), np.ones((2, 2, 3), np.float32)
    for strength in (0.0, 0.25, 1.0):
        assert np.allclose(blend(photo, styled, strength), strength)
