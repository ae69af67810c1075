"""Torch modes set by a program do not affect stylezoo, and stay as they were set."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import stylezoo
from stylezoo.images import open_photo
from stylezoo.torch_modes import plain_modes
from tests.modes import MODES, double
from tests.tiny_optimization import same, small, stripes


def state():
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
    )


@pytest.fixture(scope="module")
def photo(astronaut):
    return open_photo(astronaut).resized(64)


@pytest.fixture(params=MODES)
def mode(request):
    """A mode to enter, which must be unchanged when it is left."""

    @contextmanager
    def watched():
        with MODES[request.param]():
            before = state()
            yield
            assert state() == before

    return watched


def test_a_style_draws_the_same(mode, toy_style, photo):
    usual = stylezoo.load(toy_style)(photo)
    with mode():
        style = stylezoo.load(toy_style)
        inside = style(photo)
    assert np.array_equal(inside.rgb, usual.rgb)
    assert np.array_equal(style(photo).rgb, usual.rgb)


def test_an_optimisation_gives_the_same(mode, photo):
    painting = [stylezoo.StyleInput(painting=stripes("down", [(0.1, 0.2, 0.9), (0.9, 0.9, 0.6)]))]
    usual = stylezoo.optimize(photo, painting, small(iterations=3))
    with mode():
        inside = stylezoo.optimize(photo, painting, small(iterations=3))
    assert same(inside, usual)


def test_a_reconstruction_gives_the_same(mode, photo):
    config = small(iterations=3)
    usual = stylezoo.reconstruct(photo, "content", ("relu1_2",), config)
    with mode():
        inside = stylezoo.reconstruct(photo, "content", ("relu1_2",), config)
    assert same(inside, usual)


def test_what_fails_leaves_the_modes_too(mode, tmp_path):
    with mode(), pytest.raises(stylezoo.StyleZooError):
        stylezoo.load(tmp_path / "nowhere")


def test_of_two_threads_none_takes_the_others_dtype_away():
    entered, left = threading.Event(), threading.Event()
    seen = []

    def other():
        with plain_modes():
            entered.set()
            left.wait(60)
            seen.append(torch.get_default_dtype())

    with double():
        thread = threading.Thread(target=other)
        with plain_modes():
            thread.start()
            entered.wait(60)
        left.set()
        thread.join()
        assert seen == [torch.float32]
        assert torch.get_default_dtype() == torch.float64
