"""``stylezoo publish``."""

import json
import os
import shutil
import subprocess
import sys

import pytest

TOKEN = "hf_secretsecret"


def publish(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "stylezoo", "publish", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_TELEMETRY": "1"},
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done


def test_a_style_goes_to_the_hub_once(hub, toy_style):
    hub.token = TOKEN
    dry = publish(toy_style, "--to", "hub:org/ink", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "toy 1.0.0 would be published at" in dry.stdout
    assert {request.method for request in hub.requests} == {"GET"}
    assert hub.repositories == {}

    first = publish(toy_style, "--to", "hub:org/ink", "--private", "--json")
    assert first.returncode == 0, first.stderr
    assert first.stderr == ""
    told = json.loads(first.stdout)
    repository = hub.repositories["org/ink"]
    assert repository.private
    assert repository.tags == {"v1.0.0": told["commit"]}
    assert (told["status"], told["spec"]) == ("published", "org/ink@1.0.0")

    again = publish(toy_style, "--to", "hub:org/ink")
    assert again.returncode == 0, again.stderr
    assert "already published, unchanged" in again.stdout
    assert len(repository.commits) == 2


def test_a_style_goes_to_a_folder_and_loads_from_there(toy_style, tmp_path):
    done = publish(toy_style, "--to", f"folder:{tmp_path / 'zoo'}", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    folder = tmp_path / "zoo" / "toy" / "1.0.0"
    assert told["location"] == told["spec"] == str(folder)
    assert {path.name for path in folder.iterdir()} == {p.name for p in toy_style.iterdir()}


def test_what_the_check_finds_is_told_and_nothing_is_asked(hub, toy_style, tmp_path):
    folder = tmp_path / "style"
    shutil.copytree(toy_style, folder)
    (folder / "README.md").write_text("# Toy")
    (folder / "preview.jpg").write_text("no picture")
    done = publish(folder, "--to", "hub:org/ink")
    assert done.returncode == 1
    assert f"{folder} cannot be published: it has " in done.stderr
    assert "README.md" in done.stderr
    assert "preview.jpg" in done.stderr
    assert hub.log.lines("org/ink|create") == []


@pytest.mark.parametrize(
    "place", ["org/ink", "hub:ink", "hub:../ink", "folder:", "https://x/y", ""]
)
def test_a_place_that_is_none_is_wrong_usage(toy_style, place):
    done = publish(toy_style, "--to", place)
    assert done.returncode == 2
    assert "--to" in done.stderr
