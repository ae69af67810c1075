"""Lock files: the same bytes, or an error."""

import dataclasses
import json
import shutil
import subprocess
import sys
import tomllib
from hashlib import sha256

import pytest
import tomli_w
from packaging.version import Version

import stylezoo
from stylezoo import FolderSource
from stylezoo.catalog import Catalog
from stylezoo.errors import LockFileError, OutputError, RecordError, UnavailableError
from stylezoo.registry.hub_repository import HubRepository
from stylezoo.registry.lock_file import (
    LockedStyle,
    lock_style,
    read_lock_file,
    write_lock_file,
)
from stylezoo.registry.pinned import find_base
from stylezoo.registry.record import Base
from stylezoo.registry.resolve import SourceWarning
from stylezoo.registry.spec import StyleSpec
from tests.kept_registry import KeptRegistry, WebServer


@pytest.fixture
def zoo(toy_style, tmp_path, monkeypatch):
    """A folder of styles with toy 1.0.0, to modify, and an empty cache."""
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    shutil.copytree(toy_style, tmp_path / "zoo" / "toy" / "1.0.0")
    return FolderSource(tmp_path / "zoo")


@pytest.fixture
def lock(zoo, tmp_path):
    path = tmp_path / "stylezoo.lock"
    write_lock_file(path, [lock_style(StyleSpec.parse("toy"), {"zoo": zoo})], overwrite=False)
    return path


def resolve(lock, spec, **sources):
    return read_lock_file(lock).resolve(StyleSpec.parse(spec), sources)


def test_it_holds_the_hashes_of_record_and_weights(lock, toy_style):
    entry = {
        "name": "toy",
        "version": "1.0.0",
        "source": "zoo",
        "record": sha256((toy_style / "style.toml").read_bytes()).hexdigest(),
        "weights": sha256((toy_style / "model.safetensors").read_bytes()).hexdigest(),
    }
    assert tomllib.loads(lock.read_text()) == {"schema": 1, "styles": [entry]}


def new_version(zoo, version):
    target = zoo.root / "toy" / version
    shutil.copytree(zoo.root / "toy" / "1.0.0", target)
    record = target / "style.toml"
    record.write_text(record.read_text().replace('version = "1.0.0"', f'version = "{version}"'))


def test_a_newer_version_and_another_source_before_it_change_nothing(zoo, lock, tmp_path):
    new_version(zoo, "1.1.0")
    found = resolve(lock, "toy@1", zoo=zoo)
    assert str(found.record.version) == "1.0.0"
    shutil.copytree(zoo.root, tmp_path / "other")
    record = tmp_path / "other" / "toy" / "1.0.0" / "style.toml"
    record.write_text(record.read_text() + "\n")
    found = resolve(lock, "toy", other=FolderSource(tmp_path / "other"), zoo=zoo)
    assert found.source == "zoo"


def test_the_same_bytes_from_a_source_of_another_name_will_do(zoo, lock, tmp_path):
    assert resolve(lock, "toy", elsewhere=zoo).source == "elsewhere"
    # Even if the source it was locked from now has others.
    shutil.copytree(zoo.root, tmp_path / "other")
    record = tmp_path / "other" / "toy" / "1.0.0" / "style.toml"
    record.write_text(record.read_text() + "\n")
    changed = FolderSource(tmp_path / "other")
    assert resolve(lock, "toy", zoo=changed, elsewhere=zoo).source == "elsewhere"
    with pytest.raises(
        LockFileError, match=r"from 'zoo' does not match the lock.*; toy 1\.0\.0 from 'again'"
    ):
        resolve(lock, "toy", zoo=changed, again=changed)


