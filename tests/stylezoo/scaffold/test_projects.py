"""Each generated project builds, installs alongside stylezoo, and passes its own tests."""

import ast
import importlib
import json
import os
import re
import shlex
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from stylezoo import Catalog
from stylezoo.cli.new import TRY, command
from stylezoo.errors import OptionError, OutputError
from stylezoo.scaffold import KINDS, write_project
from stylezoo.testing import assert_conforms, check_source
from tests.environments import Environment, build_wheels


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("projects")
    return {kind: write_project(kind, f"my-{kind}", folder / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def environment(projects, tmp_path_factory):
    """All projects, built and installed beside the stylezoo under test."""
    folder = tmp_path_factory.mktemp("environment")
    ours = map(importlib.import_module, ("stylezoo", "stylezoo_vgg", "stylezoo_styles"))
    folders = dict.fromkeys(Path(module.__file__).parents[1] for module in ours)
    made = Environment(folder / "venv", shared=folders)
    wheels = build_wheels([project.folder for project in projects.values()], folder / "wheels")
    assert len(wheels) == len(KINDS)
    made.install(*wheels)
    return made


def test_they_are_found_and_healthy(environment, projects, tmp_path):
    done = environment.run("-m", "stylezoo", "plugins", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plugins = {plugin["distribution"]: plugin for plugin in json.loads(done.stdout)}
    for project in projects.values():
        plugin = plugins[project.distribution]
        assert (plugin["status"], plugin["version"]) == ("ok", "0.1.0")
    assert done.stderr == ""


def test_their_own_tests_pass(environment, projects, tmp_path):
    """In one process, which saves five imports of torch."""
    done = environment.run(
        *("-m", "pytest", "-v", "--show-capture=no", "--import-mode=importlib"),
        *(project.folder / "tests" for project in projects.values()),
        cwd=tmp_path,
        env={**os.environ, "STYLEZOO_STRICT": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = Counter(re.findall(r"test_(\w+)\.py.* PASSED", done.stdout))
    assert set(passed) == {f"my_{kind.replace('-', '_')}" for kind in KINDS}
    assert min(passed.values()) >= 2


@pytest.mark.parametrize("kind", ["backbone", "style-pack"])
def test_the_command_that_new_names_runs(environment, projects, kind, astronaut, tmp_path):
    """The loss's is run by the test of docs/new-plugin.md; the norm's is a training run."""
    with Image.open(astronaut) as image:
        for name in ("photo", "painting"):
            image.resize((48, 48)).save(tmp_path / f"{name}.jpg")
    command = shlex.split(TRY[kind].format(name=projects[kind].name))
    quick = ["--size", "48", "--steps", "2"] if "optimize" in command else []
    done = environment.run("-m", *command, *quick, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / done.stdout.strip()) as picture:
        assert picture.size == (48, 48)


def test_a_wheel_holds_what_its_project_does(projects, tmp_path):
    project = projects["style-pack"]
    (wheel,) = build_wheels([project.folder], tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == {
        str(path.relative_to("src")) for path in project.files if path.parts[0] == "src"
    }
    assert any(name.endswith("0.1.0/model.safetensors") for name in packed)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_template_s_name_is_left(kind, tmp_path):
    project = write_project(kind, "a1-b", tmp_path / "project")
    assert ".gitignore" in map(str, project.files)
    found = {path.relative_to(project.folder) for path in project.folder.rglob("*")}
    assert {str(path) for path in project.files} == {
        str(path) for path in found if (project.folder / path).is_file()
    }
    for path in project.files:
        content = (project.folder / path).read_bytes()
        for remains in (b"new-name", b"new_name", b"NewName", b"NEW_NAME", b"New Name"):
            assert remains not in content
            assert remains.decode() not in str(path)
    if kind != "style-pack":  # which has no class
        module = project.folder / "src" / "stylezoo_a1_b" / f"{kind}.py"
        assert f"class A1B{kind.capitalize()}(" in module.read_text()


@pytest.mark.parametrize("name", ["folder", "strict"])
def test_a_source_may_have_a_name_that_stylezoo_uses_too(name, tmp_path, monkeypatch):
    """Of a class or a setting, since the archive's path has its own variable."""
    project = write_project("source", name, tmp_path / "project")
    monkeypatch.syspath_prepend(project.folder / "src")
    monkeypatch.setenv("STYLEZOO_STRICT", "1")
    catalog = Catalog()
    catalog.add(importlib.import_module(f"stylezoo_{name}"), name)
    assert_conforms(check_source(name, catalog=catalog))


@pytest.mark.parametrize("kind", KINDS)
def test_no_name_gives_a_class_the_name_of_an_import(kind, tmp_path):
    project = write_project(kind, "a1-b", tmp_path / "project")
    for path in (project.folder / "src").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        imported = [alias.asname or alias.name for node in imports for alias in node.names]
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                suffix = node.name.removeprefix("A1B")
                assert not [name for name in imported if re.fullmatch(f".+{suffix}", name)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MyLoss", "for example 'my-loss'"),
        ("my_loss", "for example 'my-loss'"),
        ("3d", "start with a letter"),
        ("", "start with a letter"),
        ("a" * 41, "at most 40"),
        ("../up", "for example 'up'"),
        ("stylezoo-mine", "leave out 'stylezoo-'"),
        ("torch", "the package 'stylezoo_torch' already exists, in another distribution"),
        ("gram", "the loss 'gram' already exists, in stylezoo"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, message, tmp_path):
    with pytest.raises(OptionError, match=re.escape(message)):
        write_project("loss", name, tmp_path / "project")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_as_it_is(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(OutputError, match="exists and is not empty; choose another folder with -o"):
        write_project("loss", "mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_command_says_what_to_do_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["loss", "mine"])
    assert done.exit_code == 0
    after = done.output.partition("next:\n")[2].splitlines()
    assert [line.strip() for line in after] == [
        "cd stylezoo-mine",
        'pip install -e ".[test]"',
        "pytest",
        "stylezoo optimize photo.jpg --style painting.jpg --preset best --loss mine:5 -o out.png",
    ]
    done = CliRunner().invoke(command, ["norm", "mine", "-o", "my norm", "--json"])
    written = json.loads(done.output)
    assert written["distribution"] == "stylezoo-mine"
    assert all((tmp_path / "my norm" / path).is_file() for path in written["files"])
    assert CliRunner().invoke(command, ["runtime", "mine"]).exit_code == 2
