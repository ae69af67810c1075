"""docs/new-plugin.md: the walk-through works verbatim in its own environment."""

import importlib
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from stylezoo.scaffold import KINDS
from tests.environments import Environment

QUICK = "--size 48 --steps 2"


@pytest.fixture
def shell(tmp_path, astronaut):
    """A shell using a fresh environment's Python, in a folder with a photo and a painting."""
    ours = map(importlib.import_module, ("stylezoo", "stylezoo_vgg", "stylezoo_styles"))
    folders = dict.fromkeys(Path(module.__file__).parents[1] for module in ours)
    python = shlex.quote(str(Environment(tmp_path / "venv", shared=folders).python))
    prelude = ["set -eo pipefail"]
    prelude += [
        f'{name}() {{ {python} -m {name} "$@"; }}' for name in ("stylezoo", "pip", "pytest")
    ]
    # Build requirements, like everything else, come from the environment of these tests.
    settings = {
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_DEPS": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }

    def shell(script, folder):
        with Image.open(astronaut) as image:
            for name in ("photo", "painting"):
                image.resize((48, 48)).save(folder / f"{name}.jpg")
        return subprocess.run(
            ["bash", "-c", "\n".join([*prelude, script])],
            cwd=folder,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
        )

    return shell


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


def test_the_walk_through(root, shell, tmp_path):
    page = (root / "docs" / "new-plugin.md").read_text()
    weights, begin, test, *uses = blocks(page, "console")
    assert weights.startswith('pip install "stylezoo[')
    assert begin.endswith("\npytest\n")  # run by test_projects.py on the unchanged project
    done = shell(begin.removesuffix("pytest\n"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    project = tmp_path / "stylezoo-mine"
    module = project / "src" / "stylezoo_mine" / "loss.py"
    (function,) = blocks(page, "python")
    text = module.read_text()
    before, after = text.index("def describe"), text.index("class MineLoss")
    module.write_text(f"{text[:before]}{function}\n\n{text[after:]}")
    done = shell(test, project)
    assert done.returncode == 0, done.stdout + done.stderr

    assert len(uses) == 2
    for use in uses:
        done = shell(re.sub(r"--size \d+ --steps \d+", QUICK, use), project)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in ("out.png", "alone.png"):
        with Image.open(project / name) as picture:
            assert picture.size == (48, 48)

    # The mistake the page describes is found, with the message it quotes.
    module.write_text(module.read_text().replace(" + 1e-8", ""))
    done = shell(test, project)
    assert done.returncode == 1
    quoted = " ".join(re.search(r'it says: "(.*?)"', page, flags=re.DOTALL)[1].split())
    for part in quoted.split(" [...] "):
        assert part in done.stdout


def test_the_table_names_every_kind(root):
    page = (root / "docs" / "new-plugin.md").read_text()
    assert tuple(re.findall(r"^\| `stylezoo new ([a-z-]+) NAME`", page, re.MULTILINE)) == KINDS
