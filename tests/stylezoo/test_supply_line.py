"""The supply line from end to end: a registry on a server, a Hub, and a user with a cache."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
import tomllib

import pytest
import torch
from click.testing import CliRunner

import stylezoo
from stylezoo.catalog import default_catalog
from stylezoo.cli import cli
from stylezoo.errors import (
    IntegrityError,
    LockFileError,
    OfflineError,
    StyleNotFoundError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import SourceWarning
from stylezoo.registry.store import Store
from stylezoo.sheet import styles_for_sheet
from tests.faults.server import FileServer
from tests.signed_registry import SignedRegistry, copy_style, run


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user with an empty cache and no registries."""
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "registries.toml"))
    monkeypatch.delenv("STYLEZOO_OFFLINE", raising=False)
    monkeypatch.delenv("STYLEZOO_REGISTRIES", raising=False)


@pytest.fixture
def server():
    with FileServer() as server:
        yield server


@pytest.fixture
def registry(toy_style, tmp_path, server, user):
    """A registry with toy 1.0.0 and sea 0.9.0, added by the user as "museum"."""
    made = SignedRegistry(tmp_path / "made")
    sea = copy_style(toy_style, tmp_path, "sea", "0.9.0", summary="Waves", tags=["water"])
    made.add(toy_style, sea)
    made.serve(server)
    run("registries", "add", server.url, "--root", made.root, "--name", "museum", "--json")
    server.log.requests.clear()
    return made


def test_list_and_search_show_what_the_registry_has_without_asking_it(registry, server):
    listed = {style["name"]: style for style in json.loads(run("list", "--json"))}
    assert (listed["toy"]["source"], listed["toy"]["version"]) == ("museum", "1.0.0")
    assert listed["great-wave"]["source"] == "embedded"
    found = json.loads(run("search", "WAVES", "--tag", "water", "--json"))
    assert [style["name"] for style in found] == ["sea"]
    assert server.log.requests == []


def test_info_fetches_the_record_alone(registry, server):
    known = json.loads(run("info", "toy", "--json"))
    assert (known["source"], known["folder"], known["version"]) == ("museum", None, "1.0.0")
    assert "source: museum (not fetched)" in run("info", "toy")
    assert [request.path for request in server.log.requests] == ["/styles/toy/1.0.0/style.toml"]
    run("fetch", "toy")
    assert json.loads(run("info", "toy", "--json"))["folder"] is not None


def test_what_was_fetched_works_without_any_request(registry, server, monkeypatch, astronaut):
    fetched = json.loads(run("fetch", "toy", "--json"))["fetched"]
    assert [(style["name"], style["source"]) for style in fetched] == [("toy", "museum")]
    assert server.log.requests != []
    server.log.requests.clear()
    for variable in (None, "STYLEZOO_OFFLINE", "HF_HUB_OFFLINE"):
        if variable is not None:
            monkeypatch.setenv(variable, "1")
        style = stylezoo.load("toy@1")
        assert style(astronaut).size == (512, 512)
        run("info", "toy")
        run("lock", "toy", "-o", registry.folder.parent / "stylezoo.lock", "--overwrite")
    assert server.log.requests == []


def test_offline_what_is_missing_says_what_to_run_and_nothing_is_asked(
    registry, server, monkeypatch
):
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    started = time.perf_counter()
    for spec, command in (("toy", "toy@1.0.0"), ("toy@2", "toy@2"), ("nothing", "nothing")):
        with pytest.raises(OfflineError, match=f"unset .* and run: stylezoo fetch {command}$"):
            stylezoo.load(spec)
    assert server.log.requests == []
    assert time.perf_counter() - started < 5


def test_a_version_that_is_new_is_found_by_update_and_by_asking_for_it(
    registry, server, toy_style, tmp_path
):
    run("fetch", "toy")
    registry.add(copy_style(toy_style, tmp_path, "toy", "1.1.0"))
    registry.serve(server)
    assert str(stylezoo.load("toy").record.version) == "1.0.0"
    report = json.loads(run("update", "--json"))
    update = {"name": "toy", "here": "1.0.0", "newest": "1.1.0", "source": "museum"}
    assert report == {"updates": [update], "withdrawn": [], "moved": [], "failed": []}
    assert str(stylezoo.load("toy").record.version) == "1.1.0"
    registry.add(copy_style(toy_style, tmp_path, "toy", "1.2.0"))
    registry.serve(server)
    assert str(stylezoo.load("toy@1.2.0").record.version) == "1.2.0"
    with pytest.raises(VersionNotFoundError, match=r"no version 9; it has: 1\.0\.0, 1\.1\.0, 1\.2"):
        stylezoo.load("toy@9")
    with pytest.raises(StyleNotFoundError, match="did you mean 'toy'"):
        stylezoo.load("toys")


