"""``stylezoo install``: run this interpreter's pip, and show what it added."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import click

from stylezoo.cli.output import print_json, print_line, print_table
from stylezoo.errors import MissingDependencyError, PluginError
from stylezoo.registry.offline import offline_variable

PYTHON = (sys.executable, "-P")  # otherwise -m would look in the current folder first
Plugin = dict[str, Any]  # as ``stylezoo plugins --json`` prints it


@click.command("install", context_settings={"ignore_unknown_options": True})
@click.argument(
    "packages",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    metavar="[PIP OPTION]... PACKAGE...",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was installed as JSON.")
def command(packages: tuple[str, ...], as_json: bool) -> None:
    """Install plugins or style packs with pip, where stylezoo itself is installed.

    Options of pip go through: 'stylezoo install --upgrade NAME', 'stylezoo install -e .'. What
    pip says goes to stderr.
    """
    if find_spec("pip") is None:
        raise MissingDependencyError(
            f"{sys.executable} has no pip; run 'python -m ensurepip' with it, or, if uv created "
            f"the environment: uv pip install {shlex.join(packages)}"
        )
    before = {_identity(plugin) for plugin in _installed_plugins()}
    _run_pip(packages)
    came = [plugin for plugin in _installed_plugins() if _identity(plugin) not in before]
    failed = [plugin for plugin in came if plugin["status"] == "failed"]
    if as_json:
        print_json({"plugins": came})
    elif came:
        print_table(
            ("from", "provides", "name", "summary"),
            [row for plugin in came if plugin["status"] != "failed" for row in _rows(plugin)],
        )
    else:
        print_line("no new plugin was installed; to see those that are, run: stylezoo plugins")
    if failed:
        reasons = "; ".join(f"{p['name']!r} of {p['distribution']}: {p['error']}" for p in failed)
        raise PluginError(
            f"installed, but it cannot be used: {reasons}. Tell its authors, or remove it: "
            f"pip uninstall {' '.join(sorted({p['distribution'] for p in failed}))}"
        )


def _run_pip(packages: tuple[str, ...]) -> None:
    environment = dict(os.environ)
    if offline_variable() is not None:
        environment["PIP_NO_INDEX"] = "1"  # files and folders can still be installed
    pip = [*PYTHON, "-m", "pip", "install", "--disable-pip-version-check", *packages]
    # Its stdout goes to our stderr, so that ours only holds the result.
    code = subprocess.run(pip, env=environment, stdout=2, check=False).returncode
    if code:
        raise PluginError(
            f"pip could not install {shlex.join(packages)} (exit code {code}); see its output above"
        )


def _installed_plugins() -> list[Plugin]:
    """The plugins found by a new process: this one has already looked, and Python caches that."""
    relaxed = {name: value for name, value in os.environ.items() if name != "STYLEZOO_STRICT"}
    done = subprocess.run(
        [*PYTHON, "-W", "ignore", "-m", "stylezoo", "plugins", "--json"],
        env=relaxed,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    try:
        plugins: list[Plugin] = json.loads(done.stdout)
    except ValueError as error:
        raise PluginError("the plugins cannot be listed; run 'stylezoo plugins' to see why") from (
            error
        )
    return plugins


def _identity(plugin: Plugin) -> tuple[object, ...]:
    provided = tuple((c["kind"], c["name"]) for c in plugin["components"])
    return plugin["distribution"], plugin["version"], plugin["name"], plugin["error"], provided


def _rows(plugin: Plugin) -> list[tuple[str, ...]]:
    origin = f"{plugin['distribution']} {plugin['version']}"
    provided = [(c["kind"], c["name"], c["summary"]) for c in plugin["components"]]
    first, *rest = provided or [("nothing", "", "")]
    return [(origin, *first), *(("", *row) for row in rest)]
