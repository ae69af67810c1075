"""Faults 35 to 47: indexes and records that are damaged, forged, old, or hostile.

Each attack on an index runs through a folder and through a web server process, against a machine
that has seen the registry before and one that has not.
"""

import dataclasses
import json
import os
import re
import resource
import shutil
import sys
import time

import pytest
from packaging.version import Version

import stylezoo
from stylezoo.errors import (
    ExpiredError,
    IntegrityError,
    InvalidSpecError,
    OfflineError,
    OptionError,
    PublishError,
    RecordError,
    RegistryFormatError,
    RollbackError,
    SignatureError,
    StyleNotFoundError,
    UnavailableError,
)
from stylezoo.registry.config import RegistryWarning
from stylezoo.registry.contents import add_style
from stylezoo.registry.listing import list_sources
from stylezoo.registry.record_io import read_record
from stylezoo.registry.resolve import SourceWarning, resolve
from stylezoo.registry.signing import build_registry
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec
from tests.kept_registry import (
    KeptRegistry,
    edit,
    expires_in,
    stranger,
)


@pytest.fixture
def registry(tmp_path, toy_style):
    """A signed registry with two versions of one style, and another style."""
    return KeptRegistry(tmp_path, toy_style, "toy@1.0.0 toy@2.0.0 udnie@1.1.0")


@pytest.fixture
def known(registry, location):
    """A client on a machine that has seen the registry before."""
    client = registry.client(location)
    client.refresh()
    return client


@pytest.fixture
def refused(registry, location, known, unchanged, tmp_path):
    """Check that both machines refuse an attack and that nothing changes."""

    def check(expected, message=None, *, also_fresh=True):
        index = known.index()
        with unchanged(tmp_path / "user"), pytest.raises(expected, match=message):
            known.refresh()
        assert known.index() == index
        # Another process sees the same.
        assert registry.client(location).index().entries == index.entries
        if also_fresh:
            with pytest.raises(expected, match=message):
                registry.client(location, user="fresh").index()
            left = [p.name for p in (tmp_path / "fresh").rglob("*") if p.is_file()]
            assert left in ([], [".lock"])

    return check


