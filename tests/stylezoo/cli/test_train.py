"""``stylezoo train`` as a user runs it: options that contradict each other."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("option", [("--learning-rate", "0.02"), ("--optimizer", "adam")])
def test_what_convolutions_learn_by_is_refused_where_norms_alone_learn(option, astronaut, tmp_path):
    process = subprocess.run(
        [
            *(sys.executable, "-m", "stylezoo", "train", astronaut, "--photos", tmp_path),
            *("--base", "museum", "--only-norm", *option, "-o", tmp_path / "style"),
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert "--only-norm trains none; give --norm-learning-rate." in process.stderr
    assert not list(tmp_path.iterdir())
