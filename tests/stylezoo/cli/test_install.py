"""``stylezoo install`` with the real pip, in an environment of its own."""

import importlib
import json
import os
import shutil
from pathlib import Path

import pytest

from stylezoo.scaffold import write_project
from tests.environments import Environment


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    ours = map(importlib.import_module, ("stylezoo", "stylezoo_vgg", "stylezoo_styles"))
    folders = dict.fromkeys(Path(module.__file__).parents[1] for module in ours)
    return Environment(tmp_path_factory.mktemp("environment") / "venv", shared=folders)


@pytest.fixture
def run(environment, tmp_path):
    def run(*arguments, **variables):
        # The build tools are shared with the test environment, like everything else.
        settings = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", **variables}
        return environment.run(
            *("-P", "-m", "stylezoo", *arguments),  # as the stylezoo script runs
            cwd=tmp_path,
            env={**os.environ, **settings},
        )

    return run


def test_a_plugin_is_installed_and_what_came_in_is_shown(run, tmp_path):
    write_project("loss", "fresh", tmp_path / "fresh")
    done = run("install", "./fresh")
    assert done.returncode == 0, done.stderr
    heading, row = done.stdout.splitlines()
    assert heading.split() == ["from", "provides", "name", "summary"]
    assert row.split()[:4] == ["stylezoo-fresh", "0.1.0", "loss", "fresh"]
    assert "Successfully installed" in done.stderr
    assert "fresh" in run("plugins").stdout
    done = run("install", "./fresh", "--json", STYLEZOO_STRICT="1", STYLEZOO_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"plugins": []}


def test_options_of_pip_go_through(run, tmp_path):
    write_project("norm", "edited", tmp_path / "edited")
    done = run("install", "--quiet", "-e", "./edited", "--json")
    assert done.returncode == 0, done.stderr
    (plugin,) = json.loads(done.stdout)["plugins"]
    assert plugin["components"][0]["name"] == "edited"
    assert "Successfully installed" not in done.stderr
    module = tmp_path / "edited" / "src" / "stylezoo_edited" / "__init__.py"
    module.write_text(module.read_text().replace('"edited"', '"renamed"'))
    assert "renamed" in run("plugins").stdout


def test_modules_of_the_current_folder_are_not_run(run, tmp_path):
    for name in ("pip", "click"):
        (tmp_path / f"{name}.py").write_text("open('sprung', 'w')")
    write_project("loss", "aside", tmp_path / "aside")
    done = run("install", "./aside", "--json")
    assert done.returncode == 0, done.stderr
    (plugin,) = json.loads(done.stdout)["plugins"]
    assert plugin["name"] == "aside"
    assert not (tmp_path / "sprung").exists()


def test_what_pip_cannot_install_is_exit_1(run):
    done = run("install", "./no-such-folder")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: pip could not install ./no-such-folder")
    assert "Traceback" not in done.stderr
    assert run("install").returncode == 2


def test_a_plugin_that_cannot_be_used_is_said_to_be_broken(run, environment, tmp_path):
    project = write_project("loss", "sick", tmp_path / "sick").folder
    module = project / "src" / "stylezoo_sick" / "__init__.py"
    module.write_text("1 / 0\n" + module.read_text())
    done = run("install", "./sick")
    assert done.returncode == 1
    assert "'sick' of stylezoo-sick: ZeroDivisionError" in done.stderr
    assert "pip uninstall stylezoo-sick" in done.stderr
    shutil.rmtree(environment.site / "stylezoo_sick-0.1.0.dist-info")
