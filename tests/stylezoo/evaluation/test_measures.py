"""The individual measures, against scikit-image and closed forms."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity as skimage_ssim
from torch import nn

import stylezoo
from stylezoo.color import LUMA
from stylezoo.evaluation.equivalent import equivalent_iterations
from stylezoo.evaluation.ssim import structural_similarity
from stylezoo.evaluation.stability import NOISE, noise_difference, shift_difference


class Pointwise(nn.Module):
    """Changes each pixel independently, so the result moves along with the photo."""

    stride, minimum_size = 1, 1

    def forward(self, images):
        return 1 - 0.5 * images


class Stripes(Pointwise):
    """Darkens every other column, wherever the photo is."""

    def forward(self, images):
        return images * (torch.arange(images.shape[-1]) % 2)


def picture(seed, height=40, width=53):
    return np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)


def test_ssim_is_that_of_scikit_image():
    x = picture(0)
    y = np.clip(0.7 * x + 0.3 * picture(1), 0, 1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, image = skimage_ssim(x @ LUMA, y @ LUMA, data_range=1.0, full=True, **options)
    inside = image[5:-5, 5:-5]  # where the 11 × 11 window lies within the picture
    assert structural_similarity(x, y) == pytest.approx(inside.mean(), abs=1e-5)


def test_ssim_of_equal_and_of_tiny_pictures():
    assert structural_similarity(picture(0), picture(0)) == pytest.approx(1)
    assert structural_similarity(picture(0, 3, 5), picture(0, 3, 5)) == pytest.approx(1)


def test_a_net_that_moves_along_is_stable():
    style = stylezoo.Style(net=Pointwise())
    assert shift_difference(style, picture(0)) == pytest.approx(0, abs=1e-7)


def test_a_net_with_a_pattern_of_its_own_is_not():
    style = stylezoo.Style(net=Stripes())
    grey = np.full((40, 53, 3), 0.6, dtype=np.float32)
    # Each column is 0.6 in one of the two pictures and 0 in the other.
    assert shift_difference(style, grey) == pytest.approx(0.6, rel=1e-5)


def test_noise_comes_out_as_much_smaller_as_the_net_makes_it():
    style = stylezoo.Style(net=Pointwise())
    middle = 0.3 + 0.4 * picture(0, 200, 200)
    value = noise_difference(style, middle, style(middle), seed=1)
    assert value == pytest.approx(0.5 * NOISE, rel=0.02)


@pytest.mark.parametrize(
    ("level", "expected"),
    [(8.0, 1.0), (16.0, 0.0), (20.0, 0.0), (2.0, 3.0), (8 / 2**0.5, 1.5), (0.5, 3.0)],
)
def test_equivalent_iterations_of_a_halving_objective(level, expected):
    assert equivalent_iterations([16.0, 8.0, 4.0, 2.0], level) == pytest.approx(expected)


def test_an_iteration_that_overflows_does_not_reach_the_level():
    """The optimiser goes back to its best image, so the objective goes on from there."""
    assert equivalent_iterations([16.0, math.nan, 16.0, 4.0], 8.0) == pytest.approx(2.5)
    assert equivalent_iterations([16.0, math.inf, 16.0, math.nan], 8.0) == 3.0
