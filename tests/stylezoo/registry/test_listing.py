"""Listing several sources, and searching them by words."""

import shutil
import tomllib

import pytest
import tomli_w
from packaging.version import Version

from stylezoo.errors import SignatureError
from stylezoo.interfaces.source import RecordWarning, SourceWarning
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.listing import list_sources
from stylezoo.registry.search import search_styles


@pytest.fixture
def source(toy_style, tmp_path):
    """Make a source: source("a", "toy@1.0.0", summary="Waves")."""

    def make(folder, specs, **fields):
        for spec in specs.split():
            name, version = spec.split("@")
            target = tmp_path / folder / name / version
            shutil.copytree(toy_style, target)
            record = target / "style.toml"
            changed = {**tomllib.loads(record.read_text()), "name": name, "version": version}
            record.write_text(tomli_w.dumps({**changed, **fields}))
        return FolderSource(tmp_path / folder)

    return make


def test_each_source_lists_a_name_and_the_order_says_which_is_taken(source):
    first, second = source("a", "toy@1.0.0 zebra@1.0.0"), source("b", "toy@2.0.0 ant@0.1.0")
    listed = [
        (style.entry.name, str(style.entry.version), style.source, style.taken)
        for style in list_sources({"first": first, "second": second})
    ]
    assert listed == [
        ("ant", "0.1.0", "second", True),
        ("toy", "1.0.0", "first", True),
        ("toy", "2.0.0", "second", False),
        ("zebra", "1.0.0", "first", True),
    ]
    turned = list_sources({"second": second, "first": first})
    assert [str(style.entry.version) for style in turned if style.entry.name == "toy"] == [
        "2.0.0",
        "1.0.0",
    ]


def test_the_newest_version_is_listed_a_pre_release_only_if_there_is_no_other(source):
    made = source("a", "toy@1.9.0 toy@1.10.0 toy@2.0.0rc1 early@0.1.0rc1")
    versions = {entry.name: entry.version for entry in made.entries()}
    assert versions == {"toy": Version("1.10.0"), "early": Version("0.1.0rc1")}


def test_an_entry_says_what_the_record_says(source):
    made = source("a", "toy@1.0.0", tags=["sea", "blue"])
    (entry,) = made.entries()
    assert (entry.tags, entry.licence, entry.net) == (("sea", "blue"), "CC0-1.0", "johnson")
    assert (entry.status, entry.summary) == ("experimental", "Random weights, for tests")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("schema = 1\n", "name: it is missing"),
        (f"schema = 1\nseed = {'9' * 5000}\n", "it is not TOML: an integer has more than 64 bits"),
    ],
)
def test_a_broken_record_leaves_the_others(source, tmp_path, text, reason):
    made = source("a", "toy@1.0.0 other@1.0.0")
    (tmp_path / "a" / "toy" / "1.0.0" / "style.toml").write_text(text)
    with pytest.warns(RecordWarning, match=rf"a style is left out: .*style\.toml: {reason}"):
        assert [entry.name for entry in made.entries()] == ["other"]


def test_a_source_that_cannot_be_trusted_is_left_out_and_named(source):
    class Forged(FolderSource):
        def entries(self):
            raise SignatureError("signed by 0 of 1 keys")

    made = source("a", "toy@1.0.0")
    with pytest.warns(SourceWarning, match="'bad' is left out: signed by 0 of 1 keys"):
        listed = list_sources({"bad": Forged(made.root), "good": made})
    assert [(style.source, style.taken) for style in listed] == [("good", True)]


def names(found):
    return [style.entry.name for style in found]


def test_words_are_looked_for_in_names_summaries_and_tags(source):
    made = source("a", "sea-monster@1.0.0", summary="Waves")
    source("a", "plain@1.0.0", summary="A calm SEA")
    source("a", "tagged@1.0.0", tags=["sea", "night"])
    source("a", "other@1.0.0")
    listed = list_sources({"a": made})
    assert names(search_styles(listed, ["sea"])) == ["sea-monster", "plain", "tagged"]
    assert names(search_styles(listed, ["SEA", "night"])) == ["tagged"]
    assert names(search_styles(listed, ["sea"], tags=["night"])) == ["tagged"]
    assert names(search_styles(listed, tags=["nigh"])) == []
    assert names(search_styles(listed, licence="cc0-1.0")) == names(listed)
    assert names(search_styles(listed, licence="MIT")) == []
    assert names(search_styles(listed, net="magic")) == []


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (lambda self: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda self: None, "TypeError: 'NoneType' object is not iterable"),
        (lambda self: [7], "TypeError"),
    ],
)
def test_a_source_that_fails_costs_the_others_nothing(source, names, reason):
    good = source("a", "toy@1.0.0")
    broken = type("Broken", (FolderSource,), {"names": names})(good.root)
    with pytest.warns(SourceWarning, match=f"the source 'broken' is left out: {reason}"):
        listed = list_sources({"broken": broken, "good": good})
    assert [style.entry.name for style in listed] == ["toy"]


def test_a_source_that_lists_no_entries_costs_the_others_nothing(source):
    good = source("a", "toy@1.0.0")
    broken = type("Broken", (FolderSource,), {"entries": lambda self: ["toy"]})(good.root)
    with pytest.warns(SourceWarning, match="it lists 'toy', which is not a StyleEntry"):
        assert [one.source for one in list_sources({"broken": broken, "good": good})] == ["good"]
