"""A signed registry as a source: fetched once, then read from the store; and its transports."""

import shutil
import subprocess
import sys

import pytest
from packaging.version import Version

from stylezoo.errors import (
    IntegrityError,
    OfflineError,
    OptionError,
    RecordError,
    RegistryError,
    RegistryFormatError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.registry.contents import add_style
from stylezoo.registry.folder_transport import FolderTransport
from stylezoo.registry.http_transport import HttpTransport
from stylezoo.registry.signing import build_registry
from stylezoo.registry.verify import verify_files
from tests.kept_registry import KeptRegistry, WebServer, edit

ONE, TWO = Version("1.0.0"), Version("2.0.0")


@pytest.fixture
def registry(tmp_path, toy_style):
    return KeptRegistry(tmp_path, toy_style, "toy@1.0.0 toy@2.0.0 toy@3.0.0rc1 other@0.1.0")


def test_it_lists_what_the_index_has(registry, location):
    source = registry.source(location)
    assert source.location == location
    assert source.names() == ["other", "toy"]
    assert source.versions("toy") == [ONE, TWO, Version("3.0.0rc1")]
    assert source.versions("nothing") == []
    assert [(entry.name, str(entry.version)) for entry in source.entries()] == [
        ("other", "0.1.0"),
        ("toy", "2.0.0"),
    ]


def test_a_style_is_fetched_whole_and_verified(registry, location):
    source = registry.source(location)
    told = []
    folder = source.fetch("toy", ONE, told.append)
    record = source.record("toy", ONE)
    verify_files(folder, record)
    assert (folder / "style.toml").read_bytes() == (
        registry.folder / "styles/toy/1.0.0/style.toml"
    ).read_bytes()
    assert told == sorted(told)
    assert told[-1] == sum(file.size for file in record.files)
    assert source.folder("toy", ONE) == folder


def test_it_says_where_a_style_is_and_mends_nothing(registry, location):
    source = registry.source(location)
    assert source.local_folder("toy", ONE) is None
    folder = source.fetch("toy", ONE)
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert registry.source(location).local_folder("toy", ONE) == folder
    assert (folder / "model.safetensors").read_bytes() == b"damaged"
    assert source.local_folder("toy", Version("9.0.0")) is None


def test_what_is_here_is_not_asked_for(registry, web):
    source = registry.source(web.url)
    folder = source.fetch("toy", ONE)
    asked = web.asked()
    again = registry.source(web.url)
    assert again.fetch("toy", ONE) == folder
    assert again.record("toy", ONE) == source.record("toy", ONE)
    assert again.local_versions("toy") == [ONE]
    web.stop()
    assert registry.source(web.url).fetch("toy", ONE) == folder
    assert web.asked() == asked


def test_a_record_is_asked_for_once(registry, web):
    record = registry.source(web.url).record("toy", ONE)
    asked = web.asked()
    assert registry.source(web.url).record("toy", ONE) == record
    assert web.asked() == asked


def test_offline_what_is_missing_says_what_to_run(registry, web, monkeypatch):
    registry.source(web.url).refresh()
    asked = web.asked()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = registry.source(web.url)
    for method in (source.record, source.fetch):
        with pytest.raises(OfflineError, match=r"toy@1\.0\.0 .*run: stylezoo fetch toy@1\.0\.0"):
            method("toy", ONE)
    assert web.asked() == asked


def test_a_version_that_is_not_there_says_so(registry, location):
    with pytest.raises(VersionNotFoundError, match=r"has no toy 9\.0\.0"):
        registry.source(location).record("toy", Version("9.0.0"))


def test_a_file_that_is_not_there_says_so(registry, location):
    (registry.folder / "styles" / "toy" / "1.0.0" / "preview.jpg").unlink()
    with pytest.raises(RegistryError, match=r"preview\.jpg"):
        registry.source(location).fetch("toy", ONE)


def test_a_record_of_another_style_is_refused(registry, location):
    registry.resign_record("toy", "1.0.0", 'name = "toy"', 'name = "other"')
    with pytest.raises(RecordError, match="name: it is 'other', but listed as 'toy'"):
        registry.source(location).record("toy", ONE)


def test_files_larger_than_the_index_says_are_not_fetched(registry, location):
    path = "styles/toy/1.0.0/style.toml"
    registry.resign_target(path, (registry.folder / path).read_bytes(), total_size=5000)
    with pytest.raises(RegistryFormatError, match="lists 5000 bytes for toy"):
        registry.source(location).fetch("toy", ONE)


def test_a_damaged_copy_of_a_record_is_fetched_anew(registry):
    record = registry.source().record("toy", ONE)
    (copy,) = (registry.base / "user").rglob("records/*.toml")
    edit(copy, "Random weights", "Random werghts")
    assert registry.source().record("toy", ONE) == record


def test_records_that_nobody_wants_any_more_are_removed(registry):
    source = registry.source()
    source.record("toy", ONE)
    (copy,) = (registry.base / "user").rglob("records/*.toml")
    (copy.parent / f"{'0' * 64}.part").write_bytes(b"of a process that was killed")
    shutil.rmtree(registry.folder / "styles" / "toy" / "1.0.0")
    build_registry(registry.folder, registry.keys)
    source.refresh()
    source.record("toy", TWO)
    assert [path.name for path in copy.parent.iterdir()] == [
        f"{source.find('toy', TWO).sha256}.toml"
    ]


def test_a_file_is_never_read_past_its_size(registry, tmp_path):
    entry = registry.client().index().find("toy", ONE)
    transport = FolderTransport(registry.folder)
    part = tmp_path / "0.part"
    for size in (1, 10_000_000):
        wrong = rf"is not what the registry says it is: it has \d+ bytes, not {size};"
        with pytest.raises(IntegrityError, match=wrong):
            transport.fetch(entry, "preview.jpg", part, size=size, sha256="0" * 64)
        assert not part.exists()
    with pytest.raises(RegistryFormatError, match="longer than 10 bytes"):
        transport.read("metadata/timestamp.json", 10)
    assert transport.read("metadata/nothing.json", 10) is None
    assert transport.read("metadata/timestamp.json/x", 10) is None
    assert not transport.remote


def test_a_part_of_an_earlier_try_is_replaced(registry, tmp_path):
    entry = registry.client().index().find("toy", ONE)
    part = tmp_path / "0.part"
    part.write_bytes(b"something else that is longer than the file itself" * 1000)
    FolderTransport(registry.folder).fetch(
        entry, "style.toml", part, size=entry.size, sha256=entry.sha256
    )
    assert part.read_bytes() == (registry.folder / "styles/toy/1.0.0/style.toml").read_bytes()


def test_names_are_quoted_in_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "ü%3F#.json").write_text("{}")
    server = WebServer(tmp_path, tmp_path / "web.log")
    try:
        transport = HttpTransport(server.url)
        assert transport.read("a b/ü%3F#.json", 10) == b"{}"
        assert transport.read("a b/nothing", 10) is None
        assert transport.remote
        assert transport.location == server.url
    finally:
        server.stop()
    with pytest.raises(UnavailableError):
        transport.read("a b/ü%3F#.json", 10)


