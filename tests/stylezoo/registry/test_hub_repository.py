"""A style in a repository on the Hub: versions, pins, and when the Hub is asked."""

import json
import subprocess
import sys
import threading

import pytest
from packaging.version import Version

from stylezoo.errors import CacheError, IntegrityError, RecordError, VersionNotFoundError
from stylezoo.interfaces.source import SourceWarning
from stylezoo.registry.hub_repository import HubRepository, known_repositories
from stylezoo.registry.pins import MovedTag
from stylezoo.registry.sources import used_repositories

INK = "alice/ink"
ONE = Version("1.0.0")


@pytest.fixture
def repository(ink):
    return HubRepository(INK)


def version(files, text):
    """The files of the toy style as another version."""
    return {**files, "style.toml": files["style.toml"].replace(b'"1.0.0"', f'"{text}"'.encode())}


def test_tags_are_versions(hub, ink, repository):
    hub.add(INK, version(ink, "1.10.0"), tag="v1.10.0")
    hub.add(INK, version(ink, "1.9.0"), tag="v1.9.0")
    assert [str(one) for one in repository.versions(INK)] == ["1.0.0", "1.9.0", "1.10.0"]
    assert str(repository.record(INK, Version("1.10.0")).version) == "1.10.0"
    assert repository.names() == [INK]
    assert repository.location == "hub:alice/ink"
    assert repository.versions("alice/other") == []
    with pytest.raises(VersionNotFoundError):
        repository.record(INK, Version("3.0.0"))
    with pytest.raises(VersionNotFoundError):
        repository.record("alice/other", ONE)


def test_files_come_from_the_commit_and_from_the_network_once(hub, ink, repository):
    commit = hub.repositories[INK].tags["v1.0.0"]
    hub.add(INK, {"model.safetensors": b"newer"})  # main moves on
    folder = repository.fetch(INK, ONE)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == ink
    assert all(commit in line for line in hub.log.lines("resolve"))
    hub.log.clear()
    again = HubRepository(INK)
    assert again.fetch(INK, again.versions(INK)[0]) == folder
    assert again.entries()[0].name == INK
    assert hub.requests == []


def test_progress_is_told_of_all_bytes(ink, repository):
    told = []
    repository.fetch(INK, ONE, told.append)
    files = sum(len(content) for path, content in ink.items() if path != "style.toml")
    assert told == sorted(told)
    assert told[-1] == files


def test_a_moved_tag_is_reported_and_changes_nothing(hub, ink, repository):
    pinned = hub.repositories[INK].tags["v1.0.0"]
    folder = repository.fetch(INK, ONE)
    assert repository.moved() == []
    moved = hub.add(INK, {"README.md": b"another"}, tag="v1.0.0")
    repository.refresh()
    tag = MovedTag(repository=INK, version=ONE, pinned=pinned, found=moved)
    assert HubRepository(INK).moved() == [tag]
    assert HubRepository(INK).fetch(INK, ONE) == folder
    del hub.repositories[INK].tags["v1.0.0"]
    hub.add(INK, version(ink, "2.0.0"), tag="v2.0.0")
    repository.refresh()
    assert [tag.found for tag in repository.moved()] == [None]
    assert repository.versions(INK) == [ONE, Version("2.0.0")]


def test_a_tag_that_moves_before_it_is_used_is_what_it_is_then(hub, ink, repository):
    repository.versions(INK)
    moved = hub.add(INK, {"README.md": ink["README.md"]}, tag="v1.0.0")
    repository.refresh()
    repository.record(INK, ONE)
    assert repository.pin(ONE).commit == moved


def test_a_commit_whose_record_has_changed_is_not_trusted(hub, ink, repository):
    repository.record(INK, ONE)
    path = next((repository._file.path.parent).glob("*.json"))
    state = json.loads(path.read_text())
    state["pins"]["1.0.0"]["sha256"] = "0" * 64
    path.write_text(json.dumps(state))
    with pytest.raises(IntegrityError, match=f"but had {'0' * 64} when it was first used"):
        HubRepository(INK).record(INK, ONE)


def test_a_record_of_another_version_is_refused_and_not_pinned(hub, ink, repository):
    hub.add(INK, {}, tag="v2.0.0")
    repository.refresh()
    with pytest.raises(RecordError, match=r"version: it is '1\.0\.0', but the tag is v2\.0\.0"):
        repository.record(INK, Version("2.0.0"))
    assert repository.pin(Version("2.0.0")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"format": 2}',
        b'{"format": 1, "listed": {}, "pins": []}',
        b'{"format": 1, "listed": {"1.0.0": "main"}, "pins": {}}',
        b'{"format": 1, "listed": {"x": "%s"}, "pins": {}}' % (b"a" * 40),
        b'{"format": 1, "listed": {}, "pins": {"1.0.0": {"commit": "../x", "sha256": ""}}}',
        b"\xff",
    ],
)
def test_a_damaged_file_of_pins_is_not_passed_over(repository, content):
    repository.record(INK, ONE)
    path = repository._file.path
    path.write_bytes(content)
    with pytest.raises(CacheError, match=f"{path} is damaged"):
        HubRepository(INK).versions(INK)


def test_the_repositories_that_were_used_are_known(hub, ink, repository):
    assert known_repositories() == []
    hub.add("Bob/Ink.v2", ink, tag="v1.0.0")
    HubRepository("Bob/Ink.v2").versions("Bob/Ink.v2")
    repository.versions(INK)
    assert [one.repository for one in known_repositories()] == ["Bob/Ink.v2", INK]


def test_a_damaged_file_of_pins_leaves_the_others(hub, ink, repository):
    repository.fetch(INK, ONE)
    (repository._file.path.parent / "bob--ink.json").write_text("x")
    with pytest.warns(SourceWarning, match=r"is left out: .*bob--ink\.json is damaged"):
        assert list(used_repositories()) == [f"hub:{INK}"]
    done = subprocess.run(
        [sys.executable, "-m", "stylezoo", "list"], capture_output=True, text=True, check=True
    )
    assert "bob--ink.json is damaged" in done.stderr
    assert INK in done.stdout


def test_a_cache_in_the_home_of_nobody(monkeypatch):
    monkeypatch.setenv("STYLEZOO_CACHE", "~no-such-user/cache")
    with pytest.raises(CacheError, match="set STYLEZOO_CACHE to a folder"):
        HubRepository(INK)
    assert used_repositories() == {}


def test_threads_that_use_a_version_at_once_agree(hub, ink):
    pins = []

    def use():
        repository = HubRepository(INK)
        repository.fetch(INK, repository.versions(INK)[0])
        pins.append(repository.pin(ONE))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pins) == 4
    assert len(set(pins)) == 1
