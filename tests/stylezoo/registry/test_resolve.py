"""From a name to a style folder."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from packaging.version import Version

from stylezoo.catalog import default_catalog
from stylezoo.errors import (
    InvalidSpecError,
    OfflineError,
    RecordError,
    SignatureError,
    StyleNotFoundError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import SourceWarning
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.resolve import resolve
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.state import source_states

EMBEDDED = next(iter(default_catalog().sources().values()))


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
    reason = r"toy 2\.0\.0 is taken from 'second'; 'first', which .*, has toy only in 1\.0\.0"
    with pytest.warns(SourceWarning, match=reason):
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
        "a@" + "9" * 5000,
        "a@>=" + "9" * 5000,
        "ä",
    ],
)
def test_specs_that_cannot_be_read(text):
    with pytest.raises(InvalidSpecError):
        StyleSpec.parse(text)


@pytest.mark.parametrize("text", ["./toy", "../toy", "a/b/c", "~/toy", ".", "toy.safetensors"])
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
    assert FolderSource(str(root)).versions("toy") == source.versions("toy")


def test_a_record_in_another_styles_folder_is_refused(zoo, tmp_path):
    source = zoo("a", "toy@1.0.0")
    (tmp_path / "a" / "toy").rename(tmp_path / "a" / "other")
    with pytest.raises(RecordError, match="name: it is 'toy' in a folder for 'other'"):
        found("other", a=source)


class Server(FolderSource):
    """A network source: it knows what it was last told, and asks again on refresh."""

    def __init__(self, root, error=None):
        super().__init__(root)
        self.error = error
        self.known = {}
        self.asked = 0

    def names(self):
        return sorted(self.known)

    def versions(self, name):
        return self.known.get(name, [])

    def folder(self, name, version):
        return self.root / name / str(version)

    def refresh(self):
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.known = {
            path.name: FolderSource.versions(self, path.name) for path in self.root.iterdir()
        }


def test_a_server_is_asked_only_for_what_nobody_knows(zoo, tmp_path):
    here, server = zoo("a", "toy@1.0.0"), Server(zoo("b", "other@1.0.0").root)
    assert found("toy", a=here, b=server) == ("a", "1.0.0")
    assert server.asked == 0
    assert found("other", a=here, b=server) == ("b", "1.0.0")
    assert server.asked == 1
    assert found("other", a=here, b=server) == ("b", "1.0.0")
    assert server.asked == 1


def test_what_a_silent_server_might_have_is_not_said_to_be_missing(zoo, tmp_path):
    here, silent = zoo("a", "great-wave@1.0.0"), Server(tmp_path, UnavailableError("no answer"))
    with pytest.raises(UnavailableError, match="no style 'great-wavr'; did you mean 'great-wave'"):
        found("great-wavr", a=here, b=silent)
    reason = r"no version 2; it has: 1\.0\.0; 'b' could not be searched: no answer"
    with pytest.raises(UnavailableError, match=reason):
        found("great-wave@2", a=here, b=silent)
    assert found("great-wave", b=silent, a=here) == ("a", "1.0.0")


def test_offline_says_what_to_run_when_online(zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    here, silent = zoo("a", "great-wave@1.0.0"), Server(tmp_path, OfflineError("offline"))
    for spec in ("other", "great-wave@2"):
        reason = rf"STYLEZOO_OFFLINE is set.*when online, unset it and run: stylezoo fetch {spec}$"
        with pytest.raises(OfflineError, match=reason):
            found(spec, a=here, b=silent)
    with pytest.raises(VersionNotFoundError):
        found("great-wave@2", a=here)


def test_what_comes_after_the_first_match_is_not_asked(zoo, tmp_path):
    class Forged(Server):
        def versions(self, name):
            raise SignatureError("signed by other keys")

    here = zoo("a", "toy@1.0.0")
    assert found("toy", a=here, b=Forged(tmp_path)) == ("a", "1.0.0")
    for spec in ("toy@2", "other"):
        with pytest.raises(SignatureError):
            found(spec, a=here, b=Forged(tmp_path))


def test_a_source_that_was_passed_over_is_named(zoo, tmp_path):
    class Unreachable(Server):
        def versions(self, name):
            raise UnavailableError("no answer")

    here = zoo("a", "toy@1.0.0")
    with pytest.warns(
        SourceWarning, match="'b', which comes before it, could not be searched: no answer"
    ):
        assert found("toy", b=Unreachable(tmp_path), a=here) == ("a", "1.0.0")


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A folder of styles we may not read; the error is faked, as root may read everything."""
    folder = tmp_path / "closed"
    folder.mkdir()
    entries = Path.iterdir

    def iterdir(path):
        if folder in (path, *path.parents):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return entries(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    return folder


def test_a_folder_that_may_not_be_read_stops_no_other_source(closed):
    sources = {"closed": FolderSource(closed), "embedded": EMBEDDED}
    states = source_states(sources)
    assert [state.state for state in states] == ["failed", "ok"]
    assert "cannot be read: Permission denied; ask its owner" in states[0].error
    with pytest.warns(SourceWarning, match="'closed', which comes before it, could not be"):
        assert found("udnie", **sources)[0] == "embedded"
    with pytest.raises(UnavailableError, match="'closed' could not be searched"):
        found("nothing", **sources)
    with pytest.raises(UnavailableError, match="cannot be read: Permission denied"):
        sources["closed"].refresh()  # as update does, which then goes on
