"""``stylezoo train`` as a user runs it: contradictory options, file names."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import stylezoo
from stylezoo.cli.train import Painting


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--only-norm", "--learning-rate", "0.02"), "--learning-rate applies to convolutions"),
        (("--only-norm", "--optimizer", "adam"), "--optimizer applies to convolutions, which"),
        (("--only-norm", "--width", "32"), "--width applies to convolutions, which"),
        (("--preset", "adapter", "--width", "32"), "--width applies to convolutions, which"),
        (("--only-norm", "--base", "none"), "An adapter needs a pack to build on; give --base"),
        (("--preset", "adapter", "--base", "none"), "An adapter needs a pack to build on"),
    ],
)
def test_what_an_adapter_does_not_learn_is_refused(options, message, astronaut, tmp_path):
    process = subprocess.run(
        [
            *(sys.executable, "-m", "stylezoo", "train", astronaut, "--photos", tmp_path),
            *("--base", "museum", *options, "-o", tmp_path / "style"),
        ],
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert message in " ".join(process.stderr.split())
    assert not list(tmp_path.iterdir())


def test_a_single_painting_has_the_name_of_its_style(astronaut, tmp_path):
    """Whatever its file is called, even what no style may be: its namesake is the start."""
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(astronaut, photos)
    painting = shutil.copy(astronaut, tmp_path / f"{'A long title ' * 6}.png")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "stylezoo", "train", painting, "--name", "udnie"),
            *("--base", "museum", "--only-norm", "--steps", "0", "--photos", photos),
            *("--backbone", "vgg16", "--backbone-weights", "random", "-o", tmp_path / "style"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    made, pack = stylezoo.load(tmp_path / "style"), stylezoo.load("museum:udnie")
    assert made.record.name == "udnie"
    assert made.record.style.title == "Udnie"
    photo = np.random.default_rng(0).random((40, 48, 3)).astype(np.float32)
    assert np.array_equal(made(photo), pack(photo))


@pytest.mark.parametrize(
    ("argument", "name", "path"),
    [
        ("great-wave.jpg", "great-wave", "great-wave.jpg"),
        ("art/Great Wave (1831).jpg", "great-wave-1831", "art/Great Wave (1831).jpg"),
        ("Café_Nuit.PNG", "cafe-nuit", "Café_Nuit.PNG"),
        ("富士.jpg", "富士", "富士.jpg"),
        ("fuji=富士.jpg", "fuji", "富士.jpg"),
    ],
)
def test_a_style_is_named_after_its_file(argument, name, path):
    assert Painting().convert(argument, None, None) == (name, Path(path))
