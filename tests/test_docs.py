"""README and docs: snippets run, and all hooks are there with their arguments."""

import importlib
import inspect
import re
import shlex
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageOps

import stylezoo
from stylezoo import hookspecs
from stylezoo.testing import assert_conforms, check_plugin
from tests.environments import build_wheels

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("register_")}


def blocks(path, language):
    text = path.read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


# Options that make slow commands quick; the others stay as on the page.
QUICK = {
    "optimize": ["--size", "48", "--steps", "2"],
    "reconstruct": ["--size", "48", "--steps", "2"],
    "train": [
        *("--steps", "1", "--batch-size", "1", "--crop-size", "32", "--style-size", "64"),
        *("--samples-every", "9"),
    ],
    "evaluate": ["--sizes", "64", "--limit", "2", "--curves", "1"],
}

# What a page assumes was run.
BEFORE = {"docs/evaluate.md": ["stylezoo train painting.jpg --photos photos/ -o my-style"]}


@pytest.fixture
def folder_of_a_reader(root, astronaut, tmp_path, monkeypatch):
    """A folder with the pictures that the pages mention."""
    folders = ("photos", "other-photos", "held-out", "one-photo")
    for name in folders:
        (tmp_path / name).mkdir()
    pictures = ("photo", "painting", "waves", "stars", "lilies", "wave", "klimt")
    with Image.open(astronaut) as image:
        small = image.resize((160, 160))
        for name in (*pictures, *(f"{folder}/one" for folder in folders)):
            small.save(tmp_path / f"{name}.jpg")
        sea = Image.new("L", small.size)
        sea.paste(255, (0, 80, 160, 160))
        sea.save(tmp_path / "sea.png")
        ImageOps.invert(sea).save(tmp_path / "sky.png")
    (tmp_path / "docs").symlink_to(root / "docs")
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "config" / "registries.toml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/optimize.md", "docs/evaluate.md"])
def test_python_of_the_page_runs(page, root, folder_of_a_reader):
    snippets = blocks(root / page, "python")
    assert snippets
    names = {}
    for snippet in snippets:
        exec(compile(snippet, page, "exec"), names)
    if page == "README.md":
        assert (folder_of_a_reader / "photo-great-wave.png").exists()
        assert names["styled"].shape == (120, 160, 3)


@pytest.mark.parametrize(
    "page", ["README.md", "docs/train.md", "docs/optimize.md", "docs/evaluate.md"]
)
def test_commands_of_the_page_run(page, root, folder_of_a_reader):
    """Every stylezoo command runs in order, as a reader of the page would run it."""
    text = "\n".join(blocks(root / page, "console")).replace("\\\n", " ")
    commands = re.findall(r"(?:^|&& )(stylezoo .*)$", text, flags=re.MULTILINE)
    assert len(commands) >= 3
    for command in [*BEFORE.get(page, []), *commands]:
        _, name, *options = shlex.split(command)
        arguments = [sys.executable, "-m", "stylezoo", name, *options, *QUICK.get(name, [])]
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    if page == "README.md":
        assert (folder_of_a_reader / "astronaut-great-wave.png").exists()
        assert (folder_of_a_reader / "styled" / "one-great-wave.png").exists()


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("CONTRIBUTING.md", "train"),
        ("docs/train.md", "train"),
        ("docs/optimize.md", "optimize"),
        ("docs/optimize.md", "reconstruct"),
        ("docs/evaluate.md", "evaluate"),
    ],
)
def test_options_that_the_page_speaks_of_exist(page, name, root):
    command = importlib.import_module(f"stylezoo.cli.{name}").command
    known = {option for parameter in command.params for option in parameter.opts}
    text = (root / page).read_text()
    spoken = {
        option
        for line in re.findall(rf"stylezoo {name} (?:[^`]|\n)*?(?=```|\nstylezoo)", text)
        for option in re.findall(r"(?<!\S)--[a-z-]+", line)
    }
    assert spoken
    assert spoken <= known


def test_ci_runs_the_command_of_the_readme(root):
    commands = [c for c in blocks(root / "README.md", "console") if "pytest" in c]
    assert commands == ['pip install ".[test]" && pytest\n']
    assert 'grep -m 1 -F "pytest" README.md' in (root / ".ci" / "run").read_text()
    first = next(line for line in (root / "README.md").read_text().splitlines() if "pytest" in line)
    assert first == commands[0].strip()


