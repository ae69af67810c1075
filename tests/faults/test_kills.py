"""Processes killed at random moments: the next run works, and the killed one leaves nothing.

Each run of a command is killed (SIGKILL) after a random part of the time that it takes. The same
command must then succeed and leave exactly the files that an undisturbed run leaves.
"""

import random
import shutil
import sys
from dataclasses import replace

import pytest
import torch

import stylezoo
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.verify import sha256_of, verify_files
from stylezoo.registry.weights import save_weights
from tests.faults.server import FileServer
from tests.faults.zygote import Zygote
from tests.hub.server import Hub
from tests.signed_registry import SignedRegistry, copy_style, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

COUNTS = [
    pytest.param(3, id="3 kills"),
    pytest.param(50, id="50 kills", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    with Zygote(tmp_path_factory.mktemp("zygote")) as zygote:
        yield zygote


@pytest.fixture
def zygote(starter, place):
    """Starts and kills commands, in this test's environment."""
    starter.environment = place
    return starter


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The environment of a user with an empty cache."""
    environment = {
        "STYLEZOO_CACHE": str(tmp_path / "cache"),
        "STYLEZOO_CONFIG": str(tmp_path / "registries.toml"),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("STYLEZOO_OFFLINE", "HF_HUB_OFFLINE", "STYLEZOO_REGISTRIES", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return environment


@pytest.fixture
def style(toy_style, tmp_path):
    """A style of about 3 MB."""
    arguments = {"width": 32, "norm": "instance"}
    folder = copy_style(
        toy_style,
        tmp_path,
        "toy",
        "1.0.0",
        net={"name": "johnson", "plugin": "stylezoo", "arguments": arguments},
    )
    weights = folder / "model.safetensors"
    save_weights(
        weights,
        stylezoo.create_net("johnson", **arguments).state_dict(),
        dtype=torch.float16,
        net_name="johnson",
        net_arguments=arguments,
    )
    record = read_record(folder)
    size, sha256 = weights.stat().st_size, sha256_of(weights)
    files = tuple(
        replace(file, size=size, sha256=sha256) if file.role == "weights" else file
        for file in record.files
    )
    (folder / RECORD_FILE).write_text(render_record(replace(record, files=files)))
    return folder


@pytest.fixture
def server():
    with FileServer() as server:
        yield server


def files(folder):
    """The relative paths of a folder's files, without the locks, which stay."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != ".lock"
    }


def moments(count, seconds):
    """Random moments between 0 and 1.1 times the time that something takes."""
    chance = random.Random(7)
    return [chance.uniform(0, 1.1 * seconds) for _ in range(count)]


def kill_all(zygote, count, seconds, command, prepare, check):
    """Kill a command at several moments; it must succeed when run again after each."""
    killed = 0
    for moment in moments(count, seconds):
        prepare()
        killed += zygote.kill(moment, *command())
        zygote.run(*command())
        check()
    assert killed >= count / 3  # else they were too quick to test anything


@pytest.mark.parametrize("count", COUNTS)
def test_a_killed_fetch(count, zygote, style, server, tmp_path):
    registry = SignedRegistry(tmp_path / "made")
    registry.add(style)
    registry.serve(server)
    run("registries", "add", server.url, "--root", registry.root, "--name", "museum")
    cache = tmp_path / "cache"

    def forget():
        shutil.rmtree(cache / "styles", ignore_errors=True)
        for records in cache.glob("registries/*/records"):
            shutil.rmtree(records)

    zygote.run("fetch", "toy")
    forget()
    seconds = zygote.run("fetch", "toy")
    clean = files(cache)

    def check():
        assert files(cache) == clean
        (folder,) = (path.parent for path in cache.glob(f"styles/*/{RECORD_FILE}"))
        verify_files(folder, read_record(folder))

    kill_all(zygote, count, seconds, lambda: ("fetch", "toy"), forget, check)


@pytest.mark.parametrize("count", COUNTS)
def test_a_killed_update(count, zygote, toy_style, server, tmp_path):
    registry = SignedRegistry(tmp_path / "made")
    registry.add(toy_style)
    registry.serve(server)
    run("registries", "add", server.url, "--root", registry.root, "--name", "museum")
    cache = tmp_path / "cache"
    version = 0

    def publish():
        nonlocal version
        version += 1
        registry.add(copy_style(toy_style, tmp_path / "new", "toy", f"1.0.{version}"))
        registry.serve(server)

    publish()
    seconds = zygote.run("update")
    clean = files(cache)

    def check():
        assert files(cache) == clean
        assert f"1.0.{version}" in run("list")

    kill_all(zygote, count, seconds, lambda: ("update",), publish, check)


@pytest.mark.parametrize("count", COUNTS)
def test_a_killed_build_of_a_registry(count, zygote, toy_style, tmp_path):
    registry = SignedRegistry(tmp_path / "made")
    registry.add(toy_style)
    run("registries", "add", registry.folder, "--root", registry.root, "--name", "museum")
    version = 0
    new = None

    def prepare():
        nonlocal version, new
        version += 1
        new = copy_style(toy_style, tmp_path / "new", "toy", f"1.0.{version}")

    def check_metadata():
        names = {path.name for path in (registry.folder / "metadata").iterdir()}
        assert not {name for name in names if not name.endswith(".json")}, names

    prepare()
    seconds_to_add = zygote.run("registry", "add", registry.folder, new)
    build = ("registry", "build", registry.folder, "--keys", registry.keys)
    seconds_to_build = zygote.run(*build)
    killed = 0
    for number, moment in enumerate(moments(count, 1.0)):
        prepare()
        add = ("registry", "add", registry.folder, new)
        if number % 3 == 0:
            killed += zygote.kill(moment * seconds_to_add, *add)
        zygote.run(*add)
        if number % 3:
            killed += zygote.kill(moment * seconds_to_build, *build)
        run("update")  # a user, between the kill and the next run: all is valid
        zygote.run(*build)
        check_metadata()
        styles = files(registry.folder / "styles")
        assert {path.split("/")[1] for path in styles} == {
            f"1.0.{number}" for number in range(version + 1)
        }
        run("update")
        assert f"1.0.{version}" in run("list")
    assert killed >= count / 3


@pytest.mark.parametrize("count", COUNTS)
def test_a_killed_publication(count, zygote, place, toy_style, tmp_path):
    token = "hf_secretsecret"
    version = 0
    new = None

    def prepare():
        nonlocal version, new
        version += 1
        new = copy_style(toy_style, tmp_path / "new", "toy", f"1.0.{version}")

    with Hub(token=token) as hub:
        zygote.environment = {
            **place,
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": token,
            "HF_HOME": str(tmp_path / "hf"),
        }

        def command():
            return ("publish", new, "--to", "hub:org/ink")

        def check():
            repository = hub.repositories["org/ink"]
            tree = repository.commits[repository.tags[f"v1.0.{version}"]]
            there = {path: file.content for path, file in tree.items() if path != ".gitattributes"}
            assert there == {path.name: path.read_bytes() for path in new.iterdir()}

        prepare()
        zygote.run(*command())
        prepare()
        seconds = zygote.run(*command())
        check()
        before = files(tmp_path / "cache") if (tmp_path / "cache").exists() else set()
        kill_all(zygote, count, seconds, command, prepare, check)
        after = files(tmp_path / "cache") if (tmp_path / "cache").exists() else set()
        assert after == before
