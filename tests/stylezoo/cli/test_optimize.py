"""``stylezoo optimize`` and ``reconstruct`` as a user runs them, mistakes and kills included."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import stylezoo

# A random VGG16 cut short: quick, and the same everywhere.
QUICK = (
    *("--backbone", "vgg16", "--backbone-weights", "random", "--normalization", "relative"),
    *("--content-layers", "relu2_2", "--style-layers", "relu1_1,relu2_1", "--style-weight", "5"),
    *("--size", "48", "--precision", "fp32", "--device", "cpu", "--init", "content"),
)


def command(name, *arguments):
    return [sys.executable, "-m", "stylezoo", name, *map(str, arguments)]


def run(name, *arguments):
    return subprocess.run(command(name, *arguments), capture_output=True, text=True)


@pytest.fixture(scope="module")
def pictures(astronaut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    with Image.open(astronaut) as image:
        image.resize((60, 48)).save(folder / "photo.png")
        image.rotate(90).resize((64, 64)).save(folder / "painting.png")
        image.resize((1, 1)).save(folder / "pixel.png")
        image.resize((300, 1)).save(folder / "line.png")
        image.resize((30, 30)).save(folder / "square.png")
    Image.new("1", (10_000, 9_000)).save(folder / "endless.png")
    return folder


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_picture_its_plot_and_its_report(pictures, tmp_path):
    out, plot = tmp_path / "out.jpg", tmp_path / "losses.svg"
    done = run(
        "optimize",
        pictures / "photo.png",
        *("--style", f"{pictures / 'painting.png'}:2", "--style", pictures / "photo.png"),
        *("-o", out, "--plot", plot, "--json", "--steps", 6, "--save-every", 3),
        *("--levels", 1, "--loss", "laplacian:0.5", "--tv-weight", 0.1, *QUICK),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["weights"] == pytest.approx(
        {"content": 1, "style-1": 10 / 3, "style-2": 5 / 3, "tv": 0.1, "laplacian": 0.5}
    )
    assert (report["width"], report["height"], report["iterations"]) == (48, 38, 6)
    assert pixels(out).shape == (38, 48, 3)
    assert "objective" in plot.read_text()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["losses.svg", "out-00003.jpg", "out-00006.jpg", "out.jpg"]


def test_a_killed_run_goes_on_to_the_same_picture(pictures, tmp_path):
    def arguments(output):
        return [
            pictures / "photo.png",
            *("--style", pictures / "painting.png", "-o", output, "--steps", 60, *QUICK),
            *("--checkpoint-every", 5),
        ]

    whole, stopped = tmp_path / "whole.png", tmp_path / "stopped.png"
    assert run("optimize", *arguments(whole)).returncode == 0
    checkpoint = tmp_path / "stopped.png.checkpoint"
    process = subprocess.Popen(command("optimize", *arguments(stopped)), stderr=subprocess.PIPE)
    while not checkpoint.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not stopped.exists()
    again = run("optimize", *arguments(stopped))
    assert again.returncode == 1
    assert "is from a stopped run; continue it with --resume" in again.stderr
    assert run("optimize", *arguments(stopped), "--resume").returncode == 0
    assert np.array_equal(pixels(stopped), pixels(whole))
    assert not checkpoint.exists()


def test_one_that_runs_away_says_so_and_keeps_the_best(pictures, tmp_path):
    out = tmp_path / "out.png"
    done = run(
        "optimize",
        pictures / "photo.png",
        *("--style", pictures / "painting.png", "-o", out, "--steps", 40),
        *("--optimizer", "adam", "--learning-rate", "1e6", *QUICK),
    )
    assert done.returncode == 0, done.stderr
    assert "the optimisation diverged at iteration" in done.stderr
    assert "best picture up to then" in done.stderr
    assert pixels(out).shape == (38, 48, 3)


MISTAKES = {
    "no such layer": (["--content-layers", "relu9_1"], 1, "'relu9_1', which the backbone does"),
    "a weight of nan": (["--style-weight", "nan"], 1, "the weight of 'style' is nan"),
    "a negative weight": (["--content-weight", "-1"], 1, "the weight of 'content' is -1.0"),
    "all weights 0": (["--content-weight", 0, "--style-weight", 0], 1, "every weight of the obj"),
    "some layers without weight": (["--style-layers", "a=1,b"], 2, "give every layer a weight"),
    "a weight that is no number": (["--style-layers", "a=x"], 2, "a weight that is not a number"),
    "a loss nobody has": (["--style-loss", "gramm"], 1, "did you mean 'gram'?"),
    "a backbone nobody has": (["--backbone", "vgg18"], 1, "no plugin provides the backbone"),
    "a start that is not there": (["--init", "sketch.png"], 1, "sketch.png does not exist"),
    "a style that is not there": (["--init", "style:great-wav"], 1, "great-wave"),
    "a mask of another shape": (["--content-mask", "square.png"], 1, "a mask has 30 × 30 pixels"),
    "more masks than paintings": (
        ["--content-mask", "photo.png", "--content-mask", "photo.png"],
        1,
        "there are more masks (2) than paintings (1)",
    ),
    "no such preset": (["--preset", "fast"], 2, "'fast' is not one of"),
    "no such device": (["--device", "tpu"], 1, "the device 'tpu' cannot be used"),
    "no steps": (["--steps", 0], 2, "'--steps': 0 is not in the range x>=1"),
    "a scale of nothing": (["--style-scale", 0], 2, "'--style-scale': 0.0 is not in the range x>0"),
    "a layer's weight unset": (["--style-layers", "relu1_1="], 2, "a weight that is not a number"),
    "far too large": (["--size", 200_000], 1, "choose a size of"),
    "a plot in place of the picture": (["-o", "p.png", "--plot", "p.png"], 2, "replace the pict"),
    "a loss twice": (
        ["--loss", "range:1", "--loss", "range:2"],
        2,
        "--loss 'range' is given twice",
    ),
    "a loss that is there": (
        ["--loss", "content:1"],
        1,
        "a term 'content' already, so the loss",
    ),
    "a style loss of content": (["--style-loss", "content"], 1, "'content', which does not comp"),
    "a picture without end": (["--style", "endless.png"], 1, "limit of 89478485; make it smaller"),
    "too small for a layer": (["--content-layers", "pool5", "--size", 24], 1, "which needs 32 on"),
    "a plot that is none": (["--plot", "losses.txt"], 1, "suffix '.txt'; for a plot, use"),
    "a place that is no folder": (["-o", "photo.png/out.png"], 1, "Not a directory"),
    "a picture that is none": (["-o", "out.doc"], 1, "out.doc has the suffix '.doc'"),
    "a missing painting": (["--style", "none.png"], 1, "none.png does not exist"),
    "a painting of one line": (["--style", "line.png"], 1, "a painting has 300 × 1 pixels"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake, pictures, tmp_path, monkeypatch):
    options, code, message = MISTAKES[mistake]
    monkeypatch.chdir(pictures)
    before = sorted(pictures.iterdir())
    painting = [] if "--style" in options else ["--style", "painting.png"]
    output = [] if "-o" in options else ["-o", tmp_path / "out.png"]
    done = run("optimize", "photo.png", *painting, *output, *QUICK, *options)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert sorted(pictures.iterdir()) == before


def test_an_existing_picture_is_kept(pictures, tmp_path):
    out = tmp_path / "out.png"
    out.write_bytes(b"mine")
    arguments = [pictures / "photo.png", "--style", pictures / "painting.png", "-o", out, *QUICK]
    done = run("optimize", *arguments)
    assert done.returncode == 1
    assert "exists; replace it with --overwrite" in done.stderr
    assert out.read_bytes() == b"mine"
    assert run("optimize", *arguments, "--overwrite", "--steps", 1).returncode == 0
    saved = tmp_path / "out-00002.png"
    saved.write_bytes(b"mine too")
    out.unlink()
    done = run("optimize", *arguments, "--save-every", 1)
    assert done.returncode == 1
    assert f"{saved} exists; replace it with --overwrite" in done.stderr
    assert saved.read_bytes() == b"mine too"
    assert run("optimize", *arguments, "--overwrite", "--save-every", 1).returncode == 0
    assert pixels(saved).shape == (38, 48, 3)
    assert pixels(out).shape == (38, 48, 3)


BACKBONE = ("--backbone", "vgg16", "--backbone-weights", "random", "--size", "48")


def test_shallow_layers_keep_the_photo_and_deep_ones_do_not(pictures, tmp_path):
    errors = {}
    with Image.open(pictures / "photo.png") as image:
        photo = np.asarray(image.convert("RGB").resize((48, 38), Image.Resampling.LANCZOS))
    for layer in ("relu1_1", "relu4_1"):
        out = tmp_path / f"{layer}.png"
        options = ("--content-layers", layer, "-o", out, "--steps", 60, *BACKBONE)
        done = run("reconstruct", pictures / "photo.png", *options)
        assert done.returncode == 0, done.stderr
        errors[layer] = np.mean((pixels(out) / 255 - photo / 255) ** 2)
    assert 10 * np.log10(1 / errors["relu1_1"]) > 25  # dB: close to indistinguishable
    assert errors["relu4_1"] > 10 * errors["relu1_1"]


def test_a_style_alone(pictures, tmp_path):
    out = tmp_path / "out.png"
    options = ("--style-layers", "relu1_1,relu2_1", "-o", out, "--steps", 5, *BACKBONE)
    done = run("reconstruct", pictures / "painting.png", *options)
    assert done.returncode == 0, done.stderr
    assert pixels(out).shape == (48, 48, 3)


@pytest.mark.parametrize(
    ("options", "warnings"),
    [
        (("--content-layers", "relu2_2"), ["out.png is the best picture up to then"]),
        (("--style-layers", "relu2_1"), ["out.png is the best picture up to then"]),
        (("--figure", "painting.png"), ["style of relu2_1 in", "content of relu5_1 in"]),
    ],
)
def test_a_reconstruction_that_runs_away_says_so(options, warnings, pictures, tmp_path):
    """Weights so large that the features overflow."""
    backbone = stylezoo.create_backbone("vgg16", weights="random")
    weights = {name: tensor * 1e30 for name, tensor in backbone.state_dict().items()}
    save_file(weights, tmp_path / "huge.safetensors")
    out = tmp_path / "out.png"
    arguments = [
        *(pictures / "photo.png", "-o", out, "--size", 48, "--steps", 20, *options),
        *("--backbone", "vgg16", "--backbone-weights", tmp_path / "huge.safetensors"),
    ]
    done = subprocess.run(
        command("reconstruct", *arguments),
        capture_output=True,
        text=True,
        cwd=pictures,
    )
    assert done.returncode == 0, done.stderr
    for warning in warnings:
        assert warning in done.stderr
    assert "the optimisation diverged at iteration" in done.stderr
    assert "Try another --seed." in done.stderr
    assert out.exists()


def test_the_figure_has_two_rows_of_six(pictures, tmp_path):
    out = tmp_path / "figure.png"
    options = ("--figure", pictures / "painting.png", "-o", out, "--steps", 1, *BACKBONE)
    done = run("reconstruct", pictures / "photo.png", *options)
    assert done.returncode == 0, done.stderr
    height, width = pixels(out).shape[:2]
    assert width == 8 + 6 * (48 + 8)
    assert height == 8 + 2 * (22 + 48 + 8)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "Give exactly one of --content-layers, --style-layers and --figure"),
        (["--content-layers", "relu1_1", "--style-layers", "relu1_1"], 2, "Give exactly one of"),
        (["--content-layers", "relu7_1"], 1, "'relu7_1', which the backbone does not have"),
    ],
)
def test_mistakes_of_reconstruct(options, code, message, pictures, tmp_path):
    out = tmp_path / "out.png"
    done = run("reconstruct", pictures / "photo.png", "-o", out, *BACKBONE, *options)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert not out.exists()
