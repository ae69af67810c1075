"""``stylezoo plugins``: the list by hook, and the checks of one plugin."""

import json
import os
import subprocess
import sys

import pytest

PLUGIN = """
from stylezoo import hookimpl

@hookimpl
def register_losses(register):
    register("glare", "glare_parts:Glare", summary="Penalises light")
    register("gloom", "glare_parts:Gloom", summary="Penalises dark")

@hookimpl
def register_norms(register):
    register("group", "glare_parts:group", summary="Group norm")
"""

PARTS = """
from torch import nn
from stylezoo import Loss

class Glare(Loss):
    target_from = None
    layers = ()
    def forward(self, features, target):
        return features["image"].square().mean()

class Gloom(Glare):
    def forward(self, features, target):
        return (1 - features["image"]).square().mean(dim=(1, 2, 3))

def group(channels):
    return nn.GroupNorm(1, channels)
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "glare_plugin.py").write_text(PLUGIN)
    (tmp_path / "glare_parts.py").write_text(PARTS)
    (tmp_path / "sick_plugin.py").write_text("raise RuntimeError('it is sick')")
    for name, module in (("glare", "glare_plugin"), ("sick", "sick_plugin")):
        info = tmp_path / f"stylezoo_{name}-0.3.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: stylezoo-{name}\nVersion: 0.3\n"
        (info / "METADATA").write_text(metadata + "Requires-Dist: stylezoo\n")
        (info / "entry_points.txt").write_text(f"[stylezoo]\n{name} = {module}\n")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "stylezoo", "plugins", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )

    return run


def test_the_list_shows_each_plugin_hook_by_hook_with_its_health(run):
    done = run()
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("glare ")]
    first, second = lines[at].split(), lines[at + 1].split()
    assert first[:4] == ["glare", "stylezoo-glare", "0.3", "ok"]
    assert first[5:] == ["ms", "register_losses", "glare,", "gloom"]
    assert second == ["register_norms", "group"]
    (sick,) = [line for line in lines if line.startswith("sick ")]
    assert "failed" in sick
    assert sick.endswith("RuntimeError: it is sick")


def test_the_list_as_json(run):
    rows = {row["name"]: row for row in json.loads(run("--json").stdout)}
    glare = rows["glare"]
    assert glare["distribution"] == "stylezoo-glare"
    assert glare["module"] == "glare_plugin"
    assert glare["hooks"] == {"register_losses": ["glare", "gloom"], "register_norms": ["group"]}
    assert 0 < glare["import_seconds"] < 5
    assert rows["sick"]["hooks"] == {}
    assert rows["sick"]["status"] == "failed"


def test_check_runs_every_check_and_tells_the_faults(run):
    done = run("--check", "glare")
    assert done.returncode == 1
    assert "loss 'gloom'" in done.stdout
    assert "not a scalar; take the mean over the images" in done.stdout
    assert "loss 'glare'" not in done.stdout
    assert "Traceback" not in done.stderr


def test_check_as_json(run):
    done = run("--check", "stylezoo-glare", "--json")
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert "norm 'group': batch" in report["checks"]
    assert {finding["severity"] for finding in report["findings"]} <= {"error", "advice"}
    assert any("gloom" in finding["where"] for finding in report["findings"])


def test_check_of_what_conforms_is_left_with_0_and_of_what_failed_with_1(run):
    done = run("--check", "torch")
    assert done.returncode == 0
    assert done.stdout.startswith("plugin 'torch' conforms")
    done = run("--check", "sick")
    assert done.returncode == 1
    assert "it is failed: RuntimeError: it is sick" in done.stdout
    done = run("--check", "glaer")
    assert done.returncode == 1
    assert "did you mean 'glare'" in done.stderr