def test_a_locked_style_is_the_same_when_the_registry_goes_on(
    registry, server, toy_style, tmp_path
):
    lock = tmp_path / "stylezoo.lock"
    run("lock", "toy", "-o", lock)
    registry.add(copy_style(toy_style, tmp_path, "toy", "1.1.0"))
    registry.serve(server)
    run("update")
    assert str(stylezoo.load("toy").record.version) == "1.1.0"
    assert str(stylezoo.load("toy", locked=lock).record.version) == "1.0.0"
    fetched = json.loads(run("fetch", "--locked", lock, "--json"))["fetched"]
    assert [style["version"] for style in fetched] == ["1.0.0"]


def test_a_plain_folder_is_a_registry_by_the_variable_alone(user, toy_style, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_REGISTRIES", f"mine={toy_style.parents[1]}")
    assert stylezoo.load("toy").record.name == "toy"
    assert "toy" in {entry.name for entry in stylezoo.list_styles()}
    assert styles_for_sheet(["toy"]) == ["toy"]
    assert "toy" not in styles_for_sheet()


def test_a_repository_on_the_hub_is_pinned_and_its_moved_tag_reported(
    hub, user, toy_style, tmp_path, monkeypatch
):
    files = {path.name: path.read_bytes() for path in toy_style.iterdir()}
    first = hub.add("alice/ink", files, tag="v1.0.0")
    assert stylezoo.load("alice/ink@1").record.name == "toy"
    lock = tmp_path / "stylezoo.lock"
    run("lock", "alice/ink", "-o", lock)
    asked = len(hub.requests)
    assert stylezoo.load("alice/ink", locked=lock).record.name == "toy"
    assert stylezoo.load("alice/ink").record.name == "toy"
    assert len(hub.requests) == asked

    listed = {style["name"]: style["source"] for style in json.loads(run("list", "--json"))}
    assert listed["alice/ink"] == "hub:alice/ink"
    assert len(hub.requests) == asked

    newer = copy_style(toy_style, tmp_path, "toy", "1.1.0")
    changed = {path.name: path.read_bytes() for path in newer.iterdir()}
    second = hub.add("alice/ink", changed, tag="v1.1.0")
    hub.repositories["alice/ink"].tags["v1.0.0"] = second
    report = json.loads(run("update", "--json"))
    assert [(u["name"], u["newest"]) for u in report["updates"]] == [("alice/ink", "1.1.0")]
    (moved,) = report["moved"]
    assert (moved["version"], moved["pinned"], moved["found"]) == ("1.0.0", first, second)
    assert str(stylezoo.load("alice/ink@1.0.0").record.version) == "1.0.0"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert str(stylezoo.load("alice/ink").record.version) == "1.0.0"
    with pytest.raises(OfflineError, match="stylezoo fetch bob/oil"):
        stylezoo.load("bob/oil")


def test_updates_that_cannot_be_asked_for_are_an_error(registry, server, monkeypatch):
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    done = CliRunner().invoke(cli, ["update"])
    assert done.exit_code == 1
    assert (
        "error: museum: a newer index of the registry 'museum' is not in the cache" in done.stderr
    )
    assert server.log.requests == []


SIXTEEN = """
import hashlib, os, sys
import torch, stylezoo, requests
torch.set_num_threads(1)
children = []
for number in range(16):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            styled = stylezoo.load("alice/ink@1")(torch.full((3, 32, 32), 0.25))
            digest = hashlib.sha256(styled.numpy().tobytes()).hexdigest()
            os.write(1, f"{digest}\\n".encode())
            code = 0
        finally:
            os._exit(code)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_sixteen_processes_load_a_cold_style_by_one_download(hub, user, toy_style):
    files = {path.name: path.read_bytes() for path in toy_style.iterdir()}
    hub.add("alice/ink", files, tag="v1.0.0")
    done = subprocess.run([sys.executable, "-c", SIXTEEN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    torch.set_num_threads(1)
    styled = stylezoo.load(toy_style)(torch.full((3, 32, 32), 0.25))
    expected = hashlib.sha256(styled.numpy().tobytes()).hexdigest()
    assert done.stdout.split() == [expected] * 16
    assert len(hub.log.lines(r"^GET .*/resolve/.*model\.safetensors")) == 1


def test_a_registry_that_is_gone_is_missed_by_update_alone(registry, server):
    server.files.clear()
    done = CliRunner().invoke(cli, ["update"])
    assert done.exit_code == 1
    assert "error: museum: the registry 'museum'" in done.stderr
    assert "toy" in run("list")
    reason = r"no style 'toys'; did you mean 'toy'\?; 'museum' could not be searched: the registry"
    with pytest.raises(UnavailableError, match=reason):
        stylezoo.load("toys")


def test_one_style_that_cannot_be_fetched_does_not_stop_the_others(registry):
    done = CliRunner().invoke(cli, ["fetch", "nothing", "toy", "sea@9", "--json"])
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert [style["name"] for style in report["fetched"]] == ["toy"]
    assert [style["style"] for style in report["failed"]] == ["nothing", "sea@9"]
    errors = done.stderr.splitlines()
    assert errors[0].startswith("error: there is no style 'nothing'")
    assert errors[1].startswith("error: sea has no version 9; it has: 0.9.0")
    assert CliRunner().invoke(cli, ["fetch"]).exit_code == 2


def test_an_adapter_is_fetched_with_its_base(user, tmp_path, monkeypatch):
    styles = next(iter(default_catalog().sources().values())).root
    shared = SignedRegistry(tmp_path / "shared")
    shared.add(styles / "museum" / "1.0.0", styles / "udnie" / "1.1.0")
    run("registries", "add", shared.folder, "--root", shared.root, "--name", "shared")
    config = tmp_path / "registries.toml"
    config.write_text(config.read_text() + '\n[[registries]]\nname = "embedded"\n')
    run("fetch", "udnie")
    kept = {record.parent for record in (tmp_path / "cache" / "styles").glob("*/style.toml")}
    assert len(kept) == 2
    shutil.rmtree(shared.folder)
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    assert stylezoo.load("udnie").record.name == "udnie"


def a_pack_and_an_adapter(folder):
    """Copies of curated ones, under names that no style of the package has."""
    styles = next(iter(default_catalog().sources().values())).root
    adapter = styles / "udnie" / "1.1.0"
    base = {**tomllib.loads((adapter / "style.toml").read_text())["base"], "name": "gallery"}
    return (
        copy_style(styles / "museum" / "1.0.0", folder, "gallery", "1.0.0"),
        copy_style(adapter, folder, "facets", "1.1.0", base=base),
    )


def stored_weights(name):
    (style,) = [style for style in Store().entries() if style.record.name == name]
    return style.folder / "model.safetensors"


def test_verify_judges_the_base_of_an_adapter_and_mends_nothing(registry, server, tmp_path):
    registry.add(*a_pack_and_an_adapter(tmp_path))
    registry.serve(server)
    run("update")
    run("fetch", "facets")
    server.log.requests.clear()
    assert run("verify", "facets").startswith("facets 1.1.0 (cache): intact")
    weights = stored_weights("gallery")
    broken = bytes(weights.stat().st_size)
    weights.write_bytes(broken)
    done = CliRunner().invoke(cli, ["verify", "facets"])
    assert done.exit_code == 1
    assert f"error: facets 1.1.0 (cache): {weights} has the sha256" in done.stderr
    assert done.stderr.endswith("; run: stylezoo fetch facets@1.1.0\n")
    assert weights.read_bytes() == broken
    shutil.rmtree(weights.parent)
    done = CliRunner().invoke(cli, ["verify", "facets"])
    assert done.exit_code == 1
    assert "is not on this machine; run: stylezoo fetch gallery@1.0.0" in done.stderr
    assert server.log.requests == []
    run("fetch", "facets")
    run("verify", "facets")


def test_a_withdrawn_version_is_had_by_its_hash_alone(registry, server, tmp_path, monkeypatch):
    registry.add(*a_pack_and_an_adapter(tmp_path))
    registry.serve(server)
    run("update")
    run("fetch", "facets", "toy")
    lock = tmp_path / "stylezoo.lock"
    run("lock", "toy", "-o", lock)
    for name in ("gallery", "toy"):
        (registry.folder / "styles" / name).rename(tmp_path / name)
    registry.build()
    registry.serve(server)
    run("update")
    server.log.requests.clear()
    for offline in ("0", "1"):
        monkeypatch.setenv("STYLEZOO_OFFLINE", offline)
        assert stylezoo.load("facets").record.base.name == "gallery"
        assert stylezoo.load("toy", locked=lock).record.name == "toy"
        run("fetch", "facets")
        run("fetch", "--locked", lock)
        assert server.log.requests == []
    # By name, the index decides.
    monkeypatch.setenv("STYLEZOO_OFFLINE", "0")
    for spec in ("toy", "toy@1.0.0", "gallery", "gallery@1.0.0"):
        with pytest.raises(StyleNotFoundError, match="there is no style"):
            stylezoo.load(spec)
    # Damaged or removed, it is not loaded.
    weights = stored_weights("toy")
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(IntegrityError, match=r"model\.safetensors has the sha256"):
        stylezoo.load("toy", locked=lock)
    run("cache", "prune", "--all")
    with pytest.raises(LockFileError, match=r"locks toy 1\.0\.0, which no source has"):
        stylezoo.load("toy", locked=lock)


def test_a_version_here_that_is_withdrawn_is_reported_by_update(
    registry, server, toy_style, tmp_path
):
    run("fetch", "toy", "sea")
    for name in ("toy", "sea"):
        shutil.rmtree(registry.folder / "styles" / name)
    registry.add(copy_style(toy_style, tmp_path, "toy", "1.1.0"))
    registry.serve(server)
    done = CliRunner().invoke(cli, ["update"])
    assert "toy   1.0.0  1.1.0   museum\n" in done.stdout
    assert done.stderr.splitlines() == [
        "warning: sea 0.9.0 was withdrawn from 'museum'; there is no newer version",
        "warning: toy 1.0.0 was withdrawn from 'museum'; for a newer version, run: stylezoo "
        "fetch toy@1.1.0",
    ]
    run("fetch", "toy@1.1.0")
    report = json.loads(run("update", "--json"))
    assert report["updates"] == []
    told = [(one["name"], one["version"], one["newer"]) for one in report["withdrawn"]]
    assert told == [("sea", "0.9.0", None), ("toy", "1.0.0", "1.1.0")]
    # It is not withdrawn while another source has it.
    back = SignedRegistry(tmp_path / "other")
    back.add(toy_style)
    run("registries", "add", back.folder, "--root", back.root, "--name", "other")
    report = json.loads(run("update", "--json"))
    assert [one["name"] for one in report["withdrawn"]] == ["sea"]


def test_offline_a_locked_style_is_found_behind_another_that_was_not_fetched(
    registry, toy_style, tmp_path, monkeypatch
):
    mine = SignedRegistry(tmp_path / "mine")
    mine.add(copy_style(toy_style, tmp_path, "toy", "1.0.0", summary="Mine"))
    run("registries", "add", mine.folder, "--root", mine.root, "--name", "mine")
    lock = tmp_path / "stylezoo.lock"
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "mine")
    run("lock", "toy", "-o", lock)
    shutil.rmtree(mine.folder)
    monkeypatch.setenv("STYLEZOO_REGISTRIES", "museum")
    run("update")
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    assert stylezoo.load("toy", locked=lock).record.summary == "Mine"
    with pytest.raises(OfflineError):
        stylezoo.load("toy")


def test_list_shows_a_name_in_two_registries_and_which_is_taken(
    user, toy_style, tmp_path, monkeypatch
):
    for place, version in (("one", "1.0.0"), ("two", "2.0.0")):
        (tmp_path / place / "toy").mkdir(parents=True)
        copy_style(toy_style, tmp_path, "toy", version).rename(tmp_path / place / "toy" / version)
    places = f"one={tmp_path / 'one'},two={tmp_path / 'two'}"
    monkeypatch.setenv("STYLEZOO_REGISTRIES", places)
    rows = [line.split() for line in run("list").splitlines() if line.startswith("toy ")]
    assert [row[:5] for row in rows] == [
        ["toy", "1.0.0", "one", "Random", "weights,"],
        ["toy", "2.0.0", "two", "(used:", "one)"],
    ]
    listed = [style for style in json.loads(run("list", "--json")) if style["name"] == "toy"]
    assert [(style["source"], style["taken"]) for style in listed] == [
        ("one", True),
        ("two", False),
    ]
    assert str(stylezoo.load("toy").record.version) == "1.0.0"
    with pytest.warns(SourceWarning, match="'one', which comes before it, has toy only in 1"):
        assert str(stylezoo.load("toy@2").record.version) == "2.0.0"
