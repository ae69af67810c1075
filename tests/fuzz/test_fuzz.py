"""A short slice of the fuzzing; ``python tests/fuzz/run.py --inputs 200000`` runs the long one."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.inputs import TARGETS, feed


@pytest.mark.parametrize("name", TARGETS)
def test_only_declared_errors_come_out(name, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CONFIG", "")  # put back after the config's turn
    target = TARGETS[name]
    counts = {True: 0, False: 0}

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def run(value):
        counts[feed(target, value)] += 1

    run()
    # The inputs are near enough to good ones to pass, and far enough not to.
    assert all(counts.values())
