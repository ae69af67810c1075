"""stylezoo import: from a foreign checkpoint to a style that loads and passes the check."""

import json
import pickle
import subprocess
import sys

import pytest
import torch

import stylezoo
from stylezoo.check import check_style_folder
from stylezoo.importing import import_checkpoint
from stylezoo.plugin_loader import PluginWarning
from stylezoo.registry.record_io import read_record

WIDTHS = [3, 4, 8, *[16] * 3, 8, 4, 3]
CONVOLUTIONS = ["conv1", "conv2", "conv3", "res1.conv1", "res1.conv2"]
CONVOLUTIONS += ["deconv1", "deconv2", "deconv3"]
NORMS = ["in1", "in2", "in3", "res1.in1", "res1.in2", "in4", "in5"]


@pytest.fixture
def checkpoint(tmp_path):
    """A small fast-neural-style net with one residual block."""
    torch.manual_seed(5)
    state = {}
    for name, inputs, outputs in zip(CONVOLUTIONS, WIDTHS[:-1], WIDTHS[1:], strict=True):
        kernel = 9 if 3 in (inputs, outputs) else 3
        state[f"{name}.conv2d.weight"] = torch.randn(outputs, inputs, kernel, kernel)
        state[f"{name}.conv2d.bias"] = torch.randn(outputs)
    for name, channels in zip(NORMS, WIDTHS[1:-1], strict=True):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.rand(2, channels)
    path = tmp_path / "Rain Princess.pth"
    torch.save(state, path)
    return path


def run(*arguments):
    command = [sys.executable, "-m", "stylezoo", "import", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_checkpoint_becomes_a_style(checkpoint, tmp_path):
    done = run(checkpoint, "-o", tmp_path / "made", "--title", "Rain Princess", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["name"] == "rain-princess"
    assert told["importer"] == "pytorch-examples"
    assert "--artist" in told["unknown"]
    assert "--title" not in told["unknown"]
    report = check_style_folder(tmp_path / "made")
    assert report.ok
    assert {finding.severity for finding in report.findings} == {"advice"}
    record = read_record(tmp_path / "made")
    assert record.status == "experimental"
    assert record.licence.weights == "unknown"
    assert "fast_neural_style" in record.provenance.software
    # The converted weights are stored: nothing is lost to half precision.
    image = torch.rand(3, 40, 48)
    net = import_checkpoint(checkpoint).net
    with torch.inference_mode():
        expected = net(image.unsqueeze(0))[0]
    assert (stylezoo.load(tmp_path / "made", runtime="torch")(image) - expected).abs().max() < 1e-5


def test_what_is_unknown_is_told(checkpoint, tmp_path):
    done = run(checkpoint, "-o", tmp_path / "made", "--name", "rain", "--tag", "rain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'made'}: rain 0.1.0, from fast_neural_style")
    assert "recorded as unknown: --title, --artist," in done.stderr
    assert read_record(tmp_path / "made").tags == ("rain",)


def test_what_is_told_must_be_right(checkpoint, tmp_path):
    done = run(checkpoint, "-o", tmp_path / "made", "--name", "Rain", "--data-licence", "any")
    assert done.returncode == 2
    assert "--name: 'Rain' is not a style name" in done.stderr
    assert "--data-licence: 'any' is not an SPDX" in done.stderr


def test_what_cannot_be_imported_fails_without_a_trace(checkpoint, tmp_path):
    pickled = tmp_path / "x.pkl"
    pickled.write_bytes(pickle.dumps(print))
    (tmp_path / "x.txt").write_text("x")
    unknown = run(checkpoint, "-o", tmp_path / "made", "--importer", "caffe")
    for done, reason in (
        (run(pickled, "-o", tmp_path / "made"), "can run any code and is never loaded"),
        (run(tmp_path / "x.txt", "-o", tmp_path / "made"), "installed: pytorch-examples (fast_"),
        (run(tmp_path / "none.pth", "-o", tmp_path / "made"), "is not a file"),
        (unknown, "no plugin provides the importer 'caffe'"),
    ):
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert reason in done.stderr
    assert not (tmp_path / "made").exists()
    assert not list(tmp_path.glob(".made*"))


def test_an_importer_that_cannot_be_made_costs_the_others_nothing(checkpoint):
    catalog = stylezoo.Catalog.discover()

    class Broken:
        @stylezoo.hookimpl
        def register_importers(self, register):
            register("broken", lambda: 1 / 0)

    catalog.add(Broken(), "broken", distribution="stylezoo-broken")
    with pytest.warns(PluginWarning, match="'stylezoo-broken:broken' is left out"):
        imported = import_checkpoint(checkpoint, catalog=catalog)
    assert imported.importer.name == "pytorch-examples"
