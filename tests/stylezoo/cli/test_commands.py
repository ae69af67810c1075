"""The commands that list and check: what they print, and what they do not import."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

import stylezoo
from stylezoo.cli import cli
from stylezoo.cli.option_types import PRECISION
from stylezoo.device import Precision
from stylezoo.registry.record_io import read_record, render_record
from tests.signed_registry import copy_style

HEAVY = ("torch", "torchvision", "numpy", "PIL", "huggingface_hub", "safetensors", "rich")


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "stylezoo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "--json"],
        ["info", "great-wave"],
        ["info", "great-wave", "--json"],
        ["plugins"],
        ["plugins", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["apply", "--help"],
        ["train", "--help"],
        ["optimize", "--help"],
        ["evaluate", "--help"],
    ],
)
def test_nothing_heavy_is_imported(arguments):
    script = (
        "import sys\nfrom stylezoo.cli import main\n"
        f"sys.argv = ['stylezoo', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\nassert not code, code\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy():
    script = f"import sys, stylezoo; assert not set({HEAVY!r}) & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_precisions_are_those_of_the_library():
    """The commands name them a second time, as the library's module imports torch."""
    assert PRECISION.choices == get_args(Precision)


def test_list_shows_the_embedded_styles():
    rows = run("list").stdout.splitlines()
    assert rows[0].split() == ["name", "version", "source", "summary"]
    assert any(row.split()[:3] == ["museum", "1.0.0", "embedded"] for row in rows)
    listed = json.loads(run("list", "--json").stdout)
    assert [entry["name"] for entry in listed] == [r.name for r in stylezoo.list_styles()]
    (museum,) = [entry for entry in listed if entry["name"] == "museum"]
    assert {"great-wave", "udnie"} <= set(museum["styles"])
    assert any(row.split(maxsplit=1) == ["museum:udnie", "Udnie"] for row in rows)


def test_what_a_record_says_forges_no_lines(toy_style, tmp_path):
    folder = shutil.copytree(toy_style, tmp_path / "toy")
    record = read_record(folder)
    provenance = dataclasses.replace(record.provenance, notes="\x1b[31mred\nerror: forged")
    record = dataclasses.replace(record, provenance=provenance)
    (folder / "style.toml").write_text(render_record(record))
    text = run("info", str(folder)).stdout
    assert r"notes: \x1b[31mred\nerror: forged" in text
    assert "\nerror: forged" not in text


def test_what_the_system_refuses_is_no_traceback():
    done = run("info", f"./{'long' * 80}")
    assert done.returncode == 1
    assert "File name too long" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_record_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "style.toml")
    done = run("check", str(tmp_path))
    assert done.returncode == 1
    assert "it is not a file" in done.stdout + done.stderr


def test_info_mends_no_style(hub, ink):
    assert json.loads(run("info", "alice/ink", "--json").stdout)["folder"] is None
    assert run("fetch", "alice/ink").returncode == 0
    folder = json.loads(run("info", "alice/ink", "--json").stdout)["folder"]
    (Path(folder) / "model.safetensors").write_bytes(b"damaged")
    hub.log.clear()
    text = run("info", "alice/ink").stdout
    assert f"source: hub:alice/ink ({folder})" in text
    assert hub.requests == []
    assert (Path(folder) / "model.safetensors").read_bytes() == b"damaged"


def test_info_shows_the_whole_record(toy_style):
    text = run("info", str(toy_style)).stdout
    assert not re.search(r"^(tags|styles): *$", text, re.MULTILINE)  # empty fields are left out
    for expected in ("toy 1.0.0: Random weights", "name: johnson", "weights: CC0-1.0"):
        assert expected in text
    assert "style_image: unknown" in text
    record = json.loads(run("info", str(toy_style), "--json").stdout)
    assert record["net"]["arguments"] == {"width": 4, "norm": "instance"}
    assert record["folder"] == str(toy_style)


