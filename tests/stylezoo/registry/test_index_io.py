"""Indexes: read from targets, and kept as a copy on this machine."""

from datetime import UTC, datetime, timedelta

import pytest
from packaging.version import Version

from stylezoo.errors import RegistryFormatError
from stylezoo.registry.index import Index
from stylezoo.registry.index_io import custom_of, read_copy, read_targets, target_path, write_copy

CUSTOM = {
    "summary": "Waves, after Hokusai",
    "tags": ["waves", "浮世絵"],
    "status": "stable",
    "licence": "CC0-1.0",
    "net": "johnson",
    "styles": [["great-wave", "The Great Wave"]],
    "total_size": 1_000_000,
}


def target(**custom):
    return 4000, "a" * 64, CUSTOM | custom


def index_of(*paths):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    entries = read_targets({f"styles/{path}/style.toml": target() for path in paths})
    return Index(entries=entries, expires=moment + timedelta(days=90), refreshed=moment)


def test_entries_are_by_name_with_their_versions_in_order():
    index = index_of("b/1.10.0", "a/1.0.0", "b/1.9.0", "b/2.0.0rc1")
    assert [str(version) for version in index.versions("b")] == ["1.9.0", "1.10.0", "2.0.0rc1"]
    assert [(one.name, str(one.version)) for one in index.newest()] == [
        ("a", "1.0.0"),
        ("b", "1.10.0"),
    ]
    assert index.versions("c") == []
    assert index.find("b", Version("1.9.0")).version == Version("1.9.0")
    assert index.find("b", Version("1.0.0")) is None


def test_all_of_an_entry_is_read():
    targets = {
        "styles/a/1.0.0/style.toml": target(repository="alice/a", commit="0123456789" * 4),
    }
    (entry,) = read_targets(targets)["a"]
    assert (entry.sha256, entry.size, entry.total_size) == ("a" * 64, 4000, 1_000_000)
    assert entry.styles == (("great-wave", "The Great Wave"),)
    assert entry.tags == ("waves", "浮世絵")
    assert (entry.repository, entry.commit) == ("alice/a", "0123456789" * 4)
    assert custom_of(entry) == targets["styles/a/1.0.0/style.toml"][2]
    assert target_path(entry.name, entry.version) == "styles/a/1.0.0/style.toml"


def test_a_licence_newer_than_the_list_that_is_installed_hides_no_style():
    targets = {
        "styles/a/1.0.0/style.toml": target(),
        "styles/b/1.0.0/style.toml": target(licence="CC-OF-2099-1.0"),
    }
    (entry,) = read_targets(targets)["b"]
    assert entry.licence == "CC-OF-2099-1.0"


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ({"styles/a/1.0.0/model.safetensors": target()}, "not of the form styles/NAME/VERSION/"),
        ({"other/a/1.0.0/style.toml": target()}, "not of the form"),
        ({"styles/a/1/0/style.toml": target()}, "not of the form"),
        ({"styles/a/one/style.toml": target()}, "'one' is not a version"),
        ({"styles/a/1.0+x/style.toml": target()}, "plain form"),
        ({"styles/a/01.0/style.toml": target()}, "plain form"),
        ({"styles/a/1.0.0/style.toml": (0, "a" * 64, CUSTOM)}, "length: "),
        ({"styles/a/1.0.0/style.toml": (10**9, "a" * 64, CUSTOM)}, "length: "),
        ({"styles/a/1.0.0/style.toml": (5, None, CUSTOM)}, "sha256: "),
        ({"styles/a/1.0.0/style.toml": (5, "A" * 64, CUSTOM)}, "sha256: "),
        ({"styles/a/1.0.0/style.toml": (5, "a" * 64, None)}, "custom: "),
        ({"styles/a/1.0/style.toml": target(), "styles/a/1.0.0/style.toml": target()}, "twice"),
    ],
)
def test_targets_that_are_no_styles_are_refused(targets, reason):
    with pytest.raises(RegistryFormatError, match=reason):
        read_targets(targets)


def test_too_many_styles_are_refused():
    with pytest.raises(RegistryFormatError, match="lists 100001 styles"):
        read_targets({str(number): target() for number in range(100_001)})


def test_a_copy_gives_the_index_back(tmp_path):
    index = index_of("b/1.10.0", "a/1.0.0", "b/1.9.0")
    write_copy(tmp_path / "index", index)
    assert read_copy(tmp_path / "index") == index


def test_a_damaged_copy_counts_as_none(tmp_path):
    path = tmp_path / "index"
    assert read_copy(path) is None
    write_copy(path, index_of("a/1.0.0"))
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert read_copy(path) is None
        path.write_bytes(good[:place])
        assert read_copy(path) is None
