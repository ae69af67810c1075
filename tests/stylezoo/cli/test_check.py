"""``stylezoo check``: its output and exit codes."""

import json
import shutil
import subprocess
import sys


def check(*arguments):
    command = [sys.executable, "-m", "stylezoo", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_folder_of_styles_with_one_at_fault(toy_style, tmp_path):
    for name in ("toy", "other"):
        shutil.copytree(toy_style, tmp_path / name / "1.0.0")
    done = check(tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    other, toy = json.loads(done.stdout)
    assert toy["ok"]
    assert not toy["findings"]
    assert not other["ok"]
    assert other["findings"] == [
        {
            "check": "place",
            "where": "name",
            "message": "it is 'toy', but the folder is for the name 'other'",
            "severity": "error",
        }
    ]
    assert other["checks"] == toy["checks"]


def test_a_style_that_no_source_would_find_is_advised(toy_style, tmp_path):
    shutil.copytree(toy_style, tmp_path / "toy")
    done = check(tmp_path)
    assert done.returncode == 0
    assert "advice, place (toy): a source finds styles only in folders NAME/V" in done.stdout


def test_a_style_in_order(toy_style):
    done = check(toy_style)
    assert (done.returncode, done.stdout) == (0, f"{toy_style}: in order\n"), done.stderr


def test_a_style_that_is_named_itself_may_lie_anywhere(toy_style, tmp_path):
    shutil.copytree(toy_style, tmp_path / "runs" / "3")  # looks like a version
    done = check(tmp_path / "runs" / "3")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'runs' / '3'}: in order\n")


def test_wrong_usage_and_nothing_to_check(tmp_path):
    assert check().returncode == 2
    assert check(tmp_path / "missing").returncode == 1
    empty = check(tmp_path)
    assert empty.returncode == 1
    assert empty.stderr.startswith("error: ")
    assert "there is no style.toml in it" in empty.stderr
