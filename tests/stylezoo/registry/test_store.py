"""The store of fetched styles; for process and disk faults see tests/faults."""

import dataclasses
import os
import shutil
import time
from datetime import UTC, datetime

import filelock
import pytest

from stylezoo.errors import (
    CacheError,
    IntegrityError,
    RecordError,
    RegistryFormatError,
    UnavailableError,
)
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.store import Store
from tests.faults.server import digest, snapshot


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "styles")


@pytest.fixture
def record(toy_style):
    """The bytes of the toy style's record."""
    return (toy_style / RECORD_FILE).read_bytes()


class Copier:
    """Fetches from a style folder, recording each file; fails where told to."""

    def __init__(self, folder):
        self.folder = folder
        self.fetched = []
        self.broken = {}

    def __call__(self, file, part, progress):
        content = (self.folder / file.path).read_bytes()
        self.fetched.append(file.path)
        if file.path in self.broken:
            part.write_bytes(content[:10])
            raise self.broken[file.path]
        for end in (len(content) // 2, len(content)):
            part.write_bytes(content[:end])
            if progress is not None:
                progress(end)


@pytest.fixture
def copier(toy_style):
    return Copier(toy_style)


def listing(store):
    return sorted(path.name for path in (store.root / ".tmp").rglob("*"))


def test_a_style_is_kept_under_the_hash_of_its_record(store, record, copier, toy_style):
    assert store.folder(digest(record)) is None
    assert store.record(digest(record)) is None
    told = []
    folder = store.add(record, copier, origin="here", progress=told.append)
    assert folder == store.root / digest(record)
    assert snapshot(folder) == snapshot(toy_style)
    assert store.folder(digest(record)) == folder
    assert store.record(digest(record)) == record
    assert listing(store) == []
    total = sum(file.size for file in read_record(toy_style).files)
    assert told == sorted(told)
    assert told[-1] == total


def test_a_style_that_is_here_is_not_fetched(store, record, copier):
    store.add(record, copier, origin="here")
    copier.fetched.clear()
    assert store.add(record, copier, origin="here") == store.folder(digest(record))
    assert Store(store.root).add(record, copier, origin="here") is not None
    assert copier.fetched == []


def damage_content(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def damage_silently(path):
    """As a failing disk would: the file times stay the same."""
    before = path.stat()
    damage_content(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def damage_length(path):
    os.truncate(path, 5)


def damage_by_removal(path):
    path.unlink()


def damage_by_folder(path):
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def damage_by_link(path):
    path.unlink()
    path.symlink_to("/etc/hostname")


def damage_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGES = [
    damage_content,
    damage_silently,
    damage_length,
    damage_by_removal,
    damage_by_folder,
    damage_by_link,
    damage_by_pipe,
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["model.safetensors", RECORD_FILE])
def test_a_damaged_file_is_found_and_mended(store, record, copier, toy_style, damage, name):
    folder = store.add(record, copier, origin="here")
    copier.fetched.clear()
    damage(folder / name)
    assert store.folder(digest(record)) is None
    with pytest.raises(IntegrityError, match=name):
        store.check(digest(record))
    assert store.add(record, copier, origin="here") == folder
    assert snapshot(folder) == snapshot(toy_style)
    assert listing(store) == []
    # The others are intact, and are not fetched.
    assert copier.fetched == ([] if name == RECORD_FILE else [name])


@pytest.mark.parametrize("damage", [damage_by_removal, damage_by_link, damage_by_pipe])
def test_what_stands_in_the_place_of_a_style_is_moved_away(
    store, record, copier, toy_style, damage
):
    place = store.root / digest(record)
    store.root.mkdir()
    place.write_text("x")
    damage(place)
    assert snapshot(store.add(record, copier, origin="here")) == snapshot(toy_style)


@pytest.mark.parametrize("error", [UnavailableError("gone"), IntegrityError("wrong")])
def test_a_damaged_style_stays_until_it_can_be_mended(store, record, copier, error):
    folder = store.add(record, copier, origin="here")
    damage_length(folder / "model.safetensors")
    before = snapshot(folder)
    copier.broken["model.safetensors"] = error
    match = "model.safetensors has 5 bytes.*cannot be fetched again: gone|wrong"
    with pytest.raises(IntegrityError, match=match):
        store.add(record, copier, origin="here")
    assert snapshot(folder) == before


def test_what_was_fetched_before_the_server_went_is_gone_on_with(store, record, copier):
    copier.broken["golden.safetensors"] = UnavailableError("gone")
    with pytest.raises(UnavailableError, match="gone"):
        store.add(record, copier, origin="here")
    assert store.folder(digest(record)) is None
    parts = [path for path in (store.root / ".tmp").rglob("*") if path.is_file()]
    assert [path.suffix for path in parts] == [".part"] * 2
    old = time.time() - 1000
    for path in parts:
        os.utime(path, (old, old))
    with pytest.raises(UnavailableError):  # again, after which no part is older than the run
        store.add(record, copier, origin="here")
    assert all(path.stat().st_mtime > old + 900 for path in parts)
    copier.broken.clear()
    store.add(record, copier, origin="here")
    assert listing(store) == []


@pytest.mark.parametrize(
    "error", [IntegrityError("wrong"), KeyboardInterrupt(), CacheError("full")]
)
def test_of_other_failures_nothing_is_left(store, record, copier, error):
    copier.broken["golden.safetensors"] = error
    with pytest.raises(type(error)):
        store.add(record, copier, origin="here")
    assert listing(store) == []
    assert store.entries() == []


def test_a_style_that_was_complete_when_its_process_was_killed_is_taken(store, record, copier):
    folder = store.add(record, copier, origin="here")
    copier.fetched.clear()
    unfinished = store.root / ".tmp" / digest(record)
    unfinished.mkdir()
    folder.replace(unfinished / "style")
    assert store.add(record, copier, origin="here") == folder
    assert copier.fetched == []
    assert listing(store) == []


def test_a_style_that_was_half_moved_when_its_process_was_killed_is_made_anew(
    store, record, copier, toy_style
):
    unfinished = store.root / ".tmp" / digest(record) / "style"
    unfinished.mkdir(parents=True)
    (unfinished / "model.safetensors").write_bytes(b"half")
    assert snapshot(store.add(record, copier, origin="here")) == snapshot(toy_style)


def test_what_killed_processes_left_of_other_styles_is_swept(store, record, copier):
    for number in range(2):
        left = store.root / ".tmp" / (str(number) * 64)
        left.mkdir(parents=True)
        (left / "0.part").write_bytes(bytes(1000))
    (store.root / ".locks").mkdir()
    with filelock.FileLock(store.root / ".locks" / f"{'0' * 64}.lock"):
        assert store.sweep() == 1000
        assert listing(store) == sorted(["0" * 64, "0.part"])
    store.add(record, copier, origin="here")
    assert listing(store) == []


def test_a_fetch_that_brings_something_else_is_found(store, record, copier):
    def fetch(file, part, progress):
        part.write_bytes(b"short")

    with pytest.raises(IntegrityError, match="part is not the file model"):
        store.add(record, fetch, origin="here")
    assert listing(store) == []


def test_two_files_of_one_content(store, toy_style, tmp_path):
    """Each has its own part file."""
    record = read_record(toy_style)
    preview, card = record.file("preview"), record.file("card")
    twin = dataclasses.replace(card, size=preview.size, sha256=preview.sha256)
    files = tuple(twin if file is card else file for file in record.files)
    folder = shutil.copytree(toy_style, tmp_path / "twins")
    shutil.copyfile(folder / preview.path, folder / card.path)
    (folder / RECORD_FILE).write_text(render_record(dataclasses.replace(record, files=files)))
    added = store.add((folder / RECORD_FILE).read_bytes(), Copier(folder), origin="here")
    assert snapshot(added) == snapshot(folder)


def test_a_record_that_breaks_the_format_leaves_no_trace(store, copier, record):
    own_name = record.replace(b'path = "README.md"', b'path = "STYLE.toml"')
    assert own_name != record
    for content in (b"\xff", b"x = 1", own_name):
        with pytest.raises(RecordError, match="from the test"):
            store.add(content, copier, origin="from the test")
    assert not store.root.exists()


def test_styles_are_listed_with_size_and_last_use(store, record, copier, toy_style):
    assert store.entries() == []
    folder = store.add(record, copier, origin="here")
    old = datetime(2020, 1, 2, tzinfo=UTC)
    os.utime(folder, (old.timestamp(), old.timestamp()))
    (style,) = store.entries()
    assert (style.sha256, style.record.name, style.folder) == (digest(record), "toy", folder)
    assert style.size == sum(path.stat().st_size for path in toy_style.iterdir())
    assert style.used == old
    store.folder(digest(record))
    (style,) = store.entries()
    assert (datetime.now(UTC) - style.used).total_seconds() < 100


def test_a_style_whose_record_is_damaged_is_not_listed_but_named(store, record, copier):
    folder = store.add(record, copier, origin="here")
    assert store.damaged() == []
    damage_content(folder / RECORD_FILE)
    assert store.entries() == []
    assert store.damaged() == [digest(record)]


def test_a_style_is_removed(store, record, copier):
    store.remove(digest(record))
    assert not store.root.exists()
    folder = store.add(record, copier, origin="here")
    store.remove(digest(record))
    assert not folder.exists()
    assert store.folder(digest(record)) is None
    assert listing(store) == []


@pytest.mark.parametrize("name", ["", "../x", "A" * 64, "0" * 65, "0" * 63 + "/"])
def test_no_path_is_made_from_what_is_no_hash(store, name):
    for method in (store.folder, store.check, store.record, store.remove):
        with pytest.raises(RegistryFormatError, match="not 64 hex digits"):
            method(name)


def test_a_thousand_look_ups_hash_a_style_once(store, record, copier):
    store.add(record, copier, origin="here")
    store.folder(digest(record))
    began = time.perf_counter()
    for _ in range(1000):
        assert Store(store.root).folder(digest(record)) is not None
    assert time.perf_counter() - began < 1
