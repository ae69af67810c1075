"""From a name to a style folder."""

import shutil

import pytest
from packaging.version import Version

from stylezoo.errors import (
    InvalidSpecError,
    RecordError,
    StyleNotFoundError,
    VersionNotFoundError,
)
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.resolve import resolve
from stylezoo.registry.spec import StyleSpec


@pytest.fixture
def zoo(toy_style, tmp_path):
    """Make a source that holds these styles: zoo("a", "toy@1.0.0 toy@2.0.0")."""

    def make(folder, specs):
        for spec in specs.split():
            name, version = spec.split("@")
            target = tmp_path / folder / name / version
            shutil.copytree(toy_style, target)
            record = target / "style.toml"
            text = record.read_text().replace('name = "toy"', f'name = "{name}"')
            record.write_text(text.replace('version = "1.0.0"', f'version = "{version}"'))
        return FolderSource(tmp_path / folder)

    return make


def found(spec, **sources):
    result = resolve(StyleSpec.parse(spec), sources)
    return result.source, str(result.record.version)


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("toy", "2.1.0"),
        ("toy@1", "1.9.0"),
        ("toy@1.2", "1.2.5"),
        ("toy@1.2.0", "1.2.0"),
        ("toy@2", "2.1.0"),
        ("toy@>=1,<2", "1.9.0"),
        ("toy@~=1.2.0", "1.2.5"),
        ("toy@!=2.1.0", "1.9.0"),
        ("toy@3.0.0rc1", "3.0.0rc1"),
    ],
)
def test_the_newest_version_in_the_range_is_taken(zoo, spec, version):
    versions = "toy@1.2.0 toy@1.2.5 toy@1.9.0 toy@2.1.0 toy@3.0.0rc1 toy@1.0.0"
    assert found(spec, only=zoo("a", versions)) == ("only", version)


def test_the_first_source_with_a_match_wins_even_if_another_is_newer(zoo):
    first, second = zoo("a", "toy@1.0.0"), zoo("b", "toy@2.0.0 other@1.0.0")
    assert found("toy", first=first, second=second) == ("first", "1.0.0")
    assert found("toy@2", first=first, second=second) == ("second", "2.0.0")
    assert found("other", first=first, second=second) == ("second", "1.0.0")


def test_unknown_names_are_answered_with_a_near_one(zoo):
    source = zoo("a", "great-wave@1.0.0")
    with pytest.raises(StyleNotFoundError, match="'great-wavr'; did you mean 'great-wave'"):
        found("great-wavr", a=source)
    with pytest.raises(StyleNotFoundError, match="see: stylezoo list"):
        found("zzz", a=source)


def test_unknown_versions_are_answered_with_those_there_are(zoo):
    with pytest.raises(VersionNotFoundError, match=r"no version 3; it has: 1\.0\.0, 2\.0\.0"):
        found("toy@3", a=zoo("a", "toy@2.0.0 toy@1.0.0"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Great",
        "great_wave",
        "a--b",
        "-a",
        "CON",
        "con",
        "ａ",
        "a\x00",
        "a b",
        "a@",
        "a@b",
        "a@>",
        "a@1.x",
        "ä",
    ],
)
def test_specs_that_cannot_be_read(text):
    with pytest.raises(InvalidSpecError):
        StyleSpec.parse(text)


@pytest.mark.parametrize("text", ["./toy", "../toy", "a/b", "~/toy", ".", "toy.safetensors"])
def test_specs_that_are_paths(text):
    spec = StyleSpec.parse(text)
    assert spec.name is None
    assert spec.path is not None


def test_paths_lead_to_folders_with_a_record(toy_style, tmp_path):
    result = resolve(StyleSpec.parse(toy_style), {})
    assert (result.record.name, result.source) == ("toy", None)
    with pytest.raises(StyleNotFoundError, match="does not exist"):
        resolve(StyleSpec.parse(tmp_path / "nowhere"), {})
    with pytest.raises(StyleNotFoundError, match=r"holds no style\.toml"):
        resolve(StyleSpec.parse(tmp_path), {})


def test_a_folder_source_passes_over_what_is_no_style(zoo, tmp_path):
    source = zoo("a", "toy@1.0.0")
    root = tmp_path / "a"
    (root / "README.md").write_text("x")
    (root / "Not A Style" / "1.0.0").mkdir(parents=True)
    (root / "toy" / "draft").mkdir()
    (root / "toy" / "2.0.0").mkdir()  # no record in it
    (root / "empty").mkdir()
    (root / "link").symlink_to("toy")
    (root / "toy" / "3.0.0").symlink_to("1.0.0")
    assert source.names() == ["toy"]
    assert source.versions("toy") == [Version("1.0.0")]
    assert source.versions("../a/toy") == []
    assert FolderSource(tmp_path / "nowhere").names() == []


def test_a_record_in_another_styles_folder_is_refused(zoo, tmp_path):
    source = zoo("a", "toy@1.0.0")
    (tmp_path / "a" / "toy").rename(tmp_path / "a" / "other")
    with pytest.raises(RecordError, match="name: it is 'toy' in a folder for 'other'"):
        found("other", a=source)