DAMAGED = {
    "cut": lambda good: good[: len(good) // 2],
    "empty": lambda good: b"",
    "text": lambda good: b"not JSON",
    "a list": lambda good: b"[1, 2]",
    "a byte order mark": lambda good: b"\xef\xbb\xbf" + good,
    "a key twice": lambda good: good.replace(b'"signed":', b'"signed":{},"signed":', 1),
    "NaN": lambda good: good.replace(b'"version":', b'"x":NaN,"version":', 1),
    "deep": lambda good: b'{"signed":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep in objects": lambda good: b'{"a":' * 100 + b"1" + b"}" * 100,
    "50 MB": lambda good: good + b" " * 50_000_000,
    "not UTF-8": lambda good: b"\xff\xfe" + good,
    "a long number": lambda good: good.replace(b'"version":', b'"x":' + b"9" * 9000 + b",", 1),
}
OTHER = {
    "of another role": lambda good: b'{"signatures":[],"signed":{"_type":"mirrors"}}',
    "without its parts": lambda good: b'{"signatures":[],"signed":{}}',
    "other types": lambda good: b'{"signatures":{},"signed":{"_type":3}}',
}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_fault_35_a_damaged_index_is_refused_and_the_last_good_one_stays(
    registry, known, location, unchanged, tmp_path, damage, role
):
    index = known.index()
    registry.resign("targets")  # so that the machine fetches all of it again
    path = registry.newest(role)
    path.write_bytes(DAMAGED[damage](path.read_bytes()))
    if damage == "50 MB" and role != "timestamp":
        # Although its length is signed, the limit stops it from being read whole.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with unchanged(tmp_path / "user"), pytest.warns(RegistryWarning, match="is used"):
        assert known.refresh().entries == index.entries
    with pytest.raises(RegistryFormatError) as caught:
        registry.client(location, user="fresh").index()
    assert path.name in str(caught.value) or "cannot be read" in str(caught.value)
    if damage in ("text", "empty", "cut"):
        assert "line 1" in str(caught.value)
    if damage == "50 MB" and role != "timestamp":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 60_000  # kB


@pytest.mark.parametrize("other", OTHER)
def test_fault_35_json_that_is_no_timestamp_is_refused(registry, known, location, other):
    index = known.index()
    path = registry.newest("timestamp")
    path.write_bytes(OTHER[other](path.read_bytes()))
    with pytest.warns(RegistryWarning, match="is used"):
        assert known.refresh().entries == index.entries
    with pytest.raises(RegistryFormatError, match="cannot be read"):
        registry.client(location, user="fresh").index()


def test_fault_36_an_index_of_a_newer_format_wants_an_upgrade(registry, location, known):
    registry.resign("targets", lambda signed: signed.unrecognized_fields.update({"schema": 2}))
    with pytest.raises(RegistryFormatError, match=r"schema 2.*pip install --upgrade stylezoo"):
        registry.client(location, user="fresh").index()
    with pytest.warns(RegistryWarning, match="upgrade"):
        assert known.refresh().versions("toy")
    path = registry.newest("timestamp")
    path.write_text(re.sub(r'"spec_version":"1[^"]*"', '"spec_version":"2.0.0"', path.read_text()))
    with pytest.raises(RegistryFormatError, match=r"spec_version 2\.0\.0; run: pip install --up"):
        registry.client(location, user="fresh").index()


def test_fault_36_a_record_of_a_newer_format_wants_an_upgrade(registry, location):
    registry.resign_record("toy", "1.0.0", "schema = 1", "schema = 2")
    source = registry.source(location)
    with pytest.raises(RecordError, match=r"schema: 2 is newer .*pip install --upgrade stylezoo"):
        source.record("toy", source.versions("toy")[0])


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fault_37_an_edited_index_is_refused(registry, refused, role):
    registry.resign("targets")
    path = registry.newest(role)
    edit(path, '"expires":"20', '"expires":"21')
    refused(SignatureError, "does not match what its trusted keys signed")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fault_37_an_index_signed_by_another_key_is_refused(registry, refused, role):
    signer = stranger()
    registry.resign(role, signer=signer)
    refused(SignatureError, "does not match what its trusted keys signed")


def test_fault_37_a_key_of_another_role_does_not_count(registry, refused):
    registry.resign("targets", signer=registry.keys.make("timestamp"))
    refused(SignatureError, "targets was signed by 0/1 keys")


def test_fault_37_a_root_that_the_old_root_has_not_signed_is_refused(registry, refused):
    registry.resign("root", signer=stranger())
    refused(SignatureError, "root was signed by 0/1 keys")


def test_fault_37_on_the_command_line(registry, fails, tmp_path):
    edit(registry.newest("timestamp"), '"expires":"20', '"expires":"21')
    config = tmp_path / "config" / "registries.toml"
    arguments = ("registries", "add", registry.folder, "--root", registry.root)
    message = fails(*arguments, STYLEZOO_CONFIG=config, STYLEZOO_CACHE=tmp_path / "cache")
    assert "timestamp was signed by 0/1 keys" in message
    assert not [path for path in config.parent.rglob("*") if path.is_file()]


def test_fault_38_an_old_index_is_refused(registry, refused, known, tmp_path):
    shutil.copytree(registry.folder / "metadata", tmp_path / "old")
    registry.publish("toy@3.0.0")
    known.refresh()
    shutil.rmtree(registry.folder / "metadata")
    shutil.copytree(tmp_path / "old", registry.folder / "metadata")
    # A machine that never saw the new index cannot know; hence the seed in a package.
    refused(RollbackError, "is older than the copy seen before", also_fresh=False)


def test_fault_38_a_fresh_machine_with_a_seed_knows_an_old_index(registry, location, tmp_path):
    shutil.copytree(registry.folder / "metadata", tmp_path / "old")
    registry.publish("toy@3.0.0")
    seed = shutil.copytree(registry.folder / "metadata", tmp_path / "seed")
    assert registry.client(location, user="good", seed=seed).index().versions("toy")
    shutil.rmtree(registry.folder / "metadata")
    shutil.copytree(tmp_path / "old", registry.folder / "metadata")
    assert registry.client(location, user="without").index().versions("toy")
    with pytest.raises(RollbackError, match="is older than the copy seen before"):
        registry.client(location, user="fresh", seed=seed).index()


def test_fault_39_an_expired_index_is_refused(registry, refused):
    registry.resign("timestamp", expires_in(days=-1))
    refused(ExpiredError, r"timestamp\.json is expired.*stylezoo registry sign")


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_fault_39_each_part_of_it_expires(registry, refused, role):
    registry.resign(role, expires_in(days=-1))
    refused(ExpiredError, f"{role}.* is expired")


def test_fault_39_a_frozen_index_works_on_offline_with_a_warning(
    registry, web, tmp_path, monkeypatch
):
    registry.resign("timestamp", expires_in(seconds=2))
    source = registry.source(web.url)
    version = source.versions("toy")[0]
    folder = source.fetch("toy", version)
    time.sleep(2.1)
    with pytest.raises(ExpiredError):
        source.refresh()
    with pytest.warns(RegistryWarning, match="expired on .*stylezoo update"):
        assert registry.source(web.url).fetch("toy", version) == folder
    # What is new to this machine needs an index that is still valid.
    with pytest.raises(ExpiredError), pytest.warns(RegistryWarning):
        registry.source(web.url).fetch("udnie", Version("1.1.0"))
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    asked = web.asked()
    with pytest.warns(RegistryWarning, match="expired on"):
        assert registry.client(web.url).refresh().versions("toy")
    with pytest.warns(RegistryWarning, match="expired on"):
        assert registry.source(web.url).fetch("toy", version) == folder
    assert web.asked() == asked


def test_fault_39_nothing_new_comes_by_an_expired_index_whose_renewal_is_withheld(
    registry, web, monkeypatch
):
    registry.resign("timestamp", expires_in(seconds=2))
    old = registry.source(web.url)
    folder = old.fetch("toy", Version("1.0.0"))
    old.record("udnie", Version("1.1.0"))
    time.sleep(2.1)

    def refused(error, reason):
        with pytest.warns(RegistryWarning), pytest.raises(error, match=reason):
            registry.source(web.url).fetch("udnie", Version("1.1.0"))
        with pytest.warns(RegistryWarning):
            assert registry.source(web.url).fetch("toy", Version("1.0.0")) == folder

    expired = r"udnie 1\.1\.0 is new to this machine, and the index that lists it has expired: .*"
    registry.newest("timestamp").write_text("junk")
    refused(RegistryFormatError, expired + "is not valid JSON")
    registry.newest("timestamp").unlink()
    refused(UnavailableError, expired + "is incomplete at the moment")
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    refused(OfflineError, r"udnie@1\.1\.0 is not in the cache.*stylezoo fetch udnie@1\.1\.0")


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_fault_40_old_parts_under_a_new_timestamp_are_refused(registry, refused, role):
    old = registry.newest(role).read_bytes()
    registry.publish("toy@3.0.0")
    registry.newest(role).write_bytes(old)
    refused((SignatureError, RollbackError))


def test_fault_40_parts_that_are_missing_leave_the_old_index_in_use(registry, known, location):
    index = known.index()
    registry.publish("toy@3.0.0")
    registry.newest("targets").unlink()
    with pytest.warns(RegistryWarning, match=r"targets\.json"):
        assert known.refresh().entries == index.entries
    with pytest.raises(UnavailableError, match="is incomplete at the moment"):
        registry.client(location, user="fresh").index()


@pytest.mark.parametrize(
    "swap",
    [
        lambda udnie, toy: shutil.copy(udnie, toy),
        lambda udnie, toy: toy.write_bytes(flipped(toy.read_bytes())),
        lambda udnie, toy: toy.write_bytes(toy.read_bytes() + b"x" * 5_000_000),
        lambda udnie, toy: toy.write_bytes(toy.read_bytes()[:-1]),
    ],
    ids=["udnie's", "a bit flipped", "too long", "too short"],
)
@pytest.mark.parametrize("file", ["model.safetensors", "style.toml"])
def test_fault_41_other_bytes_at_a_styles_address_are_refused(
    registry, location, known, tmp_path, unchanged, swap, file
):
    udnie = registry.folder / "styles" / "udnie" / "1.1.0" / file
    toy = registry.folder / "styles" / "toy" / "1.0.0" / file
    if file != "style.toml":
        udnie.write_bytes(flipped(udnie.read_bytes(), 7))
    swap(udnie, toy)
    source = registry.source(location)
    version = source.versions("toy")[0]
    with pytest.raises(IntegrityError):
        source.fetch("toy", version)
    store = tmp_path / "user" / "styles"
    assert not list(store.glob("*/style.toml"))
    assert not [p for p in (tmp_path / "user").rglob("*.part") if p.stat().st_size > 100_000]
    # The rest of the registry still works.
    assert source.fetch("toy", source.versions("toy")[1]).is_dir()


def flipped(content, place=5000):
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


BAD_NAMES = ["../x", "/x", "C:\\x", "CON", "a\0", "ａ", "x" * 10_000, "", "..", "A", "a b", "-a"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_fault_42_a_bad_name_is_refused_and_nobody_is_asked(registry, web, name):
    source = registry.source(web.url)
    source.refresh()
    asked = web.asked()
    with pytest.raises((InvalidSpecError, StyleNotFoundError)):
        resolve(StyleSpec.parse(name), {"web": source})
    assert source.versions(name) == []
    assert web.asked() == asked


@pytest.mark.parametrize("name", ["../x", "CON", "ａ", "x" * 100, "", "A"])
def test_fault_42_a_bad_name_in_a_signed_index_is_refused(registry, location, name):
    registry.resign_target(f"styles/{name}/1.0.0/style.toml")
    with pytest.raises(RegistryFormatError, match="index"):
        registry.client(location).index()


@pytest.mark.parametrize(
    ("custom", "field"),
    [
        ({"summary": "a\x1b[2J"}, "custom.summary"),
        ({"summary": "x" * 1001}, "custom.summary"),
        ({"summary": 3}, "custom.summary"),
        ({"tags": "test"}, "custom.tags"),
        ({"tags": ["x"] * 101}, "custom.tags"),
        ({"tags": [["x"]]}, r"custom.tags\[0\]"),
        ({"status": "superb"}, "custom.status"),
        ({"licence": "MIT\n"}, "custom.licence"),
        ({"licence": "x" * 101}, "custom.licence"),
        ({"licence": None}, "custom.licence"),
        ({"styles": [["a"]]}, r"custom.styles\[0\]"),
        ({"styles": [["../a", "A"]]}, r"custom.styles\[0\]"),
        ({"total_size": -1}, "custom.total_size"),
        ({"total_size": True}, "custom.total_size"),
        ({"total_size": 2**60}, "custom.total_size"),
        ({"repository": "../x", "commit": "0" * 40}, "custom.repository"),
        ({"repository": "alice/foo--bar", "commit": "0" * 40}, "custom.repository"),
        ({"repository": "owner/name", "commit": "main"}, "custom.commit"),
        ({"repository": "owner/name"}, "custom.commit"),
        ({"net": "os:system"}, "custom.net"),
    ],
)
def test_fault_42_values_of_a_signed_index_are_bounded(registry, custom, field):
    registry.resign_target("styles/evil/1.0.0/style.toml", **custom)
    with pytest.raises(RegistryFormatError, match=rf"'styles/evil/1\.0\.0/style\.toml': {field}: "):
        registry.client().index()


@pytest.mark.parametrize(
    "path", ["../model.safetensors", "/etc/hostname", "a\\\\b", "C:/x", "a/../b", "./a", "", "CON"]
)
def test_fault_43_a_record_with_a_path_that_leads_away_is_refused(
    registry, location, path, tmp_path
):
    registry.resign_record("toy", "1.0.0", 'path = "model.safetensors"', f'path = "{path}"')
    source = registry.source(location)
    with pytest.raises(RecordError, match=r"files\[\d\].path"):
        source.fetch("toy", source.versions("toy")[0])
    assert not list((tmp_path / "user").rglob("model.safetensors"))


@pytest.mark.parametrize("file", ["styles/toy/1.0.0/model.safetensors", "metadata/timestamp.json"])
@pytest.mark.parametrize(
    "replace",
    [
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
    ],
    ids=["link", "dangling link", "fifo", "folder"],
)
def test_fault_43_what_is_no_plain_file_is_refused(registry, tmp_path, file, replace):
    path = registry.folder / file
    path.unlink()
    replace(path)
    source = registry.source()
    with pytest.raises(RegistryFormatError, match=r"symbolic link|not a regular file"):
        source.fetch("toy", source.versions("toy")[0])
    assert not list((tmp_path / "user" / "styles").glob("*/style.toml"))


def test_fault_43_a_link_on_the_way_is_refused(registry, tmp_path):
    folder = registry.folder / "styles" / "toy"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    source = registry.source()
    with pytest.raises(RegistryFormatError, match="symbolic link"):
        source.record("toy", source.versions("toy")[0])


def test_fault_44_of_one_name_in_two_registries_the_order_decides(
    registry, tmp_path, toy_style, monkeypatch
):
    other = KeptRegistry(tmp_path / "other", toy_style, "toy@1.0.0 toy@3.0.0")
    edit_config(monkeypatch, tmp_path, first=registry, second=other)
    for order, expected in (("first,second", "2.0.0"), ("second,first", "3.0.0")):
        monkeypatch.setenv("STYLEZOO_REGISTRIES", order)
        sources = all_sources(stylezoo.Catalog())
        assert list(sources) == order.split(",")
        found = resolve(StyleSpec.parse("toy"), sources)
        assert (found.source, str(found.record.version)) == (order.split(",")[0], expected)
        toys = [style for style in list_sources(sources) if style.entry.name == "toy"]
        assert {style.source: style.taken for style in toys} == {
            order.split(",")[0]: True,
            order.split(",")[1]: False,
        }
    # A version that the first lacks is taken from the second, with a warning.
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "first,second")
    with pytest.warns(SourceWarning, match="is taken from 'second'; 'first'.* has toy only in"):
        found = resolve(StyleSpec.parse("toy@3"), all_sources(stylezoo.Catalog()))
    assert found.source == "second"


def edit_config(monkeypatch, tmp_path, **registries):
    from stylezoo.registry.config import write_registries

    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "config" / "registries.toml"))
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    write_registries({name: registry.config() for name, registry in registries.items()})


