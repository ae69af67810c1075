"""Plugins on the command line: their commands, and ten plugins of which two are broken."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

COMMANDS = """
import stylezoo
@stylezoo.hookimpl
def register_commands(register):
    register("{name}", "{module}_command:{attribute}", summary="{summary}")
"""
COMMAND = """
import sys
import click
assert "torch" not in sys.modules
@click.command()
@click.argument("word")
def shout(word):
    '''Say WORD loudly.'''
    click.echo(word.upper() + " from " + __name__)
no_command = 3
"""


def install(folder, name, code, **modules):
    """Lay out an installed distribution with a plugin module of the same name."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(textwrap.dedent(code))
    for other, text in modules.items():
        (folder / f"{module}_{other}.py").write_text(textwrap.dedent(text))
    info = folder / f"{module}-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text(f"[stylezoo]\nmain = {module}\n")


def install_command(folder, distribution, name, *, summary="Say it loudly.", attribute="shout"):
    module = distribution.replace("-", "_")
    code = COMMANDS.format(name=name, module=module, summary=summary, attribute=attribute)
    install(folder, distribution, code, command=COMMAND)


@pytest.fixture
def run(tmp_path):
    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "stylezoo", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path), **environment},
        )

    return run


def test_the_command_of_a_plugin_is_listed_and_runs(tmp_path, run):
    install_command(tmp_path, "dist-a", "shout")
    listed = run("--help").stdout
    assert "shout  Say it loudly." in listed.partition("Commands from plugins:")[2]
    done = run("shout", "hello")
    assert (done.returncode, done.stdout) == (0, "HELLO from dist_a_command\n")
    assert run("dist-a:shout", "hello").stdout == done.stdout
    assert "Say WORD loudly." in run("shout", "--help").stdout
    assert run("shout").returncode == 2
    assert "Did you mean 'shout'?" in run("shuot", "x").stderr


def test_help_imports_no_command(tmp_path, run):
    code = COMMANDS.format(name="never", module="dist_a", summary="", attribute="x")
    install(tmp_path, "dist-a", code, command="raise RuntimeError('imported')")
    assert "A command from dist-a." in run("--help").stdout
    done = run("never")
    assert done.returncode == 1
    assert "RuntimeError: imported; reinstall dist-a" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_cannot_replace_one_of_stylezoos_own(tmp_path, run):
    install_command(tmp_path, "dist-a", "list")
    done = run("list")
    assert "great-wave" in done.stdout
    listed = run("--help").stdout
    assert listed.count("\n  list ") == 1
    assert "dist-a:list" in listed
    assert run("dist-a:list", "hello").stdout == "HELLO from dist_a_command\n"


def test_a_command_that_two_plugins_claim_is_run_by_its_full_name(tmp_path, run):
    install_command(tmp_path, "dist-a", "shout")
    install_command(tmp_path, "dist-b", "shout")
    listed = run("--help").stdout
    assert "dist-a:shout" in listed
    assert "dist-b:shout" in listed
    done = run("shout", "hello")
    assert done.returncode == 1
    assert "dist-a (plugin 'main') and dist-b (plugin 'main')" in done.stderr
    assert run("dist-b:shout", "hello").stdout == "HELLO from dist_b_command\n"


def test_what_is_no_command_is_said_to_be_none(tmp_path, run):
    install_command(tmp_path, "dist-a", "shout", attribute="no_command")
    done = run("shout", "hello")
    assert done.returncode == 1
    assert "command 'shout' of dist-a is 3, which is not a click.Command" in done.stderr


@pytest.fixture
def ten_plugins(tmp_path):
    """Eight that work, whose components cannot be imported, and two that fail."""
    losses = """
        import stylezoo
        @stylezoo.hookimpl
        def register_losses(register):
            register("loss-{n}", "no_such_module:Loss", summary="never imported")
    """
    for n in range(8):
        install(tmp_path, f"plugin-{n}", losses.format(n=n))
    install(tmp_path, "plugin-raises", "import torch_of_another_world")
    install(tmp_path, "plugin-misspelt", losses.format(n=9).replace("_losses", "_loses"))


def test_ten_plugins_of_which_two_are_broken_harm_no_list(ten_plugins, run):
    done = run("list")
    assert done.returncode == 0
    assert "great-wave" in done.stdout
    warnings = sorted(done.stderr.splitlines())
    assert len(warnings) == 2
    assert "'register_loses', which does not exist (did you mean 'register_losses'?)" in warnings[0]
    assert "No module named 'torch_of_another_world'" in warnings[1]

    done = run("plugins", "--json")
    assert done.returncode == 0
    listed = [row for row in json.loads(done.stdout) if row["distribution"] != "stylezoo"]
    assert len(listed) == 10
    failed = {row["distribution"]: row["error"] for row in listed if row["status"] == "failed"}
    assert set(failed) == {"plugin-raises", "plugin-misspelt"}
    assert run("plugins").returncode == 0


def test_ten_plugins_cost_a_moment(ten_plugins, tmp_path):
    """Measured as CPU time in one process, so that machine load matters little."""
    script = """
        import time
        from stylezoo.catalog import Catalog
        Catalog.discover()  # imports pluggy, and our own plugins
        started = time.process_time()
        catalog = Catalog.discover()
        print(time.process_time() - started, len(catalog.plugins))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    seconds, count = done.stdout.split()
    assert int(count) >= 17
    assert float(seconds) < 0.2


@pytest.mark.parametrize("command", ["list", "plugins"])
def test_strict_makes_them_fatal(ten_plugins, run, command):
    done = run(command, STYLEZOO_STRICT="1")
    assert done.returncode == 1
    assert "STYLEZOO_STRICT is set and 2 of " in done.stderr
    assert "'main' of plugin-misspelt" in done.stderr
    assert "'main' of plugin-raises" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    disabled = "plugin-misspelt,plugin-raises"
    assert run(command, STYLEZOO_STRICT="1", STYLEZOO_DISABLE_PLUGINS=disabled).returncode == 0
