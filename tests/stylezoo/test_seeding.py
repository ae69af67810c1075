"""Seeding of torch's global generators, in nested blocks and in several threads."""

import threading

import numpy as np
import pytest
import torch

from stylezoo.errors import OptionError
from stylezoo.seeding import check_seed, seeded


def test_a_block_inside_another_leaves_the_outer_where_it_was():
    with seeded(1):
        expected = torch.rand(4)
    with seeded(1):
        first = torch.rand(2)
        with seeded(2):
            torch.rand(7)
        second = torch.rand(2)
    assert torch.equal(torch.cat([first, second]), expected)


def test_blocks_of_threads_leave_what_the_first_found():
    before = torch.get_rng_state()
    open_, closed = threading.Event(), threading.Event()

    def second_to_open_and_last_to_close():
        with seeded(2):
            open_.set()
            closed.wait(10)
            torch.rand(3)

    thread = threading.Thread(target=second_to_open_and_last_to_close)
    with seeded(1):
        thread.start()
        assert open_.wait(10)
    closed.set()
    thread.join()
    assert torch.equal(torch.get_rng_state(), before)


def test_an_error_leaves_them_as_they_were():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), seeded(3):
        torch.rand(1)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "1"])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(OptionError, match="it must be an integer from 0 to"), seeded(seed):
        pass


def test_integers_of_numpy_are_seeds():
    assert check_seed(np.int64(7)) == 7