def test_links_lead_somewhere(root):
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_reliability_names_every_fault_and_a_file_that_holds_it(root):
    text = (root / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| (\d+) \| .* \| (test_\w+\.py) \|$", text, flags=re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 57))
    for number, name in rows:
        tests = (root / "tests" / "faults" / name).read_text()
        assert re.search(rf"^def test_fault_{int(number):02}_", tests, flags=re.MULTILINE), number


def test_every_environment_variable_is_in_the_table(root):
    text = (root / "docs" / "registries.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(STYLEZOO_[A-Z_]+)`", row)}
    sources = "".join(path.read_text() for path in (root / "stylezoo").rglob("*.py"))
    named = set(re.findall(r"STYLEZOO_[A-Z]+(?:_[A-Z]+)*", sources))
    assert listed == named - {"STYLEZOO_API", "STYLEZOO_CHECKS", "STYLEZOO_NEW_NAME_ARCHIVE"}


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_documented_with_its_arguments(root, name):
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"### `{name}({arguments})`" in (root / "docs" / "plugins.md").read_text()


@pytest.fixture
def documented_plugin(root, tmp_path, monkeypatch):
    """The plugin of docs/plugins.md, in the files that the page names."""
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


def test_the_documented_project_installs(root, tmp_path, documented_plugin):
    """The page's plugin files build as they stand."""
    (project,) = [b for b in blocks(root / "docs" / "plugins.md", "toml") if "hatchling" in b]
    (tmp_path / "pyproject.toml").write_text(project)
    (wheel,) = build_wheels([tmp_path], tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        assert {"my_plugin/__init__.py", "my_plugin/loss.py"} <= set(archive.namelist())


def test_the_documented_plugin_registers_every_hook_and_works(documented_plugin, toy_style):
    catalog = stylezoo.Catalog()
    info = catalog.add(documented_plugin, "mine", distribution="stylezoo-mine")
    assert info.status == "ok", info.error
    assert set(HOOKS) <= set(vars(documented_plugin))
    made = {component.kind: component.name for component in info.components}
    assert len(made) == len(HOOKS)

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

    reference = stylezoo.load(toy_style, runtime="torch")
    run = catalog.create_runtime(made["runtime"]).prepare(reference.net, None)
    assert torch.allclose(run(image), reference(image), atol=1e-4)
    assert catalog.get("registry", made["registry"]).root.name == "root.json"


def test_the_documented_importer_gives_a_net_that_runs_as_its_arrays_say(
    documented_plugin, tmp_path
):
    kernel = np.random.default_rng(1).normal(size=(3, 3, 1, 1)).astype(np.float32)
    bias = np.float32([0, 0.5, 1])
    np.savez(tmp_path / "old.npz", kernel=kernel, bias=bias)
    (tmp_path / "other.npz").write_text("no archive")
    catalog = stylezoo.Catalog.discover()
    catalog.add(documented_plugin, "mine", distribution="stylezoo-mine")
    importer = catalog.importers()["tint-arrays"]
    assert not importer.recognises(tmp_path / "other.npz")
    assert importer.recognises(tmp_path / "old.npz")
    imported = importer.convert(tmp_path / "old.npz")
    net = catalog.create_net(imported.net, **imported.arguments)
    net.load_state_dict(imported.tensors)
    image = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    mixed = np.einsum("oi,ihw->ohw", kernel[:, :, 0, 0], image)  # the norm cancels a bias
    centred = mixed - mixed.mean((1, 2), keepdims=True)
    normalised = centred / np.sqrt((centred**2).mean((1, 2), keepdims=True) + 1e-5)
    output = net(torch.from_numpy(image)[None])[0].detach().numpy()
    assert np.allclose(output, 1 / (1 + np.exp(-normalised)), atol=1e-5)


def test_the_documented_command_runs(documented_plugin, tmp_path):
    catalog = stylezoo.Catalog()
    catalog.add(documented_plugin, "mine", distribution="stylezoo-mine")
    Image.new("RGB", (4, 4), (255, 0, 51)).save(tmp_path / "red.png")
    command = catalog.get("command", "mean-color")
    done = CliRunner().invoke(command, [str(tmp_path / "red.png")])
    assert done.output == "1.000 0.000 0.200\n"


def test_the_documented_callback_keeps_its_diary(documented_plugin, tmp_path):
    catalog = stylezoo.Catalog()
    catalog.add(documented_plugin, "mine", distribution="stylezoo-mine")
    diary = catalog.callbacks()["diary"]
    for total in (3.0, 1.5, 2.0):
        diary.on_step_end(types.SimpleNamespace(total=total))
    diary.on_sample(3, tmp_path / "sample.jpg")
    diary.on_checkpoint(3, tmp_path / "checkpoint.pt")
    assert (tmp_path / "diary.txt").read_text() == "best objective before step 3: 1.5\n"


def test_the_documented_plugin_conforms(documented_plugin):
    catalog = stylezoo.Catalog.discover()
    catalog.add(documented_plugin, "mine", distribution="stylezoo-mine")
    assert_conforms(check_plugin("mine", catalog=catalog))


def test_the_documented_test_runs(documented_plugin, root):
    (snippet,) = [b for b in blocks(root / "docs" / "plugins.md", "python") if "catalog.add" in b]
    exec(compile(snippet, "plugins.md", "exec"), {})
