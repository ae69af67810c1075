"""The pytest plugin as third parties use it: a real pytest run on a three-line test file."""

import os
import re
import subprocess
import sys

import pytest

PLUGIN = """
from stylezoo import hookimpl

@hookimpl
def register_norms(register):
    register("group", "kit_norms:group", summary="Group norm")
    register("dead", "kit_norms:dead", summary="Divides by zero")
"""

NORMS = """
from torch import nn

class Dead(nn.Module):
    def forward(self, x):
        return x / x.std(dim=(2, 3), keepdim=True)

def group(channels):
    return nn.GroupNorm(1, channels)

def dead(channels):
    return Dead()
"""


def run_pytest(folder, text):
    (folder / "test_conforms.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "test_conforms.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kit_plugin.py").write_text(PLUGIN)
    (tmp_path / "kit_norms.py").write_text(NORMS)
    info = tmp_path / "stylezoo_kit-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stylezoo-kit\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[stylezoo]\nkit = kit_plugin\n")
    return tmp_path


def test_a_plugins_test_file_of_three_lines_tests_each_component(folder):
    done = run_pytest(
        folder,
        "from stylezoo.testing import PluginConformance\n"
        "class TestKit(PluginConformance):\n"
        "    plugin = 'kit'\n",
    )
    assert "test_registration PASSED" in done.stdout
    assert "test_component[norm-group] PASSED" in done.stdout
    assert "test_component[norm-dead] FAILED" in done.stdout
    assert "AssertionError: norm 'dead'" in done.stdout
    assert re.search(r"values \(the same value everywhere, .*add an epsilon", done.stdout)
    assert "1 failed, 2 passed" in done.stdout


def test_a_plugin_that_is_not_installed_fails_with_advice(folder):
    done = run_pytest(
        folder,
        "from stylezoo.testing import PluginConformance\n"
        "class TestKit(PluginConformance):\n"
        "    plugin = 'kitt'\n",
    )
    assert done.returncode == 1
    assert "did you mean 'kit'" in done.stdout
    assert "pip install -e ." in done.stdout


def test_checks_can_be_skipped_and_functions_be_used_alone(folder):
    done = run_pytest(
        folder,
        "import kit_plugin\n"
        "from stylezoo.testing import PluginConformance, assert_conforms, check_norm\n"
        "class TestKit(PluginConformance):\n"
        "    plugin = 'kit'\n"
        "    skip = ('values', 'gradients')\n"
        "def test_alone(stylezoo_catalog):\n"
        "    stylezoo_catalog.add(kit_plugin, 'kit')\n"
        "    assert_conforms(check_norm('group', catalog=stylezoo_catalog))\n",
    )
    assert "4 passed" in done.stdout, done.stdout


def test_the_plugin_imports_nothing_heavy():
    code = (
        "import sys; import stylezoo.testing.pytest_plugin, stylezoo.testing; "
        "print([n for n in ('torch', 'numpy', 'stylezoo.catalog') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"
