"""The example plugin for TensorFlow weights, installed as a user would, apart from our code."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

NAME = "stylezoo-example-tensorflow"


@pytest.fixture(scope="module")
def plugin(root, tmp_path_factory):
    """A folder for PYTHONPATH with the distribution built and installed."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    source = root / "docs" / "examples" / NAME
    subprocess.run([*pip, "--target", target, source], check=True)
    return target


def run(plugin, *command, cwd):
    environment = {**os.environ, "PYTHONPATH": str(plugin), "STYLEZOO_STRICT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_tests_pass(plugin, root):
    """Only those against the formula: the conformance kit they also run has its own tests."""
    folder = root / "docs" / "examples" / NAME
    quick = ["-k", "not TestPlugin", "-p", "no:cacheprovider"]
    passed = run(plugin, "pytest", "-q", "-c", "pyproject.toml", *quick, "tests", cwd=folder)
    assert "6 passed" in passed


def test_its_weights_become_a_style(plugin, tmp_path):
    random = np.random.default_rng(1)
    kernels = [(9, 9, 3, 2), (3, 3, 2, 4), (3, 3, 4, 8)]
    kernels += [(3, 3, 4, 8), (3, 3, 2, 4), (9, 9, 2, 3)]
    channels = [2, 4, 8, 4, 2, 3]
    variables = []
    for shape, count in zip(kernels, channels, strict=True):
        variables += [random.normal(0, 0.2, shape), np.zeros(count), np.ones(count)]
    names = ["Variable", *(f"Variable_{number}" for number in range(1, len(variables)))]
    np.savez(tmp_path / "La Muse.npz", **dict(zip(names, variables, strict=True)))
    told = run(plugin, "stylezoo", "import", "La Muse.npz", "-o", "made", "--json", cwd=tmp_path)
    assert json.loads(told)["net"] == {
        "name": "tensorflow-fast-style",
        "arguments": {"width": 2, "residual_blocks": 0},
    }
    (report,) = json.loads(run(plugin, "stylezoo", "check", "made", "--json", cwd=tmp_path))
    assert report["ok"]
    # Without the plugin, the error says what to install.
    command = [sys.executable, "-m", "stylezoo", "check", "made"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "net (net.name): no plugin provides the net 'tensorflow-fast-style'" in done.stdout
    assert f"pip install {NAME}" in done.stdout
