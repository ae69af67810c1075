"""``stylezoo verify``: hashes and golden outputs of local styles."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256

import pytest
from click.testing import CliRunner
from packaging.version import Version

from stylezoo.cli import cli
from stylezoo.errors import RecordError, StyleNotFoundError, VersionNotFoundError
from stylezoo.interfaces.source import SourceWarning
from stylezoo.registry.hub_repository import HubRepository
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.store import Store
from stylezoo.registry.verify import sha256_of


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    return Store()


@pytest.fixture
def fetched(store, toy_style):
    """The toy's folder in the store."""

    def fetch(file, part, progress):
        shutil.copyfile(toy_style / file.path, part)

    return store.add((toy_style / RECORD_FILE).read_bytes(), fetch, origin="tests")


def run(*arguments):
    done = CliRunner().invoke(cli, ["verify", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def run_all(*arguments, **environment):
    """Run ``verify --all`` without the embedded styles, which take half a minute."""
    return subprocess.run(
        [sys.executable, "-m", "stylezoo", "verify", "--all", *arguments],
        env={**os.environ, "STYLEZOO_DISABLE_PLUGINS": "styles", **environment},
        capture_output=True,
        text=True,
    )


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_fetched_style_is_hashed_and_run(fetched):
    done = run("toy")
    assert done.exit_code == 0
    assert done.stdout.startswith("toy 1.0.0 (cache): intact, golden output within ")
    (verified,) = json.loads(run("toy@1", "--json").stdout)["verified"]
    assert verified["folder"] == str(fetched)
    assert 0 <= verified["difference"] < 0.01


@pytest.mark.parametrize("name", ["model.safetensors", "preview.jpg", "golden.safetensors"])
def test_a_damaged_file_is_named_with_what_mends_it(fetched, name):
    flip(fetched / name)
    done = run("toy")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: toy 1.0.0 (cache): {fetched / name} has the sha256")
    assert done.stderr.endswith("; run: stylezoo fetch toy@1.0.0\n")
    report = json.loads(run("toy", "--json").stdout)
    assert report["verified"] == []
    assert name in report["failed"][0]["error"]


def test_a_damaged_style_of_the_hub_is_named_as_it_is_fetched_and_not_mended(hub, ink):
    repository = HubRepository("alice/ink")
    folder = repository.fetch("alice/ink", Version("1.0.0"))
    flip(folder / "model.safetensors")
    damaged = (folder / "model.safetensors").read_bytes()
    hub.log.clear()
    for arguments in (["alice/ink"], ["toy"]):
        done = run(*arguments)
        assert done.exit_code == 1
        assert done.stderr.endswith("; run: stylezoo fetch alice/ink@1.0.0\n")
    done = run_all()
    assert done.returncode == 1
    assert done.stderr.endswith("; run: stylezoo fetch alice/ink@1.0.0\n")
    assert hub.requests == []
    assert (folder / "model.safetensors").read_bytes() == damaged


def test_weights_that_do_something_else_than_they_did_are_found(toy_style, tmp_path):
    """The hashes match, as after a change in torch or the net's code."""
    folder = shutil.copytree(toy_style, tmp_path / "toy")
    record = read_record(folder)
    from safetensors.torch import load_file, save_file

    golden = record.file("golden")
    tensors = {name: tensor + 0.5 for name, tensor in load_file(folder / golden.path).items()}
    save_file(tensors, folder / golden.path)
    changed = dataclasses.replace(
        golden,
        size=(folder / golden.path).stat().st_size,
        sha256=sha256_of(folder / golden.path),
    )
    files = tuple(changed if file is golden else file for file in record.files)
    (folder / RECORD_FILE).write_text(render_record(dataclasses.replace(record, files=files)))
    done = run(str(folder))
    assert done.exit_code == 1
    assert "does not reproduce its golden output here: it differs by 0.5" in done.stderr


def test_a_style_that_is_not_here(fetched):
    with pytest.raises(StyleNotFoundError, match="'ink' is not on this machine; run: stylezoo f"):
        run("ink")
    with pytest.raises(
        VersionNotFoundError, match=r"is not on this machine, which has toy 1\.0\.0; run: "
    ):
        run("toy@2")
    with pytest.raises(RecordError, match="No such file"):
        run("./nowhere")


def test_all_that_is_here(fetched, store, toy_style, tmp_path):
    zoo = tmp_path / "zoo" / "sketch" / "1.0.0"
    shutil.copytree(toy_style, zoo)
    text = (zoo / RECORD_FILE).read_text().replace('name = "toy"', 'name = "sketch"')
    (zoo / RECORD_FILE).write_text(text)
    lost = store.root / ("0" * 64)
    lost.mkdir()
    done = run_all("--json", STYLEZOO_REGISTRIES=f"mine={tmp_path / 'zoo'}")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    verified = [(style["name"], style["source"]) for style in report["verified"]]
    assert verified == [("sketch", "mine"), ("toy", "cache")]
    assert report["failed"] == []
    assert report["damaged"] == [lost.name]
    assert f"error: {lost}/style.toml is damaged; run: stylezoo cache prune" in done.stderr


def test_what_only_a_newer_stylezoo_can_read_is_told_as_not_verified(fetched, store):
    record = b"schema = 2\n"
    newer = store.root / sha256(record).hexdigest()
    newer.mkdir()
    (newer / RECORD_FILE).write_bytes(record)
    done = run_all("--json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert [style["name"] for style in report["verified"]] == ["toy"]
    assert (report["damaged"], report["unreadable"]) == ([], [newer.name])
    assert done.stderr.splitlines()[-1].endswith(
        f"not verified: {newer}, which only a newer stylezoo can read"
    )


def test_a_folder_that_cannot_be_read_stops_no_other(fetched, tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("STYLEZOO_REGISTRIES", f"broken={tmp_path / 'loop'}")
    with pytest.warns(SourceWarning, match="'broken' is left out"):
        assert run("toy").exit_code == 0


def test_what_is_installed(store):
    printed = run("great-wave@1").stdout
    assert re.match(r"great-wave 1\.\d+\.\d+ \(embedded\): intact, golden output within ", printed)


def test_something_must_be_named():
    assert run().exit_code == 2
    assert run("toy", "--all").exit_code == 2
