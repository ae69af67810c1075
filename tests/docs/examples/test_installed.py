"""The example distributions: built, installed alongside stylezoo, and used by name."""

import json
import os
import re
import shlex

import pytest
from PIL import Image

from stylezoo.scaffold import KINDS, write_project
from tests.environments import Environment, build_wheels

EXAMPLES = ("stylezoo-example-texture", "stylezoo-example-sketch")


@pytest.fixture(scope="module")
def environment(root, tmp_path_factory):
    """A fresh environment with wheels of stylezoo and the examples, none of them editable."""
    folder = tmp_path_factory.mktemp("environment")
    projects = [root / "docs" / "examples" / name for name in EXAMPLES]
    made = Environment(folder / "venv")
    made.install(*build_wheels([root, *projects], folder / "wheels"))
    return made


@pytest.fixture
def run(environment, astronaut, tmp_path):
    """Run Python outside the checkout, in a folder with a photo and a painting."""
    with Image.open(astronaut) as image:
        for name in ("photo", "painting"):
            image.resize((48, 48)).save(tmp_path / f"{name}.jpg")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments):
        done = environment.run(
            *arguments, cwd=tmp_path, env={**variables, "STYLEZOO_STRICT": "1", "TERM": "dumb"}
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_stylezoo_is_the_installed_one_and_lists_them(run, environment):
    for module in ("stylezoo", "stylezoo_vgg", "stylezoo_example_texture"):
        place = run("-c", f"import {module}; print({module}.__file__)")
        assert place.startswith(str(environment.site))
    plugins = json.loads(run("-m", "stylezoo", "plugins", "--json"))
    listed = {plugin["distribution"]: plugin for plugin in plugins}
    provided = {
        (component["kind"], component["name"])
        for name in EXAMPLES
        for component in listed[name]["components"]
    }
    assert provided == {
        ("backbone", "gabor"),
        ("loss", "shifted-gram"),
        ("command", "orientations"),
        ("callback", "diary"),
        ("net", "sketch"),
        ("source", "example-sketch"),
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_commands_of_its_readme_run(run, root, name, tmp_path):
    """They name the components, which are found."""
    page = (root / "docs" / "examples" / name / "README.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"^stylezoo (.*)$", page, flags=re.MULTILINE)
    assert commands
    for command in commands:
        quick = ["--size", "48", "--steps", "2"] if command.startswith("optimize") else []
        (out,) = run("-m", "stylezoo", *shlex.split(command), *quick).splitlines()
        with Image.open(tmp_path / out) as picture:
            assert picture.size == (48, 48)


def test_styles_of_the_pack_are_listed_with_all_others(run):
    styles = {style["name"] for style in json.loads(run("-m", "stylezoo", "list", "--json"))}
    assert {"example-pencil", "example-charcoal", "great-wave"} <= styles


@pytest.mark.parametrize("kind", KINDS)
def test_the_templates_are_in_the_wheel(run, kind, tmp_path):
    """Including those that pip compiled, as it does with whatever it installs."""
    written = json.loads(run("-m", "stylezoo", "new", kind, "mine", "-o", "installed", "--json"))
    here = write_project(kind, "mine", tmp_path / "here")
    assert written["files"] == [str(path) for path in here.files]
    for path in here.files:
        if "styles" not in path.parts:
            assert (tmp_path / "installed" / path).read_text() == (here.folder / path).read_text()


def test_their_own_tests_pass(run, root):
    folders = [root / "docs" / "examples" / name / "tests" for name in EXAMPLES]
    options = ["-q", "--show-capture=no", "--import-mode=importlib", "-p", "no:cacheprovider"]
    # Their own root, or pytest would use this repository's settings.
    told = run("-m", "pytest", *options, "-c", os.devnull, *folders)
    assert int(told.split(" passed")[0].split()[-1]) >= 20
