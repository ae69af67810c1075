"""The automatic style weight."""

import math

import pytest

from stylezoo.train.balance import HIGHEST_WEIGHT, START_WEIGHT, WANTED_CONTENT, StyleBalance


def contents(balance, response, steps=400):
    """Simulate a training whose content distance is a given function of the weight."""
    for step in range(steps + 1):
        balance.observe(0, response(balance.weights[0]), step / steps)
    return response(balance.weights[0])


@pytest.mark.parametrize("scale", [0.4, 0.6, 0.7])
def test_the_weight_brings_the_content_distance_to_what_is_wanted(scale):
    # Real trainings roughly follow such a power law.
    def response(weight):
        return scale * (weight / START_WEIGHT) ** 0.3

    balance = StyleBalance([None], None)
    before = abs(math.log(response(START_WEIGHT) / WANTED_CONTENT))
    after = abs(math.log(contents(balance, response) / WANTED_CONTENT))
    assert after < 0.4 * before
    assert (balance.weights[0] > START_WEIGHT) == (scale < WANTED_CONTENT)


def test_weights_stay_in_their_range_and_each_painting_has_its_own():
    balance = StyleBalance([None, None], None)
    for step in range(101):
        balance.observe(1, 0.001, step / 100)
    assert balance.weights == [START_WEIGHT, HIGHEST_WEIGHT]


def test_weights_stand_still_where_they_are_given_or_it_is_not_the_time():
    fixed = StyleBalance([None], 7.0)
    contents(fixed, lambda weight: 0.1)
    assert fixed.weights == [7.0]
    early = StyleBalance([None], None)
    for progress in (0.0, 0.04, 0.36, 0.5, 0.9, 1.0):
        early.observe(0, 0.1, progress)
    assert early.weights == [START_WEIGHT]


def test_a_weight_that_was_found_before_is_where_it_starts():
    assert StyleBalance([None, 8.5], None).weights == [START_WEIGHT, 8.5]
    assert StyleBalance([None, 8.5], 3.0).weights == [3.0, 3.0]


def test_what_is_not_finite_is_not_learnt_from():
    balance = StyleBalance([None], None)
    for value in (math.nan, math.inf):
        balance.observe(0, value, 0.2)
    assert balance.weights == [START_WEIGHT]


def test_a_checkpoint_goes_on_where_it_was():
    def response(weight):
        return 0.5 * (weight / START_WEIGHT) ** 0.3

    whole = StyleBalance([None], None)
    contents(whole, response)
    first = StyleBalance([None], None)
    for step in range(200):
        first.observe(0, response(first.weights[0]), step / 400)
    second = StyleBalance([None], None)
    second.load_state_dict(first.state_dict())
    for step in range(200, 401):
        second.observe(0, response(second.weights[0]), step / 400)
    assert second.weights == whole.weights
