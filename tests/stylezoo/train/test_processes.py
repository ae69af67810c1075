"""Several processes under accelerate learn what one does."""

import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import stylezoo
from stylezoo.errors import OptionError
from stylezoo.train.processes import Processes


@pytest.fixture
def material(tmp_path, astronaut):
    y, x = np.mgrid[0:80, 0:80] / 4
    for name, wave in (("stripes", np.sin(x)), ("bars", np.sin(y))):
        pixels = np.stack([wave, wave / 2, -wave], axis=-1) / 2 + 0.5
        Image.fromarray((pixels * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    photos = tmp_path / "photos"
    photos.mkdir()
    with Image.open(astronaut) as photo:
        for number in range(4):
            photo.crop((90 * number, 0, 90 * number + 150, 200)).save(photos / f"{number}.jpg")
    vgg = stylezoo.create_backbone("vgg16", weights="random", seed=0)
    save_file(vgg.state_dict(), tmp_path / "vgg.safetensors")
    return tmp_path


def test_two_processes_learn_what_one_does(material):
    """With the command, on a pack with automatic style weights and the stability term."""
    options = [
        *("stripes.png", "bars.png", "--photos", "photos", "--name", "two", "--device", "cpu"),
        *("--backbone", "vgg16", "--backbone-weights", "vgg.safetensors", "--precision", "fp32"),
        *("--steps", "10", "--batch-size", "4", "--crop-size", "32", "--style-size", "64"),
        *("--width", "4", "--stability-weight", "1"),
        # At higher rates, a fresh net turns another order of sums into another net in ten steps.
        *("--learning-rate", "1e-4", "--norm-learning-rate", "1e-4"),
    ]
    # What accelerate launches per GPU; without GPUs, it would start one process alone.
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    # Accelerate's precision, which users may configure, does not override the training's.
    environment = {**os.environ, "ACCELERATE_MIXED_PRECISION": "bf16"}
    printed = {}
    for name, start in (("one", []), ("two", launch)):
        done = subprocess.run(
            [sys.executable, *start, "-m", "stylezoo", "train", *options, "-o", name],
            capture_output=True,
            text=True,
            cwd=material,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        printed[name] = done.stdout
    assert printed["two"] == "two: two 1.0.0\n"  # by only one of the two
    one, two = (load_file(material / name / "model.safetensors") for name in ("one", "two"))
    start = stylezoo.create_net("johnson", width=4, norm="conditional-instance", styles=2)
    for name, tensor in one.items():
        # Stored as float16: rounding may differ in the last place.
        torch.testing.assert_close(two[name].float(), tensor.float(), rtol=2e-3, atol=2e-4)
    assert any(not torch.allclose(one[n].float(), t) for n, t in start.state_dict().items())
    first, second = (_objectives(material / f"{name}-training") for name in printed)
    assert len(first) == 10
    assert second == pytest.approx(first, rel=1e-3)


def _objectives(work):
    with (work / "metrics.csv").open(newline="") as file:
        return [float(line["objective"]) for line in csv.DictReader(file)]


def test_a_batch_is_shared_out_evenly_or_not_at_all(monkeypatch):
    processes = Processes("cpu")
    assert processes.main
    assert list(processes.share(range(4))) == [0, 1, 2, 3]
    processes.rank, processes.count = 1, 2
    assert list(processes.share(range(4))) == [2, 3]
    with pytest.raises(OptionError, match="a batch of 5 cannot be divided evenly among 2"):
        processes.share(range(5))
