"""CONTRIBUTING.md: its commands make a style when run as written."""

import re
import shlex
import subprocess
import sys

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import stylezoo
from stylezoo.check import check_style_folder


@pytest.fixture(scope="module")
def commands(root):
    """The record, import and check commands, in order, with options."""
    text = (root / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [
        shlex.split(line) for line in lines if re.match("stylezoo (record|import|check) ", line)
    ]


@pytest.fixture
def folder(tmp_path, astronaut):
    """A contributor's files."""
    torch.manual_seed(0)
    net = stylezoo.create_net("johnson", width=16)
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    with Image.open(astronaut) as image:
        for name in ("painting", "photo"):
            image.resize((80, 60)).save(tmp_path / f"{name}.jpg")
    return tmp_path


def run(command, folder):
    assert command[0] == "stylezoo"
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_weights_become_a_style_that_passes_the_check(commands, folder):
    (make,) = [command for command in commands if "weights.safetensors" in command]
    run(make, folder)
    (check,) = [command for command in commands if command[1:] == ["check", "my-style"]]
    assert run(check, folder).startswith("my-style: in order")
    assert (folder / "my-style" / "painting.jpg").exists()


def test_a_checkpoint_becomes_a_style_that_passes_the_check(commands, folder):
    state, trunk = {}, 4
    for name, inputs, outputs, kernel in [
        *(("conv1", 3, 1, 9), ("conv2", 1, 2, 3), ("conv3", 2, trunk, 3)),
        *(("deconv1", trunk, 2, 3), ("deconv2", 2, 1, 3), ("deconv3", 1, 3, 9)),
    ]:
        state[f"{name}.conv2d.weight"] = torch.randn(outputs, inputs, kernel, kernel)
        state[f"{name}.conv2d.bias"] = torch.randn(outputs)
    for number, channels in enumerate((1, 2, trunk, 2, 1)):
        state[f"in{number + 1}.weight"] = torch.ones(channels)
        state[f"in{number + 1}.bias"] = torch.zeros(channels)
    torch.save(state, folder / "candy.pth")
    for command in commands:
        if {"candy.pth", "imported"} & set(command):
            run(command, folder)
    report = check_style_folder(folder / "my-style")
    assert report.ok
    assert [finding.where for finding in report.findings] == ["quality"]


def test_the_template_lists_what_the_page_does(root):
    template = (root / ".github" / "pull_request_template.md").read_text()
    assert "stylezoo check registry" in template
    assert "#contribute-a-style" in template
    assert "## Contribute a style" in (root / "CONTRIBUTING.md").read_text()
