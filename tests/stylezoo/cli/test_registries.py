"""stylezoo registries: shown with their state, added by their root, removed."""

import json
import shutil
import subprocess
import sys
from datetime import datetime

import pytest
from click.testing import CliRunner
from securesystemslib.signer import Signature, SSlibKey
from tuf.api.metadata import Metadata, Root

from stylezoo.catalog import default_catalog
from stylezoo.cli import cli
from stylezoo.errors import (
    OfflineError,
    OutputError,
    RegistryError,
    RegistryFormatError,
    SignatureError,
    StyleZooError,
    UnavailableError,
)
from stylezoo.registry.config import config_file, read_registries
from stylezoo.registry.signing import newest_root, rotate_key, sign_registry
from stylezoo.registry.sources import all_sources
from stylezoo.registry.trust import TrustedRegistry
from tests.kept_registry import KeptRegistry, edit, expires_in, stranger


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "config" / "registries.toml"))
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


@pytest.fixture
def registry(tmp_path, toy_style):
    return KeptRegistry(tmp_path, toy_style, "toy@1.0.0 toy@2.0.0")


def run(*arguments, code=0, **options):
    done = CliRunner().invoke(cli, ["registries", *map(str, arguments)], **options)
    if isinstance(done.exception, StyleZooError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def states():
    return {state["name"]: state for state in json.loads(run("--json").stdout)}


def roots():
    """The root files kept beside the list, by name."""
    return {path.name: path.read_bytes() for path in (config_file().parent / "roots").glob("*")}


def test_without_a_list_there_are_those_of_plugins():
    rows = run().stdout.splitlines()
    assert rows[0].split() == ["name", "location", "signed", "state", "age", "styles"]
    assert rows[1].split()[0] == "embedded"
    assert rows[1].split()[2:4] == ["no", "ok"]


def test_a_registry_is_added_by_its_root_shown_and_removed(registry, web):
    assert (
        "added web: 1 styles, signed until 20"
        in run("add", f"{web.url}/", "--root", registry.root, "--name", "web").stdout
    )
    registry.root.unlink()  # the list has its own copy
    row = run().stdout.splitlines()[2]
    assert row.split()[:5] == ["web", web.url, "yes", "ok", "until"]
    assert row.split()[6:] == ["0", "min", "1"]
    state = states()["web"]
    assert state["signed"]
    assert (state["state"], state["styles"]) == ("ok", 1)
    assert datetime.fromisoformat(state["refreshed"]) < datetime.fromisoformat(state["expires"])
    asked = web.asked()
    assert run("remove", "web").stdout == "removed web\n"
    assert list(states()) == ["embedded"]
    assert roots() == {}
    assert web.asked() == asked
    with pytest.raises(RegistryError, match="there is no registry 'web' in the list; it has: none"):
        run("remove", "web")


def test_states_are_told_without_asking(registry, web, tmp_path):
    run("add", web.url, "--root", registry.root, "--name", "web")
    run("add", registry.folder, "--root", registry.root, "--name", "team")
    (tmp_path / "plain").mkdir()
    run("add", tmp_path / "plain")
    asked = web.asked()
    shutil.rmtree(tmp_path / "plain")
    shutil.rmtree(next((tmp_path / "cache" / "registries").glob("web-*")))
    found = states()
    assert {name: state["state"] for name, state in found.items()} == {
        "embedded": "ok",
        "web": "unknown",
        "team": "ok",
        "plain": "missing",
    }
    assert found["web"]["styles"] is None
    assert "never contacted" in run().stdout
    assert web.asked() == asked


def test_an_expired_index_is_shown_as_such(registry, monkeypatch):
    run("add", registry.folder, "--root", registry.root, "--name", "team")
    registry.resign("timestamp", expires_in(seconds=1))
    client = registry.client()
    copy = client.refresh()
    (state,) = (registry.base / "cache" / "registries").glob("team-*")
    shutil.copy(client.state / "index", state / "index")
    while not copy.expired:
        pass
    assert states()["team"]["state"] == "expired"
    assert f"expired since {copy.expires:%Y-%m-%d}" in run().stdout
    sign_registry(registry.folder, registry.keys)


def test_on_first_use_the_keys_are_shown_and_asked_about(registry, web):
    root = json.loads(registry.root.read_bytes())["signed"]
    (key,) = root["roles"]["root"]["keyids"]
    for answer in ("n\n", ""):
        with pytest.raises(RegistryError, match=r"keys were not trusted; .* give --yes"):
            run("add", web.url, "--trust-on-first-use", "--name", "web", input=answer)
    assert list(states()) == ["embedded"]
    done = run("add", web.url, "--trust-on-first-use", "--name", "web", input="y\n")
    assert key in done.stderr
    assert "Trust them" in done.stderr
    assert done.stdout == f"added web: 1 styles, signed until {states()['web']['expires'][:10]}\n"
    assert list(roots().values()) == [registry.root.read_bytes()]
    run("remove", "web")
    done = run("add", web.url, "--trust-on-first-use", "--name", "web", "--yes", "--json")
    assert json.loads(done.stdout) == {"name": "web", "location": web.url, "styles": 1}
    assert key in done.stderr


def test_on_first_use_the_newest_root_is_shown_and_trusted(registry, web):
    first = json.loads(registry.root.read_bytes())["signed"]["roles"]["root"]["keyids"][0]
    rotate_key(registry.folder, registry.keys, "timestamp")
    newest = rotate_key(registry.folder, registry.keys, "root")
    done = run("add", web.url, "--trust-on-first-use", "--name", "web", "--yes")
    assert newest in done.stderr
    assert first not in done.stderr
    assert list(roots().values()) == [newest_root(registry.folder).read_bytes()]
    rotate_key(registry.folder, registry.keys, "root")
    all_sources(default_catalog())["web"].refresh()


def test_on_first_use_a_root_that_the_one_before_does_not_vouch_for_is_refused(
    registry, web, toy_style, tmp_path
):
    other = KeptRegistry(tmp_path / "other", toy_style)
    rotate_key(other.folder, other.keys, "root")
    second = registry.folder / "metadata" / "2.root.json"
    shutil.copy(other.folder / "metadata" / "2.root.json", second)
    with pytest.raises(SignatureError, match=r"2\.root\.json is not signed by the keys of the"):
        run("add", web.url, "--trust-on-first-use", "--name", "web", "--yes")
    shutil.copy(registry.folder / "metadata" / "1.root.json", second)
    with pytest.raises(RegistryFormatError, match="is version 1 of the root, not 2"):
        run("add", web.url, "--trust-on-first-use", "--name", "web", "--yes")
    assert list(states()) == ["embedded"]


def root_signed_under(keyid, signer):
    """A root whose only key has an id of its maker's choice."""
    key = SSlibKey(
        keyid, signer.public_key.keytype, signer.public_key.scheme, signer.public_key.keyval
    )
    root = Root(consistent_snapshot=True)
    for role in ("root", "targets", "snapshot", "timestamp"):
        root.add_key(key, role)
    metadata = Metadata(root)
    signature = signer.sign(metadata.signed_bytes).signature
    metadata.signatures[keyid] = Signature(keyid, signature)
    return metadata.to_bytes()


def test_a_key_that_goes_by_the_id_of_another_is_never_shown(registry, web):
    (genuine,) = json.loads(registry.root.read_bytes())["signed"]["roles"]["root"]["keyids"]
    served = registry.folder / "metadata" / "1.root.json"
    for keyid in (genuine, "\x1b[2Jkey"):
        served.write_bytes(root_signed_under(keyid, stranger()))
        with pytest.raises(SignatureError, match="is not the sha256 of that key") as refused:
            run("add", web.url, "--trust-on-first-use", "--name", "web", "--yes")
        assert str(refused.value).isprintable()
        with pytest.raises(SignatureError, match="is not the sha256 of that key"):
            run("add", web.url, "--root", served, "--name", "web")
    served.write_text('{"signed": {"_type": "\\u001b[2J"}, "signatures": []}')
    with pytest.raises(RegistryFormatError, match="is not a valid root") as refused:
        run("add", web.url, "--trust-on-first-use", "--name", "web", "--yes")
    assert str(refused.value).isprintable()
    assert list(states()) == ["embedded"]


def test_without_a_root_a_signed_registry_is_not_added(registry, web):
    for location in (web.url, registry.folder, "hub:owner/name"):
        with pytest.raises(RegistryError, match="--root FILE, or see --trust-on-first-use"):
            run("add", location)
    assert list(states()) == ["embedded"]


def test_a_registry_that_its_root_does_not_vouch_for_is_not_added(registry, toy_style, tmp_path):
    other = KeptRegistry(tmp_path / "other", toy_style)
    with pytest.raises(SignatureError):
        run("add", registry.folder, "--root", other.root)
    edit(other.root, '"expires":"20', '"expires":"21')
    with pytest.raises(SignatureError, match="is not signed by its own keys"):
        run("add", registry.folder, "--root", other.root)
    for text, reason in (
        ("{}", "is not a valid root"),
        ("[]", "not an object"),
        ("<html>", "is not valid JSON"),
    ):
        registry.root.write_text(text)
        with pytest.raises(RegistryFormatError, match=reason):
            run("add", registry.folder, "--root", registry.root)
    with pytest.raises(RegistryFormatError, match="is timestamp metadata, not the root"):
        run("add", registry.folder, "--root", registry.newest("timestamp"))
    with pytest.raises(RegistryError, match="cannot be read: No such file"):
        run("add", registry.folder, "--root", tmp_path / "gone.json")
    assert read_registries() == {}
    assert roots() == {}


def test_what_is_not_there_is_not_added(registry, web, tmp_path):
    with pytest.raises(UnavailableError, match="is not a folder"):
        run("add", tmp_path / "gone")
    with pytest.raises(RegistryError, match="is one style, not a folder of styles"):
        run("add", registry.folder / "styles" / "toy" / "1.0.0")
    web.stop()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        run("add", web.url, "--root", registry.root)
    assert read_registries() == {}


def test_a_name_is_taken_once(registry, tmp_path):
    run("add", registry.folder, "--root", registry.root, "--name", "team")
    for name in ("team", "TEAM", "embedded"):
        with pytest.raises(RegistryError, match="choose another with --name"):
            run("add", registry.folder, "--root", registry.root, "--name", name)
    with pytest.raises(RegistryError, match="'a/b' is not a valid registry name"):
        run("add", tmp_path, "--name", "a/b")


def test_several_processes_may_add_at_once(tmp_path):
    names = [f"zoo{number}" for number in range(6)]
    command = [sys.executable, "-m", "stylezoo", "registries", "add"]
    running = []
    for name in names:
        (tmp_path / name).mkdir()
        running.append(subprocess.Popen([*command, tmp_path / name]))
    assert [process.wait() for process in running] == [0] * len(names)
    assert set(names) <= set(read_registries())


def test_lists_in_one_folder_do_not_share_what_they_trust(
    registry, toy_style, tmp_path, monkeypatch
):
    other = KeptRegistry(tmp_path / "other", toy_style)
    home, work = (str(tmp_path / "config" / name) for name in ("home.toml", "work.toml"))
    monkeypatch.setenv("STYLEZOO_CONFIG", home)
    run("add", registry.folder, "--root", registry.root, "--name", "museum")
    monkeypatch.setenv("STYLEZOO_CONFIG", work)
    run("add", other.folder, "--root", other.root, "--name", "museum")
    run("add", registry.folder, "--root", registry.root, "--name", "team")
    run("remove", "museum")
    run("add", registry.folder, "--root", registry.root, "--name", "museum")
    run("remove", "museum")  # the other list uses the same root
    monkeypatch.setenv("STYLEZOO_CONFIG", home)
    all_sources(default_catalog())["museum"].refresh()
    run("remove", "museum")
    assert [name.partition("-")[0] for name in roots()] == ["team"]


def test_who_adds_a_name_too_late_takes_no_root_from_who_was_first(registry, monkeypatch):
    add = ("add", registry.folder, "--root", registry.root, "--name", "team")
    refresh = TrustedRegistry.refresh

    def overtaken(self, **options):
        monkeypatch.setattr(TrustedRegistry, "refresh", refresh)
        run(*add)
        return refresh(self, **options)

    monkeypatch.setattr(TrustedRegistry, "refresh", overtaken)
    with pytest.raises(RegistryError, match="there is already a registry 'team'"):
        run(*add)
    all_sources(default_catalog())["team"].refresh()


@pytest.mark.parametrize("step", ["TrustedRegistry.refresh", "write_registries"])
def test_who_interrupts_leaves_no_root_that_no_list_names(registry, monkeypatch, step):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"stylezoo.registry.adding.{step}", interrupted)
    run("add", registry.folder, "--root", registry.root, code=1)
    assert roots() == {}


