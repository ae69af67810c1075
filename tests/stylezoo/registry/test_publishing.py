"""Publishing: what is sent, what is left alone, what is refused."""

import dataclasses
import shutil

import pytest

from stylezoo.errors import OfflineError, OptionError, PublishError
from stylezoo.registry.folder import FolderSource
from stylezoo.registry.publishing import Destination, publish_style
from stylezoo.registry.record_io import read_record, render_record

TOKEN = "hf_secretsecret"
INK = Destination(repository="org/ink")


@pytest.fixture
def hub(hub, monkeypatch):
    hub.token = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


@pytest.fixture
def variant(toy_style, tmp_path):
    """Make a variant of the toy style: variant("toy", "1.1.0")."""

    def make(name, version, *, without=()):
        folder = tmp_path / "variants" / name / version
        shutil.copytree(toy_style, folder)
        text = (folder / "style.toml").read_text().replace('name = "toy"', f'name = "{name}"')
        (folder / "style.toml").write_text(text.replace('"1.0.0"', f'"{version}"'))
        record = read_record(folder)
        files = tuple(file for file in record.files if file.role not in without)
        (folder / "style.toml").write_text(render_record(dataclasses.replace(record, files=files)))
        return folder

    return make


def names(hub, revision):
    repository = hub.repositories["org/ink"]
    return set(repository.commits[repository.resolve(revision)])


def test_places():
    assert Destination.parse("hub:org/ink") == INK
    assert str(Destination.parse("folder:zoo/a")) == "folder:zoo/a"
    for text in ("org/ink", "hub:", "hub:a/b/c", "hub:a", "folder:", "zoo", ""):
        with pytest.raises(OptionError, match=r"hub:owner/name"):
            Destination.parse(text)


def test_only_what_the_record_lists_goes_to_the_hub(hub, toy_style, tmp_path):
    folder = tmp_path / "style"
    shutil.copytree(toy_style, folder)
    (folder / "secret.txt").write_text("mine")
    told = publish_style(folder, INK)
    listed = {"style.toml", *(file.path for file in read_record(folder).files)}
    assert set(told.files) == listed
    assert names(hub, "v1.0.0") == {".gitattributes", *listed}


def test_versions_follow_each_other_and_files_that_go_are_gone(hub, variant):
    publish_style(variant("toy", "1.0.0"), INK)
    hub.add("org/ink", {"NOTES.md": b"the owner's own"})
    publish_style(variant("toy", "1.1.0", without=("card",)), INK)
    assert "README.md" in names(hub, "v1.0.0")
    assert "README.md" not in names(hub, "v1.1.0")
    assert "NOTES.md" in names(hub, "v1.1.0")


def test_large_files_that_are_there_are_not_sent_again(hub, variant):
    publish_style(variant("toy", "1.0.0"), INK)
    hub.log.clear()
    publish_style(variant("toy", "1.1.0"), INK)
    assert hub.log.lines("PUT") == []


def test_a_repository_of_something_else_is_refused(hub, toy_style, variant):
    hub.add("org/ink", {"config.json": b"{}", "README.md": b"# A language model"})
    with pytest.raises(PublishError, match=r"holds something else \(config\.json\)"):
        publish_style(toy_style, INK)
    hub.add("org/other", {"style.toml": (toy_style / "style.toml").read_bytes()})
    with pytest.raises(PublishError, match="holds the style 'toy'"):
        publish_style(variant("ink", "1.0.0"), Destination(repository="org/other"))
    hub.add("org/broken", {"style.toml": b"schema = 99"})
    with pytest.raises(PublishError, match="that this stylezoo cannot read"):
        publish_style(toy_style, Destination(repository="org/broken"))


def test_a_public_repository_is_not_taken_for_a_private_one(hub, toy_style):
    hub.add("org/ink", {})
    with pytest.raises(PublishError, match="exists and is public"):
        publish_style(toy_style, INK, private=True)


def test_a_dry_run_refuses_what_the_run_would(hub, toy_style):
    hub.add("org/ink", {"style.toml": b"other"}, tag="v1.0.0")
    with pytest.raises(PublishError, match="a version never changes"):
        publish_style(toy_style, INK, dry_run=True)
    told = publish_style(toy_style, Destination(repository="org/new"), dry_run=True)
    assert (told.status, told.commit) == ("new", None)
    assert "org/new" not in hub.repositories


def test_publishing_offline_is_refused_at_once(hub, toy_style, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OfflineError, match="which HF_HUB_OFFLINE forbids; unset it"):
        publish_style(toy_style, INK)
    assert hub.requests == []


def test_progress_is_told_of_every_file(hub, toy_style):
    done = []
    told = publish_style(toy_style, INK, progress=lambda: done.append(1))
    assert len(done) == len(told.files)


def test_a_folder_takes_a_version_once(toy_style, variant, tmp_path):
    place = Destination(folder=tmp_path / "zoo")
    assert publish_style(toy_style, place, dry_run=True).status == "new"
    assert not (tmp_path / "zoo").exists()
    assert publish_style(toy_style, place).status == "published"
    assert publish_style(toy_style, place).status == "unchanged"
    assert publish_style(toy_style, place, dry_run=True).status == "unchanged"
    assert publish_style(variant("toy", "1.1.0"), place).status == "published"
    source = FolderSource(tmp_path / "zoo")
    assert [str(version) for version in source.versions("toy")] == ["1.0.0", "1.1.0"]

    changed = variant("toy", "1.0.0", without=("card",))
    for dry_run in (True, False):
        with pytest.raises(PublishError, match="a version never changes"):
            publish_style(changed, place, dry_run=dry_run)
    (tmp_path / "zoo" / "Toy2").mkdir()
    with pytest.raises(PublishError, match="differs from toy2 only in case"):
        publish_style(variant("toy2", "1.0.0"), place)


def test_a_signed_registry_takes_a_style_among_its_styles(toy_style, tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "1.root.json").write_text("{}")
    told = publish_style(toy_style, Destination(folder=tmp_path))
    assert told.spec == "toy@1.0.0"
    assert (tmp_path / "styles" / "toy" / "1.0.0" / "style.toml").is_file()


def test_a_style_called_metadata_makes_no_signed_registry_of_a_folder(variant, tmp_path):
    place = Destination(folder=tmp_path / "zoo")
    for name in ("metadata", "toy"):
        publish_style(variant(name, "1.0.0"), place)
    assert FolderSource(tmp_path / "zoo").names() == ["metadata", "toy"]
