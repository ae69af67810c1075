"""A registry on the Hub."""

import hashlib
import json
from pathlib import Path

import pytest
from packaging.version import Version

from stylezoo.errors import IntegrityError, RegistryError, RegistryFormatError
from stylezoo.registry.hub_transport import HubTransport
from stylezoo.registry.index import IndexEntry
from stylezoo.registry.publishing import Destination, publish_style
from tests.signed_registry import SignedRegistry, run


@pytest.fixture
def transport(hub):
    hub.add("zoo/index", {"metadata/timestamp.json": b"{}", "styles/toy/1.0.0/a.txt": b"inside"})
    return HubTransport("zoo/index")


def entry(repository=None, commit=None):
    return IndexEntry(
        name="toy",
        version=Version("1.0.0"),
        status="stable",
        summary="",
        sha256="0" * 64,
        size=1,
        total_size=1,
        repository=repository,
        commit=commit,
    )


def fetch(transport, entry, path, part, content):
    transport.fetch(
        entry, path, part, size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    return part.read_bytes()


def test_the_index_is_read_at_the_head(hub, transport):
    assert transport.read("metadata/timestamp.json", 100) == b"{}"
    hub.add("zoo/index", {"metadata/timestamp.json": b'{"new": 1}'})
    assert transport.read("metadata/timestamp.json", 100) == b'{"new": 1}'
    assert transport.read("metadata/2.root.json", 100) is None
    with pytest.raises(RegistryFormatError, match="longer than 2 bytes"):
        transport.read("metadata/timestamp.json", 2)
    assert (transport.location, transport.remote) == ("hub:zoo/index", True)


def test_a_repository_that_is_not_there_is_no_registry_without_that_file(hub):
    with pytest.raises(RegistryError, match="there is no repository zoo/nothing"):
        HubTransport("zoo/nothing").read("metadata/2.root.json", 100)
    hub.add("zoo/empty", {})
    assert HubTransport("zoo/empty").read("metadata/2.root.json", 100) is None


def test_files_of_a_style_come_from_its_repository_at_its_commit(hub, transport, tmp_path):
    old = hub.add("alice/ink", {"model.safetensors": b"old" * 5000, "a/b c.txt": b"small"})
    hub.add("alice/ink", {"model.safetensors": b"new" * 5000}, tag="v1.0.0")
    there = entry("alice/ink", old)
    assert fetch(transport, there, "model.safetensors", tmp_path / "1", b"old" * 5000)
    assert fetch(transport, there, "a/b c.txt", tmp_path / "2", b"small") == b"small"
    with pytest.raises(IntegrityError):
        fetch(transport, there, "model.safetensors", tmp_path / "3", b"new" * 5000)
    assert not (tmp_path / "3").exists()


def test_files_may_lie_in_the_registry_itself(transport, tmp_path):
    assert fetch(transport, entry(), "a.txt", tmp_path / "1", b"inside") == b"inside"


@pytest.mark.parametrize("commit", ["v1.0.0", "main", "../../x", "a" * 39])
def test_a_revision_that_can_move_is_refused(hub, transport, tmp_path, commit):
    hub.log.clear()
    with pytest.raises(RegistryError, match="not a commit of 40 hex digits"):
        fetch(transport, entry("alice/ink", commit), "a.txt", tmp_path / "1", b"x")
    assert hub.requests == []


def test_a_signed_registry_on_the_hub_lists_what_was_published_there(
    hub, toy_style, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_any")
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "registries.toml"))
    published = publish_style(toy_style, Destination(repository="alice/toy"))
    registry = SignedRegistry(tmp_path / "museum")
    place = ("--repository", "alice/toy", "--commit", published.commit)
    run("registry", "add", registry.folder, toy_style, *place)
    registry.build()
    files = {
        str(path.relative_to(registry.folder)): path.read_bytes()
        for path in registry.folder.rglob("*")
        if path.is_file()
    }
    assert not any(path.endswith(".safetensors") for path in files)
    hub.add("alice/museum", files)

    run("registries", "add", "hub:alice/museum", "--root", registry.root, "--name", "museum")
    # The tag and the branch may move: the index names the commit.
    hub.add("alice/toy", {"model.safetensors": b"other"}, tag="v1.0.0")
    told = json.loads(run("fetch", "toy@1", "--json"))["fetched"][0]
    folder = Path(told["folder"])
    assert told["source"] == "museum"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in toy_style.iterdir()
    }
    hub.log.clear()
    run("fetch", "toy@1", "--json")
    assert hub.requests == []