def test_a_source_that_fails_does_not_hide_another_that_has_the_bytes(
    zoo, lock, toy_style, tmp_path, monkeypatch
):
    """It lists the version but is unreachable, or has a broken record; or it is forged."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    kept = KeptRegistry(tmp_path / "kept", toy_style)
    server = WebServer(kept.folder, tmp_path / "web.log")
    team = kept.source(server.url)
    assert team.versions("toy")
    server.stop()
    broken = FolderSource(tmp_path / "broken")
    shutil.copytree(zoo.root, broken.root)
    (broken.root / "toy" / "1.0.0" / "style.toml").write_text("schema = 1")
    base = Base(
        name="toy",
        version=Version("1.0.0"),
        sha256=sha256((toy_style / "model.safetensors").read_bytes()).hexdigest(),
    )
    assert resolve(lock, "toy", team=team, mine=zoo).source == "mine"
    assert find_base(base, "adapter", {"team": team, "mine": zoo}).source == "mine"
    for name, source in (("broken", broken), ("forged", forged_registry(tmp_path, toy_style))):
        with pytest.warns(SourceWarning, match=f"'{name}' was skipped for toy@1.0.0"):
            assert resolve(lock, "toy", **{name: source}, mine=zoo).source == "mine"
        with pytest.warns(SourceWarning, match=f"'{name}' was skipped for toy@1.0.0"):
            assert find_base(base, "adapter", {name: source, "mine": zoo}).source == "mine"
    # If no other has them, the first failure is raised.
    empty = FolderSource(tmp_path / "empty")
    with pytest.raises(RecordError):
        resolve(lock, "toy", empty=empty, broken=broken, team=team)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        resolve(lock, "toy", empty=empty, team=team, broken=broken)


def forged_registry(tmp_path, toy_style):
    """A registry never asked before, signed with keys other than the trusted ones."""
    forged = KeptRegistry(tmp_path / "forged", toy_style)
    forged.root = KeptRegistry(tmp_path / "trusted", toy_style).root
    return forged.source()


def test_a_tag_that_was_moved_away_and_back_is_as_locked_again(hub, ink, tmp_path, monkeypatch):
    lock = tmp_path / "stylezoo.lock"
    write_lock_file(lock, [lock_style(StyleSpec.parse("alice/ink"), {})], overwrite=False)
    first = hub.repositories["alice/ink"].tags["v1.0.0"]
    for old, new in ((b"Random weights", b"Moved weights!"), (b"schema = 1", b"schema = 9")):
        monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / new.decode()))
        record = ink["style.toml"].replace(old, new)
        hub.add("alice/ink", {**ink, "style.toml": record}, tag="v1.0.0")
        with pytest.raises((LockFileError, RecordError), match=r"does not match the lock|schema"):
            resolve(lock, "alice/ink")
        assert HubRepository("alice/ink").pin(Version("1.0.0")) is None
        hub.repositories["alice/ink"].tags["v1.0.0"] = first
        assert (resolve(lock, "alice/ink").folder / "style.toml").read_bytes() == ink["style.toml"]
        assert HubRepository("alice/ink").pin(Version("1.0.0")).commit == first


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda style: (style / "style.toml").open("a").write("\n"),
            "from 'zoo' does not match the lock: the sha256 of its record is",
        ),
        (lambda style: shutil.rmtree(style), "locks toy 1.0.0, which no source has"),
        (
            lambda style: (style / "style.toml").write_text(
                (style / "style.toml")
                .read_text()
                .replace(sha256((style / "model.safetensors").read_bytes()).hexdigest(), "0" * 64)
            ),
            "from 'zoo' does not match the lock: the sha256 of its weights is 000",
        ),
    ],
)
def test_what_is_not_as_locked_is_an_error(zoo, lock, change, reason):
    change(zoo.root / "toy" / "1.0.0")
    with pytest.raises(LockFileError, match=reason):
        resolve(lock, "toy", zoo=zoo)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("other", "does not lock 'other'; rewrite it with: stylezoo lock toy other -o"),
        ("toy@2", "locks toy 1.0.0, which is not what 'toy@2' asks for"),
        ("./toy", "./toy is a path"),
    ],
)
def test_what_is_not_locked_is_an_error(zoo, lock, spec, reason):
    with pytest.raises(LockFileError, match=reason):
        resolve(lock, spec, zoo=zoo)


GOOD = LockedStyle(name="a", version="1.0.0", source="x", record="0" * 64, weights="1" * 64)


def table(**changes):
    entry = {name: getattr(GOOD, name) for name in LockedStyle.__dataclass_fields__}
    return tomli_w.dumps({"schema": 1, "styles": [{**entry, **changes}]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("= x", "it is not TOML"),
        ("a = " + "[" * 100_000, "it is not TOML"),
        ("", "has the schema None"),
        ("schema = 2", "has the schema 2"),
        ("schema = " + "9" * 5000, "an integer has more than 64 bits"),
        ("schema = 0x" + "f" * 5000, "the integer 'schema' has more than 64 bits"),
        (f"styles = [{{weights = 0x{'f' * 5000}}}]", r"'styles\[0\]\.weights' has more than 64"),
        ("schema = true", "has the schema True"),
        ("schema = 1", r"it has no \[\[styles\]\]"),
        ("schema = 1\nstyles = 3", r"it has no \[\[styles\]\]"),
        ("schema = 1\nstyles = [3]", r"styles\[0\] must have exactly the keys"),
        (table(more="x"), r"styles\[0\] must have exactly the keys"),
        (table(record="xyz"), r"styles\[0\]\.record is not 64 hex digits"),
        (table(weights=3), r"styles\[0\]\.weights is 3, not text"),
        (table(version="one"), "'one' is not a version"),
        (table(name="../a"), "is not a style name"),
        (table(name="a@2"), "is not a style name"),
        (table(name="A"), "is not a style name"),
        (table() + table().partition("\n")[2], "locks a style twice"),
        ("#" * 1_000_001, "longer than 1000000 bytes"),
    ],
)
def test_lock_files_that_cannot_be_read(tmp_path, text, reason):
    path = tmp_path / "stylezoo.lock"
    path.write_text(text)
    with pytest.raises(LockFileError, match=reason):
        read_lock_file(path)


def test_a_missing_lock_file_says_how_to_make_one(tmp_path):
    with pytest.raises(LockFileError, match=r"No such file.*stylezoo lock NAME -o"):
        read_lock_file(tmp_path / "none")


def test_two_versions_of_a_style_are_refused(zoo, tmp_path):
    style = lock_style(StyleSpec.parse("toy"), {"zoo": zoo})
    other = dataclasses.replace(style, version="1.1.0")
    with pytest.raises(LockFileError, match=r"in versions 1\.0\.0 and 1\.1\.0"):
        write_lock_file(tmp_path / "two.lock", [style, other], overwrite=False)
    assert not (tmp_path / "two.lock").exists()


def test_paths_are_not_locked_and_nothing_is_overwritten_unasked(lock, toy_style):
    with pytest.raises(LockFileError, match="only styles by name can be locked"):
        lock_style(StyleSpec.parse(str(toy_style)), {})
    with pytest.raises(OutputError, match="exists"):
        write_lock_file(lock, [GOOD], overwrite=False)
    write_lock_file(lock, [GOOD], overwrite=True)
    assert read_lock_file(lock).styles == {"a": GOOD}


def test_load_takes_what_is_locked(lock, zoo):
    catalog = Catalog.discover()
    catalog.add(plugin_with_source(zoo), "mine")
    assert stylezoo.load("toy", catalog=catalog, locked=lock).record.name == "toy"
    flip(zoo.root / "toy" / "1.0.0" / "preview.jpg")  # not needed for loading
    assert stylezoo.load("toy", catalog=catalog, locked=lock).record.name == "toy"
    with (zoo.root / "toy" / "1.0.0" / "style.toml").open("a") as record:
        record.write("\n")
    with pytest.raises(LockFileError):
        stylezoo.load("toy", catalog=catalog, locked=lock)


def plugin_with_source(source):
    class Plugin:
        @stylezoo.hookimpl
        def register_sources(self, register):
            register("zoo", lambda: source)

    return Plugin()


def test_the_commands(tmp_path, astronaut):
    def stylezoo_(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "stylezoo", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    done = stylezoo_("lock", "great-wave", "museum:udnie", "--json")
    assert done.returncode == 0, done.stderr
    assert [style["name"] for style in json.loads(done.stdout)] == ["great-wave", "museum"]
    done = stylezoo_("lock", "museum:udnie", "museum:the-scream", "-o", "two.lock")
    assert (done.returncode, done.stdout.count("museum")) == (0, 1)  # two styles of one pack
    assert list(read_lock_file(tmp_path / "two.lock").styles) == ["museum"]
    done = stylezoo_("lock", "museum:wave", "-o", "none.lock")
    assert (done.returncode, "museum has no style 'wave'; it has:" in done.stderr) == (1, True)
    done = stylezoo_("lock", "udnie")
    assert (done.returncode, "exists" in done.stderr) == (1, True)
    wave = ["apply", "great-wave@1", str(astronaut), "--size", "64", "-o", "out.png"]
    done = stylezoo_(*wave, "--locked", "stylezoo.lock")
    assert done.returncode == 0, done.stderr
    done = stylezoo_("apply", "udnie", str(astronaut), "--locked", "stylezoo.lock")
    assert done.returncode == 1
    assert done.stderr.startswith("error: stylezoo.lock does not lock 'udnie'")
