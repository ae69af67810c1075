"""check_source: sound sources conform, and each seeded fault is correctly identified."""

import shutil
import sys

import pytest
from packaging.version import Version

from stylezoo import FolderSource
from stylezoo.errors import VersionNotFoundError
from stylezoo.testing import assert_conforms, check_source


@pytest.fixture(scope="module")
def styles(toy_style, tmp_path_factory):
    """A folder with one style in two versions."""
    root = tmp_path_factory.mktemp("source")
    shutil.copytree(toy_style, root / "toy" / "1.0.0")
    shutil.copytree(toy_style, root / "toy" / "1.1.0")
    record = root / "toy" / "1.1.0" / "style.toml"
    record.write_text(record.read_text().replace('version = "1.0.0"', 'version = "1.1.0"'))
    return root


def test_a_sound_source_conforms(styles):
    report = check_source(lambda: FolderSource(styles))
    assert_conforms(report)
    assert not report.findings
    assert len(report.checks) == 9


def not_sorted(source):
    source.names = lambda: ["toy", "abc"]


def badly_named(source):
    source.names = lambda: ["My Style"]


def named_twice(source):
    source.names = lambda: ["toy", "toy"]


def newest_first(source):
    versions = type(source).versions
    source.versions = lambda name: versions(source, name)[::-1]


def texts_for_versions(source):
    source.versions = lambda name: ["1.0.0"] if name == "toy" else []


def has_everything(source):
    source.versions = lambda name: [Version("1.0.0")]


def key_errors(source):
    records = {("toy", Version("1.0.0")): None, ("toy", Version("1.1.0")): None}
    record = type(source).record

    def look_up(name, version):
        _ = records[name, version]
        return record(source, name, version)

    source.record = look_up


def none_for_missing(source):
    folder = type(source).folder

    def find(name, version):
        try:
            return folder(source, name, version)
        except VersionNotFoundError:
            return None

    source.folder = find


def one_record_for_all(source):
    record = type(source).record(source, "toy", Version("1.0.0"))

    def look_up(name, version):
        if version not in source.versions(name):
            raise VersionNotFoundError("no")
        return record

    source.record = look_up


def folder_as_text(source):
    folder = type(source).folder
    source.folder = lambda name, version: str(folder(source, name, version))


def no_location(source):
    type(source).location = ""


def tells_nobody(source):
    source.fetch = lambda name, version: source.folder(name, version)


def has_junk_here(source):
    source.local_versions = lambda name: "junk"


def forgets_what_is_here(source):
    source.local_versions = lambda name: []


def is_elsewhere(source):
    source.local_folder = lambda name, version: source.root


def wants_to_know(source):
    source.refresh = lambda force: None


def lists_the_oldest(source):
    source.entries = lambda: [source.record("toy", Version("1.0.0")).entry]


FAULTS = [
    (tells_nobody, "fetching", "fetch.*takes 2 positional arguments but 3 were given"),
    (has_junk_here, "fetching", "it is 'junk'; it must be a list of some of versions"),
    (forgets_what_is_here, "fetching", "without 1.0.0, which was fetched"),
    (is_elsewhere, "fetching", r"local_folder.*it must be what folder\(\) returns"),
    (wants_to_know, "fetching", r"refresh\(\)\): it raises TypeError"),
    (lists_the_oldest, "entries", "has toy 1.0.0, but its newest version is 1.1.0"),
    (not_sorted, "names", r"returns \['toy', 'abc'\], which is not sorted"),
    (badly_named, "names", "'My Style' is not a valid style name"),
    (named_twice, "names", "lists toy more than once"),
    (newest_first, "versions", "it is 1.1.0, 1.0.0; the oldest must be first"),
    (texts_for_versions, "versions", "it must be a list of packaging.version.Version"),
    (has_everything, "versions", "not empty for a style that does not exist"),
    (key_errors, "missing", r"record\('toy', 9999\).*raises KeyError.*VersionNotFoundError"),
    (none_for_missing, "missing", r"folder\('toy', 9999\).*: it returns None"),
    (one_record_for_all, "records", r"record\('toy', 1.1.0\)\): it is the record of toy 1.0.0"),
    (folder_as_text, "folders", "it must be the Path of an existing folder"),
    (no_location, "names", "location is ''"),
]


@pytest.mark.parametrize(
    ("spoil", "check", "message"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS]
)
def test_a_seeded_fault_is_found(assert_found, styles, spoil, check, message):
    def make():
        own = type("Source", (FolderSource,), {})(styles)
        spoil(own)
        return own

    report = check_source(make)
    assert_found(report, check, message)


def test_files_that_are_not_the_records_are_found(styles, tmp_path):
    shutil.copytree(styles, tmp_path / "styles")
    (tmp_path / "styles" / "toy" / "1.1.0" / "README.md").write_text("changed")
    (finding,) = check_source(lambda: FolderSource(tmp_path / "styles")).errors
    assert finding.check == "folders"
    assert "README.md has 7 bytes" in finding.message


def test_a_source_that_is_none_or_cannot_be_made(styles):
    def needs_a_server():
        raise OSError("no route to host")

    assert "OSError: no route to host" in str(check_source(needs_a_server).errors[0])
    (error,) = check_source(lambda: "x").errors
    assert "returns a str, which is not a RegistrySource" in str(error)


def test_a_source_without_styles_is_advised(tmp_path):
    report = check_source(lambda: FolderSource(tmp_path))
    assert report.ok
    assert [finding.check for finding in report.findings] == ["names"]


@pytest.mark.parametrize(
    ("where", "place"), [("top", "heavy_source.py, line 2"), ("names", "heavy_source.py, line 9")]
)
def test_a_source_that_imports_torch_to_list_is_found(tmp_path, monkeypatch, where, place):
    text = [
        "from pathlib import Path",
        "import torch" if where == "top" else "",
        "from stylezoo import FolderSource",
        "",
        "class Heavy(FolderSource):",
        "    def __init__(self):",
        f"        super().__init__(Path({str(tmp_path)!r}))",
        "    def names(self):",
        "        import torch" if where == "names" else "        pass",
        "        return []",
    ]
    (tmp_path / "heavy_source.py").write_text("\n".join(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    import heavy_source

    report = check_source(heavy_source.Heavy)
    del sys.modules["heavy_source"]
    (finding,) = report.errors
    assert finding.check == "imports"
    assert "imports torch" in finding.message
    assert place in finding.message


@pytest.mark.parametrize("library", ["aiohttp", "boto3", "httpx", "urllib3"])
def test_a_source_that_imports_a_network_library_to_list_is_found(tmp_path, monkeypatch, library):
    text = [
        f"import {library}",
        "from pathlib import Path",
        "from stylezoo import FolderSource",
        "",
        "def distant():",
        f"    return FolderSource(Path({str(tmp_path)!r}))",
    ]
    (tmp_path / "distant_source.py").write_text("\n".join(text))
    # A stub, as these libraries need not be installed.
    (tmp_path / f"{library}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("distant_source", library):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import distant_source

    report = check_source(distant_source.distant)
    del sys.modules["distant_source"]
    (finding,) = report.errors
    assert finding.check == "imports"
    assert f"imports {library} (" in finding.message
