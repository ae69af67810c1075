"""Adapters on a pack of the Hub: their record names its repository, where it is found."""

import dataclasses
import json
import shutil

import pytest
import torch
from packaging.version import Version
from safetensors.torch import load_file

import stylezoo
from stylezoo.cache import cache_dir
from stylezoo.check import check_style_folder
from stylezoo.errors import IntegrityError, RecordError, StyleNotFoundError
from stylezoo.interfaces.source import SourceWarning
from stylezoo.registry.contents import read_contents
from stylezoo.registry.record import Base
from stylezoo.registry.record_io import read_record, render_record
from stylezoo.registry.store import Store
from stylezoo.train.style import TrainingFolders
from tests.catalogs import catalog_with
from tests.kept_registry import KeptRegistry
from tests.tiny_packs import config, description

PACK = "alice/colours"


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def pack(hub, registry):
    """The pack's folder; it is on the Hub as alice/colours."""
    folder = registry / "colours" / "1.0.0"
    hub.add(PACK, files_of(folder), tag="v1.0.0")
    return folder


def based_on(adapter, folder, repository):
    """A copy of an adapter that names a repository."""
    shutil.copytree(adapter, folder)
    record = read_record(folder)
    base = dataclasses.replace(record.base, repository=repository)
    record = dataclasses.replace(record, base=base)
    (folder / "style.toml").write_text(render_record(record))
    return folder


@pytest.fixture
def adapter(registry, pack, tmp_path):
    """The folder of an adapter that names the repository of its base."""
    return based_on(registry / "greens" / "1.0.0", tmp_path / "styles" / "greens", PACK)


def test_a_training_names_the_repository_of_its_base_and_whoever_loads_it_finds_that(
    hub, pack, material, tmp_path, monkeypatch
):
    trained = stylezoo.train_style(
        config(material, "greens", base=f"{PACK}:reds", only_norm=True, steps=1),
        description("greens", "greens"),
        TrainingFolders(output=tmp_path / "greens"),
    )
    assert trained.record.base.repository == PACK
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "another-cache"))
    state = stylezoo.load(tmp_path / "greens").net.state_dict()
    for name, tensor in load_file(pack / "model.safetensors").items():
        if tensor.shape[:1] != (2,):
            assert torch.equal(state[name], tensor.float()), name
    hub.log.clear()
    stylezoo.load(tmp_path / "greens")
    assert hub.requests == []


def test_a_base_that_is_damaged_in_the_cache_is_fetched_again(adapter):
    stylezoo.load(adapter)
    (stored,) = Store().entries()
    weights = stored.folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.chmod(0o644)
    weights.write_bytes(content)
    with pytest.warns(SourceWarning, match="'the cache' was skipped for colours@1.0.0"):
        stylezoo.load(adapter)
    Store().check(stored.sha256)


def test_a_registry_that_cannot_be_trusted_hides_no_base(adapter, toy_style, tmp_path):
    forged = KeptRegistry(tmp_path / "forged", toy_style)
    forged.root = KeptRegistry(tmp_path / "trusted", toy_style).root
    catalog = catalog_with("sources", "forged", forged.source)
    with pytest.warns(SourceWarning, match="'forged' was skipped for colours@1.0.0"):
        assert stylezoo.load(adapter, catalog=catalog).record.name == "greens"


def test_other_weights_of_the_base_are_not_pinned(hub, shadow, registry, tmp_path):
    """Nobody used them; and the owner may put the tag right."""
    right, wrong = (root / "colours" / "1.0.0" for root in (registry, shadow))
    hub.add("carol/colours", files_of(wrong), tag="v1.0.0")
    folder = based_on(registry / "greens" / "1.0.0", tmp_path / "greens", "carol/colours")
    with pytest.raises(IntegrityError, match=r"builds on carol/colours@1\.0\.0 with weights"):
        stylezoo.load(folder)
    pins = json.loads((cache_dir() / "hub" / "carol--colours.json").read_text())
    assert not pins["pins"]
    commit = hub.add("carol/colours", files_of(right))
    hub.repositories["carol/colours"].tags["v1.0.0"] = commit
    assert stylezoo.load(folder).record.name == "greens"


def test_what_is_in_the_cache_is_asked_before_any_source(adapter, tmp_path):
    """A registry that was never reached would be waited for at each load."""
    asked = []

    class Source(stylezoo.FolderSource):
        def versions(self, name):
            asked.append(name)
            return super().versions(name)

    catalog = catalog_with("sources", "slow", lambda: Source(tmp_path))
    for expected in (["colours"], []):
        asked.clear()
        stylezoo.load(adapter, catalog=catalog)
        assert asked[:1] == expected


@pytest.mark.parametrize("repository", ["alice/x.safetensors", "alice", "../alice/ink"])
def test_only_a_repository_is_one(adapter, repository):
    text = (adapter / "style.toml").read_text()
    (adapter / "style.toml").write_text(text.replace(PACK, repository))
    with pytest.raises(RecordError, match=r"base\.repository: .* is not a repository on the Hub"):
        stylezoo.load(adapter)
    assert "base.repository" in {finding.where for finding in check_style_folder(adapter).errors}


def test_a_folder_of_the_repositorys_name_is_not_meant(adapter, tmp_path, monkeypatch):
    (tmp_path / PACK).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert stylezoo.load(adapter).record.name == "greens"


def test_a_repository_that_is_gone_is_named(hub, adapter):
    del hub.repositories[PACK]
    with pytest.raises(StyleNotFoundError, match=r"builds on alice/colours@1\.0\.0, which is miss"):
        stylezoo.load(adapter)


def test_a_registry_may_hold_the_adapter_alone_or_beside_another_pack_of_the_name(
    adapter, shadow, tmp_path
):
    root = tmp_path / "registry" / "styles"
    shutil.copytree(adapter, root / "greens" / "1.0.0")
    assert read_contents(root).bases_elsewhere == ()
    shutil.copytree(shadow / "colours" / "1.0.0", root / "colours" / "1.0.0")
    assert read_contents(root).bases_elsewhere == ()


def test_the_spec_of_a_base_is_what_fetches_it():
    base = {"name": "colours", "version": Version("1.0.0"), "sha256": "0" * 64}
    assert Base(**base).spec == "colours@1.0.0"
    assert Base(**base, repository=PACK).spec == "alice/colours@1.0.0"