def test_the_timeout_of_locks_must_be_a_number(registry, monkeypatch):
    monkeypatch.setenv("STYLEZOO_LOCK_TIMEOUT", "soon")
    with pytest.raises(OptionError, match="STYLEZOO_LOCK_TIMEOUT is 'soon'"):
        registry.source().refresh()


def test_reading_a_known_index_imports_no_client(registry):
    """Neither python-tuf nor requests, whose import would take longer than all the rest."""
    registry.source().fetch("toy", ONE)
    script = f"""
import sys
from pathlib import Path
from packaging.version import Version
from stylezoo.registry.config import RegistryConfig
from stylezoo.registry.sources import make_transport
from stylezoo.registry.remote import RemoteSource
from stylezoo.registry.store import Store
from stylezoo.registry.trust import TrustedRegistry
user = Path({str(registry.base / "user")!r})
config = RegistryConfig(location="https://host", root=Path({str(registry.root)!r}))
client = TrustedRegistry("team", make_transport(config.location), config, user / "registries/team")
source = RemoteSource(client, Store(user / "styles"))
assert source.names() == ["other", "toy"] and source.entries()
assert source.fetch("toy", Version("1.0.0")).is_dir()
heavy = {{"tuf", "securesystemslib", "requests", "urllib3", "huggingface_hub", "numpy", "torch"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_index_in_a_folder_may_list_files_that_the_hub_has(registry, hub, monkeypatch):
    style = registry.style("ink@1.0.0")
    files = {path.name: path.read_bytes() for path in style.iterdir()}
    commit = hub.add("alice/ink", files, tag="v1.0.0")
    hub.add("alice/ink", {"model.safetensors": b"what came later"}, tag="v1.0.0")
    add_style(registry.folder, style, repository="alice/ink", commit=commit)
    build_registry(registry.folder, registry.keys)
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match="ink@1"):
        registry.source().fetch("ink", ONE)
    monkeypatch.delenv("STYLEZOO_OFFLINE")
    folder = registry.source().fetch("ink", ONE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