def test_a_root_that_was_changed_is_not_trusted_anew(registry):
    run("add", registry.folder, "--root", registry.root, "--name", "team")
    (name,) = roots()
    config_file().unlink()
    root = config_file().parent / "roots" / name
    root.write_text("changed")
    with pytest.raises(OutputError, match=f"{name} is not the root that was stored there"):
        run("add", registry.folder, "--root", registry.root, "--name", "team")
    assert root.read_text() == "changed"


def test_a_list_at_a_relative_path_keeps_its_relative_locations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STYLEZOO_CONFIG", "config/registries.toml")
    for name in ("config/styles", "other"):
        (tmp_path / name).mkdir(parents=True)
    listed = '[[registries]]\nname = "mine"\nlocation = "styles"\n'
    (tmp_path / "config" / "registries.toml").write_text(listed)
    run("add", "other")
    assert read_registries()["mine"].location == str(tmp_path / "config" / "styles")


def test_offline_a_registry_is_added_unseen(registry, web, monkeypatch):
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    assert run("add", web.url, "--root", registry.root, "--name", "web").stdout == "added web\n"
    assert states()["web"]["state"] == "unknown"
    with pytest.raises(UnavailableError, match="STYLEZOO_OFFLINE forbids the network"):
        run("add", web.url, "--trust-on-first-use", "--yes", "--name", "other")
    assert web.asked() == []
    with pytest.raises(UnavailableError, match=r"^the index of the registry 'web' is not in the"):
        all_sources(default_catalog())["web"].refresh()


def test_offline_an_index_that_is_here_is_not_said_to_be_missing(registry, web, monkeypatch):
    run("add", web.url, "--root", registry.root, "--name", "web")
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"^a newer index of the registry 'web' is not in the"):
        all_sources(default_catalog())["web"].refresh()


def test_options_that_contradict_each_other_are_wrong_usage(registry):
    for options in (["--root", registry.root, "--trust-on-first-use"], ["--yes"]):
        assert "Usage:" in run("add", registry.folder, *options, code=2).stderr


def test_a_list_that_cannot_be_written_says_so(registry, tmp_path):
    (tmp_path / "config").write_text("a file")
    with pytest.raises((OutputError, RegistryError), match="config"):
        run("add", registry.folder, "--root", registry.root)
