"""The plugin conforms to its interface, and the source does what it should."""

import zipfile

import pytest

import stylezoo
from stylezoo.testing import PluginConformance


class TestPlugin(PluginConformance):
    """Runs the conformance kit on everything that the plugin registers."""

    plugin = "stylezoo-new-name"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An archive containing one of stylezoo's own styles."""
    record = stylezoo.load("great-wave").record
    embedded = stylezoo.Catalog.discover().sources()["embedded"]
    folder = embedded.folder(record.name, record.version)
    with zipfile.ZipFile(tmp_path / "styles.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"{record.name}/{record.version}/{path.name}")
        archive.writestr("../outside.txt", "must not come out")
    monkeypatch.setenv("STYLEZOO_NEW_NAME_ARCHIVE", str(tmp_path / "styles.zip"))
    return record


def test_the_styles_of_the_archive_are_there(archive):
    source = stylezoo.Catalog.discover().sources()["new-name"]
    assert source.names() == [archive.name]
    assert source.versions(archive.name) == [archive.version]
    assert source.record(archive.name, archive.version) == archive
    assert (source.folder(archive.name, archive.version) / "style.toml").is_file()
    assert source.versions("no-such-style") == []