def test_plugins_and_doctor_report_a_failing_plugin(tmp_path):
    (tmp_path / "sick_plugin.py").write_text("raise RuntimeError('it is sick')")
    info = tmp_path / "stylezoo_sick-0.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stylezoo-sick\nVersion: 0.3\n")
    (info / "entry_points.txt").write_text("[stylezoo]\nsick = sick_plugin\n")
    path = {"PYTHONPATH": str(tmp_path)}

    done = run("plugins", "--json", **path)
    assert done.returncode == 0
    (sick,) = [row for row in json.loads(done.stdout) if row["name"] == "sick"]
    assert (sick["status"], sick["error"]) == ("failed", "RuntimeError: it is sick")
    done = run("list", **path)
    assert done.returncode == 0
    warning = "warning: plugin 'sick' of stylezoo-sick 0.3 is left out: RuntimeError: it is sick"
    assert done.stderr.strip() == warning
    done = run("doctor", **path)
    assert done.returncode == 1
    assert "plugin sick (stylezoo-sick): RuntimeError: it is sick" in done.stdout
    done = run("doctor", **path, STYLEZOO_DISABLE_PLUGINS="sick")
    assert done.returncode == 0


def test_doctor_reports_a_list_of_registries_that_cannot_be_read(tmp_path):
    config = tmp_path / "registries.toml"
    config.write_text("[[registries]\n")
    done = run("doctor", STYLEZOO_CONFIG=str(config))
    assert done.returncode == 1
    assert f"registries: {config} is not TOML" in done.stdout
    config.unlink()
    done = run("doctor", "--json", STYLEZOO_CONFIG=str(config))
    assert done.returncode == 0
    assert json.loads(done.stdout)["registries"] == str(config)


def test_doctor_reports_a_cache_in_the_home_of_nobody():
    nowhere = {"STYLEZOO_CACHE": "~no-such-user/cache"}
    done = run("doctor", **nowhere)
    assert done.returncode == 1
    reason = "there is no home folder to keep the cache in ('~no-such-user/cache'); set"
    assert f"\ncache: {reason} STYLEZOO_CACHE to a folder\n" in done.stdout
    report = json.loads(run("doctor", "--json", **nowhere).stdout)
    assert (report["cache"], report["healthy"]) == (None, False)
    assert reason in report["cache_error"]
    assert run("list", **nowhere).returncode == 0  # installed styles are still listed


def test_doctor_knows_versions_and_how_to_get_optional_parts(root):
    report = json.loads(run("doctor", "--json").stdout)
    from importlib.metadata import version

    assert report["packages"]["torch"] == version("torch")
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert {part["install"] for part in report["optional"]} == {
        f'pip install "stylezoo[{extra}]"' for extra in extras if extra != "test"
    }


def test_misspelt_commands_are_answered_with_a_near_one():
    result = CliRunner().invoke(cli, ["aply"])
    assert result.exit_code == 2
    assert "No such command 'aply'. Did you mean 'apply'?" in result.output


def test_a_closed_pipe_is_no_error_message():
    done = subprocess.run(
        f"{sys.executable} -m stylezoo info great-wave --json | head -c 1",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""


def test_a_warning_is_printed_once(toy_style, tmp_path, astronaut):
    """Python prints it once per code path, and 'apply' asks for a style twice."""
    for place, version in (("one", "1.0.0"), ("two", "2.0.0")):
        (tmp_path / place / "toy").mkdir(parents=True)
        copy_style(toy_style, tmp_path, "toy", version).rename(tmp_path / place / "toy" / version)
    result = run(
        *("apply", "toy@2", astronaut, "-o", tmp_path / "out.png", "--size", "64"),
        STYLEZOO_REGISTRIES=f"one={tmp_path / 'one'},two={tmp_path / 'two'}",
    )
    assert result.returncode == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "'one', which comes before it, has toy only in 1.0.0" in warnings[0]
