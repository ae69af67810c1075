"""A short fuzzing run; for the long one, ``python tests/fuzz/run.py --inputs 200000``."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.inputs import TARGETS, feed


@pytest.mark.parametrize("name", TARGETS)
def test_only_declared_errors_come_out(name, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CONFIG", "")  # restored after the config target
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
    # Inputs are close enough to valid ones that some pass and some do not.
    assert all(counts.values())
