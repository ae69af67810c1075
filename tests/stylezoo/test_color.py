"""Colour: against Pillow's YCbCr, whose luma is BT.601 too."""

import numpy as np
import pytest
from PIL import Image
from skimage.exposure import match_histograms

from stylezoo.color import (
    LUMA,
    blend,
    keep_color,
    match_covariance,
    match_histogram,
    match_luminance,
)


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


def coloured(seed, scale, shift):
    rng = np.random.default_rng(seed)
    mixed = rng.random((40, 30, 3)) @ rng.random((3, 3))
    return (mixed * scale + shift).astype(np.float32)


def test_covariance_matching_makes_both_moments_equal():
    painting, photo = coloured(0, 0.3, 0.1), coloured(1, 0.15, 0.3)
    matched = match_covariance(painting, photo).reshape(-1, 3)
    wanted = photo.reshape(-1, 3)
    assert np.allclose(matched.mean(axis=0), wanted.mean(axis=0), atol=1e-4)
    assert np.allclose(np.cov(matched.T), np.cov(wanted.T), atol=1e-4)


def test_histogram_matching_is_that_of_scikit_image():
    painting, photo = coloured(0, 0.4, 0.0), coloured(1, 0.4, 0.1)
    expected = match_histograms(painting, photo, channel_axis=-1)
    assert np.allclose(match_histogram(painting, photo), expected, atol=1e-6)


def test_luminance_matching_is_grey_with_the_mean_and_deviation_of_the_photo():
    painting, photo = coloured(0, 0.3, 0.2), coloured(1, 0.1, 0.3)
    matched = match_luminance(painting, photo)
    assert np.array_equal(matched[..., 0], matched[..., 1])
    luma = photo @ LUMA
    assert matched.mean() == pytest.approx(luma.mean(), abs=1e-4)
    assert matched.std() == pytest.approx(luma.std(), abs=1e-4)


@pytest.mark.parametrize("match", [match_covariance, match_histogram, match_luminance])
def test_colours_that_do_not_vary_are_no_reason_to_fail(match):
    flat = np.full((8, 8, 3), 0.5, dtype=np.float32)
    for painting, photo in ((flat, coloured(0, 0.3, 0.1)), (coloured(0, 0.3, 0.1), flat)):
        matched = match(painting, photo)
        assert np.isfinite(matched).all()
        assert 0 <= matched.min() <= matched.max() <= 1
