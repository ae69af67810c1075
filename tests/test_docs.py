"""README and docs: the snippets run, the hooks are all there with their arguments."""

import importlib
import inspect
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import torch

import stylezoo
from stylezoo import hookspecs

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("register_")}


def blocks(path, language):
    text = path.read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_readme_python_runs(root, astronaut, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(astronaut, "photo.jpg")
    snippets = blocks(root / "README.md", "python")
    assert len(snippets) >= 3
    names = {}
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), names)
    assert (tmp_path / "photo-great-wave.png").exists()
    assert names["styled"].shape == (120, 160, 3)


def test_readme_commands_run(root, astronaut, tmp_path):
    """Every stylezoo command of README, but training, which has tests of its own."""
    (tmp_path / "photos").mkdir()
    for copy in ("photo.jpg", "photos/one.jpg"):
        shutil.copy(astronaut, tmp_path / copy)
    (tmp_path / "docs").symlink_to(root / "docs")
    text = "\n".join(blocks(root / "README.md", "console"))
    commands = re.findall(r"(?:^|&& )(stylezoo .*)$", text, flags=re.MULTILINE)
    commands = [c for c in commands if " train " not in c and "./my-style" not in c]
    assert len(commands) >= 8
    for command in commands:
        arguments = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (tmp_path / "astronaut-great-wave.png").exists()
    assert (tmp_path / "styled" / "one-great-wave.png").exists()


def test_options_of_train_in_the_guide_exist(root):
    text = (root / "CONTRIBUTING.md").read_text()
    from stylezoo.cli.train import command

    known = {option for parameter in command.params for option in parameter.opts}
    (block,) = re.findall(r"stylezoo train .*?```", text, flags=re.DOTALL)
    assert len(block) > 200
    assert set(re.findall(r"--[a-z-]+", block)) <= known


def test_ci_runs_the_command_of_the_readme(root):
    commands = [c for c in blocks(root / "README.md", "console") if "pytest" in c]
    assert commands == ["pip install '.[test]' && pytest\n"]
    assert 'grep -m 1 -F "pytest" README.md' in (root / ".ci" / "run").read_text()
    first = next(line for line in (root / "README.md").read_text().splitlines() if "pytest" in line)
    assert first == commands[0].strip()


def test_links_lead_somewhere(root):
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_arguments(root, name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"### `{name}({arguments})`" in (root / "docs" / "plugins.md").read_text()


@pytest.fixture
def documented_plugin(root, tmp_path, monkeypatch):
    """The plugin of docs/plugins.md, written to files as the page names them."""
    for snippet in blocks(root / "docs" / "plugins.md", "python"):
        first, _, body = snippet.partition("\n")
        if first.startswith("# my_plugin/"):
            path = tmp_path / first.removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            with path.open("a") as file:
                file.write(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("my_plugin")
    for name in [name for name in sys.modules if name.split(".")[0] == "my_plugin"]:
        del sys.modules[name]


def test_the_documented_plugin_registers_every_hook_and_works(documented_plugin, toy_style):
    catalog = stylezoo.Catalog()
    info = catalog.add(documented_plugin, "mine", distribution="stylezoo-mine")
    assert info.status == "ok", info.error
    assert set(HOOKS) <= set(vars(documented_plugin))
    made = {component.kind: component.name for component in info.components}
    assert set(made) == {"backbone", "loss", "net", "norm", "runtime", "source"}

    image = torch.rand(1, 3, 16, 16)
    backbone = catalog.create_backbone(made["backbone"])
    features = backbone(image, ["quarter"])
    assert features["quarter"].shape == (1, 3, 4, 4)
    loss = catalog.create_loss(made["loss"])
    assert loss({"image": image}, loss.target({"image": image})).item() == 0
    assert catalog.create_net(made["net"], kernel=5)(image).shape == image.shape
    with pytest.raises(stylezoo.StyleZooError, match="kernel is 4"):
        catalog.create_net(made["net"], kernel=4)
    assert catalog.get_norm(made["norm"])(6)(torch.rand(1, 6, 4, 4)).shape == (1, 6, 4, 4)
    assert catalog.sources()[made["source"]].names() == []

    reference = stylezoo.load(toy_style)
    run = catalog.create_runtime(made["runtime"]).prepare(reference.net, None)
    assert torch.allclose(run(image), reference(image), atol=1e-4)


def test_the_documented_test_runs(documented_plugin, root):
    (snippet,) = [b for b in blocks(root / "docs" / "plugins.md", "python") if "catalog.add" in b]
    exec(compile(snippet, "plugins.md", "exec"), {})
