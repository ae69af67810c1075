"""Faults 52 and 53: plugins that fail, hang, print, lie or clash. The others keep working."""

import json
import os
import subprocess
import sys

import pytest

STRICT = {"STYLEZOO_STRICT": "1"}

GOOD = """
import stylezoo

@stylezoo.hookimpl
def register_losses(register):
    register("mine", "good_plugin:make", summary="a loss from outside")

def make():
    return "made"
"""


def install(folder, distribution, module, source, entry_point=None):
    """Lay out an installed distribution with one plugin."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[stylezoo]\n{entry_point or module} = {module}\n")


@pytest.fixture
def site(tmp_path):
    """A folder on PYTHONPATH with a working plugin."""
    install(tmp_path, "stylezoo-good", "good_plugin", GOOD)
    return tmp_path


def stylezoo(site, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "stylezoo", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(site), **environment},
    )


def hook(body, name="register_losses", arguments="register"):
    return f"import stylezoo\n@stylezoo.hookimpl\ndef {name}({arguments}):\n    {body}\n"


FAILING = {
    "raises on import": ("1 / 0", "ZeroDivisionError: division by zero"),
    "is no python": ("def", "SyntaxError"),
    "needs what is not there": ("import no_such_module", "No module named 'no_such_module'"),
    "exits on import": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises in register": (hook("raise KeyError('x')"), "KeyError: 'x'"),
    "exits in register": (hook("raise SystemExit(0)"), "SystemExit: 0"),
    "registers half": (
        hook("register('half', 'json:loads'); raise RuntimeError('then it broke')"),
        "RuntimeError: then it broke",
    ),
    "hangs on import": ("while True: pass", "it takes longer than 0.5 s to load"),
    "hangs in register": (
        hook("import time; time.sleep(3600)"),
        "it takes longer than 0.5 s to load",
    ),
    "hangs whatever is raised": (
        "import time\ntries = 0\n"
        "while tries < 2:\n    try:\n        time.sleep(3600)\n"
        "    except Exception:\n        tries += 1\n1 / 0\n",
        "ZeroDivisionError",
    ),
    "wants a later api": ("STYLEZOO_API = (2, 0)", "it needs plugin API 2.0, but this is 1."),
    "says no api": ("STYLEZOO_API = 'latest'", "its STYLEZOO_API is 'latest', not a pair"),
    "registers no callable": (hook("register('x', 3)"), "registers the loss 'x' with 3"),
    "registers no path": (hook("register('x', 'nothing')"), "with target 'nothing'"),
    "registers a wrong name": (hook("register('a b', print)"), "under 'a b'; a name is"),
    "registers twice": (
        hook("register('x', print); register('x', print)"),
        "registers the loss 'x' twice",
    ),
    "takes another argument": (hook("pass", arguments="registry"), "registry"),
    "implements no hook of ours": (
        hook("pass", name="register_lozzes"),
        "a hook 'register_lozzes', which does not exist (did you mean 'register_losses'?)",
    ),
}


@pytest.mark.parametrize("kind", FAILING)
def test_fault_52_a_failing_plugin_is_skipped_with_one_warning(kind, site):
    source, reason = FAILING[kind]
    install(site, "stylezoo-bad", "bad_plugin", source, "bad")
    environment = {"STYLEZOO_PLUGIN_TIMEOUT": "0.5"} if "hangs" in kind else {}
    done = stylezoo(site, "plugins", "--json", **environment)
    assert done.returncode == 0, done.stderr
    plugins = {plugin["name"]: plugin for plugin in json.loads(done.stdout)}
    assert plugins["good_plugin"]["status"] == "ok"
    assert plugins["johnson"]["status"] == "ok"
    assert plugins["bad"]["status"] == "failed"
    assert plugins["bad"]["components"] == []
    warnings = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: plugin 'bad' of stylezoo-bad 1.2 is left out: ")
    assert reason in warnings[0]


@pytest.mark.parametrize("kind", ["raises on import", "registers half", "hangs on import"])
def test_fault_52_a_failing_plugin_is_an_error_where_strictness_is_wanted(kind, site):
    install(site, "stylezoo-bad", "bad_plugin", FAILING[kind][0], "bad")
    done = stylezoo(site, "list", STYLEZOO_PLUGIN_TIMEOUT="0.5", **STRICT)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: STYLEZOO_STRICT is set and 1 of ")
    assert "'bad' of stylezoo-bad: " in done.stderr
    assert "Traceback" not in done.stderr
    assert stylezoo(site, "list", STYLEZOO_DISABLE_PLUGINS="bad", **STRICT).returncode == 0


def test_fault_52_what_a_plugin_prints_does_not_spoil_the_output(site):
    source = "print('hello from import')\n" + hook("print('hello from register')")
    install(site, "stylezoo-loud", "loud_plugin", source, "loud")
    done = stylezoo(site, "plugins", "--json")
    plugins = {plugin["name"]: plugin["status"] for plugin in json.loads(done.stdout)}
    assert plugins["loud"] == "ok"
    assert "hello from import" in done.stderr
    assert "hello from register" in done.stderr


def test_fault_53_two_plugins_of_one_name_are_both_there(site):
    for number in (1, 2):
        source = hook(f"register('loss{number}', 'json:loads')")
        install(site, f"stylezoo-twin{number}", f"twin{number}", source, "twin")
    done = stylezoo(site, "plugins", "--json")
    twins = [plugin for plugin in json.loads(done.stdout) if plugin["name"] == "twin"]
    assert [twin["distribution"] for twin in twins] == ["stylezoo-twin1", "stylezoo-twin2"]
    assert [twin["components"][0]["name"] for twin in twins] == ["loss1", "loss2"]
    assert done.stderr == ""


CLASH = """
import warnings
warnings.simplefilter("error")
import stylezoo
from stylezoo.errors import PluginConflictError, PluginError
try:
    stylezoo.create_loss("same")
except PluginConflictError as error:
    assert "stylezoo-first (plugin 'first')" in str(error), error
    assert "stylezoo-second (plugin 'second')" in str(error), error
    choices = "'stylezoo-first:same' or 'stylezoo-second:same'"
    assert f"write {choices} to choose one" in str(error), error
else:
    raise AssertionError("no conflict")
assert stylezoo.create_loss("stylezoo-first:same", s="[1]") == [1]
assert stylezoo.create_loss("mine") == "made"
"""


def test_fault_53_two_claims_on_one_name_name_both_and_how_to_choose(site):
    for name in ("first", "second"):
        install(site, f"stylezoo-{name}", name, hook("register('same', 'json:loads')"))
    done = subprocess.run(
        [sys.executable, "-c", CLASH],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stderr


def test_fault_53_an_implementation_of_another_signature_names_it(site):
    install(
        site, "stylezoo-odd", "odd", hook("register('odd', 'odd:make')") + "def make(): 1 / 0\n"
    )
    script = (
        "import stylezoo\n"
        "try:\n    stylezoo.create_loss('odd', weight=3)\n"
        "except stylezoo.StyleZooError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("OptionError loss 'odd': got an unexpected keyword argument")
