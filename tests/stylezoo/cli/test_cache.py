"""``stylezoo cache``: what it lists, and what it removes."""

import json
import os
import shutil
import subprocess
import sys
import time
from hashlib import sha256

import pytest
from click.testing import CliRunner

from stylezoo.cli import cli
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.store import Store

DAY = 24 * 3600


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path))
    return Store()


@pytest.fixture
def add(store, toy_style):
    """Add the toy to the store under another name, last used ``days`` ago."""

    def add(name, days):
        record = (toy_style / RECORD_FILE).read_text().replace('name = "toy"', f'name = "{name}"')

        def fetch(file, part, progress):
            shutil.copyfile(toy_style / file.path, part)

        folder = store.add(record.encode(), fetch, origin="tests")
        used = time.time() - days * DAY
        os.utime(folder, (used, used))
        return folder

    return add


def run(*arguments):
    return CliRunner().invoke(cli, ["cache", *arguments], catch_exceptions=False)


def test_the_path_is_that_of_the_cache(tmp_path, store):
    assert run("path").output == f"{tmp_path}\n"


def test_an_empty_cache(store):
    assert run("list").output == f"0 styles, 0.0 MB in {store.root}\n"
    assert json.loads(run("list", "--json").stdout) == {
        "styles": [],
        "damaged": [],
        "unreadable": [],
        "size": 0,
    }
    assert run("prune", "--all").output == "freed 0.0 MB\n"
    assert not store.root.exists()


def test_styles_are_listed_with_size_and_last_use(add, store):
    folder = add("ink", days=0)
    add("chalk", days=3)
    damaged = add("lost", days=0)
    (damaged / RECORD_FILE).write_text("")
    listing = json.loads(run("list", "--json").stdout)
    assert [style["name"] for style in listing["styles"]] == ["chalk", "ink"]
    ink = listing["styles"][1]
    assert (ink["folder"], ink["sha256"]) == (str(folder), folder.name)
    assert ink["size"] == sum(path.stat().st_size for path in folder.iterdir())
    assert listing["size"] == sum(style["size"] for style in listing["styles"])
    assert listing["damaged"] == [damaged.name]
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "chalk", "ink", "(damaged)"]


def test_pruning_removes_leftovers_and_what_is_damaged(add, store):
    add("ink", days=1000)
    damaged = add("lost", days=0)
    (damaged / RECORD_FILE).write_text("")
    size = sum(path.stat().st_size for path in damaged.iterdir())
    left = store.root / ".tmp" / ("0" * 64)
    left.mkdir()
    (left / "0.part").write_bytes(bytes(1000))
    assert json.loads(run("prune", "--json").stdout) == {"removed": [], "freed": size + 1000}
    assert not left.exists()
    assert [style.record.name for style in store.entries()] == ["ink"]
    assert store.damaged() == []


def test_what_only_a_newer_stylezoo_can_read_is_listed_and_goes_with_all(add, store):
    add("ink", days=0)
    record = b"schema = 2\n"
    newer = store.root / sha256(record).hexdigest()
    newer.mkdir()
    (newer / RECORD_FILE).write_bytes(record)
    assert json.loads(run("list", "--json").stdout)["unreadable"] == [newer.name]
    last = run("list").stdout.splitlines()[-1]
    assert last.startswith("(from a newer stylezoo) ")
    assert last.endswith(f" {newer}")
    for options in ([], ["--older-than", "0"]):
        run("prune", *options)
        assert newer.exists()
    done = run("prune", "--all")
    assert done.stdout == f"removed {newer.name} (from a newer stylezoo)\n"
    assert not newer.exists()


def test_pruning_what_was_not_used_for_long(add, store):
    add("ink", days=9)
    add("chalk", days=11)
    done = run("prune", "--older-than", "10")
    assert done.stdout == "removed chalk 1.0.0\n"
    assert [style.record.name for style in store.entries()] == ["ink"]
    assert [s["name"] for s in json.loads(run("prune", "--all", "--json").stdout)["removed"]] == [
        "ink"
    ]
    assert store.entries() == []


def test_a_style_that_is_used_stays(add, store):
    folder = add("ink", days=9)
    store.folder(folder.name)
    run("prune", "--older-than", "1")
    assert [style.record.name for style in store.entries()] == ["ink"]


def test_two_ways_of_choosing_are_one_too_many(store):
    assert run("prune", "--all", "--older-than", "3").exit_code == 2


def test_it_imports_nothing_heavy(store):
    script = (
        "import sys\nfrom stylezoo.cli import cli\n"
        "cli(['cache', 'list'], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'requests', 'tuf', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