def test_fault_45_names_that_differ_only_in_case_are_refused(registry, toy_style, unchanged):
    candy = registry.style("candy@1.0.0")
    (registry.folder / "styles" / "Candy").mkdir()
    with unchanged(registry.folder):
        with pytest.raises(PublishError, match="Candy already exists and differs from candy"):
            add_style(registry.folder, candy)
        with pytest.raises(PublishError, match=r"Candy is not the name of a style.* lower case"):
            build_registry(registry.folder, registry.keys)
    edit(candy / "style.toml", 'name = "candy"', 'name = "Candy"')
    with (
        unchanged(registry.folder),
        pytest.raises(RecordError, match="'Candy' is not a style name"),
    ):
        add_style(registry.folder, candy)


def test_fault_45_on_the_command_line(registry, fails, unchanged):
    (registry.folder / "styles" / "TOY").mkdir()
    with unchanged(registry.folder):
        assert "lower case" in fails(
            "registry", "build", registry.folder, "--keys", "keys", cwd=registry.base
        )


def test_fault_46_a_record_that_names_something_to_import_is_refused(registry, location):
    registry.resign_record("toy", "1.0.0", 'name = "johnson"', 'name = "antigravity:fly"')
    source = registry.source(location)
    with pytest.raises(RecordError, match=r"net\.name: 'antigravity:fly' is not the name of a net"):
        source.fetch("toy", source.versions("toy")[0])
    registry.resign_record("toy", "2.0.0", "[net]", '[net]\nbuilder = "antigravity:fly"')
    with pytest.raises(RecordError, match=r"net\.builder: there is no such field"):
        source = registry.source(location, user="another")
        source.fetch("toy", source.versions("toy")[1])
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "arguments",
    ["width = 1000000000", "width = -1", 'width = "3"', "width = 1e9", "residual_blocks = -1"],
)
def test_fault_47_sizes_out_of_range_are_refused_before_memory_is_taken(
    toy_style, tmp_path, arguments
):
    style = shutil.copytree(toy_style, tmp_path / "toy")
    edit(style / "style.toml", "width = 4", arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with pytest.raises((OptionError, RecordError), match=arguments.split()[0]):
        stylezoo.load(style)
    assert time.perf_counter() - started < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 50_000  # kB


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("minimum_size = ", "minimum_size = -", "io.minimum_size"),
        ("stride = 4", "stride = 99999999999", "io.stride"),
        ("height = 64", "height = 100000", "test.height"),
        ('role = "weights"\nsize = ', 'role = "weights"\nsize = -', r"files\[0\].size"),
    ],
)
def test_fault_47_numbers_of_a_record_are_bounded(toy_style, tmp_path, old, new, field):
    style = shutil.copytree(toy_style, tmp_path / "toy")
    text = (style / "style.toml").read_text()
    assert re.search(rf"^{old}", text, flags=re.MULTILINE)
    text = re.sub(rf"^{old}", new, text, count=1, flags=re.MULTILINE)
    (style / "style.toml").write_text(text)
    with pytest.raises(RecordError, match=field):
        read_record(style)


def test_the_index_of_the_tests_is_what_clients_read(registry):
    """The attacks above start from a valid registry."""
    index = registry.client().index()
    assert {name: len(versions) for name, versions in index.entries.items()} == {
        "toy": 2,
        "udnie": 1,
    }
    custom = json.loads(registry.newest("targets").read_bytes())["signed"]["targets"]
    assert set(custom) == {
        f"styles/{one.name}/{one.version}/style.toml"
        for versions in index.entries.values()
        for one in versions
    }
    assert dataclasses.asdict(index.entries["udnie"][0])["summary"] == "Random weights, for tests"
