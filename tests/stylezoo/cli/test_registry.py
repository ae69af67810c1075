"""``stylezoo registry``: create, fill and renew a registry and replace its keys."""

import dataclasses
import hashlib
import json
import re
import shlex
import shutil
import stat

import pytest
from click.testing import CliRunner

import stylezoo
from stylezoo.cli import cli
from stylezoo.errors import OptionError, PublishError, RegistryError, StyleZooError
from stylezoo.registry.config import read_registries
from stylezoo.registry.record import File
from stylezoo.registry.record_io import read_record, render_record


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CONFIG", str(tmp_path / "config" / "registries.toml"))
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, code=0, **options):
    done = CliRunner().invoke(cli, list(map(str, arguments)), **options)
    if isinstance(done.exception, StyleZooError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_from_nothing_to_a_style_that_others_load(toy_style):
    lines = run("registry", "init", "zoo").splitlines()
    assert lines[0].startswith("made zoo; its keys are in ")
    assert lines[0].endswith("/zoo-keys")
    assert lines[1] == "users trust it with: zoo/metadata/1.root.json"
    assert run("registry", "add", "zoo", toy_style) == "added toy 1.0.0\n"
    assert run("registry", "add", "zoo", toy_style) == f"{toy_style}: already there\n"
    built = run("registry", "build", "zoo").splitlines()
    assert built[0] == "new: toy 1.0.0"
    assert built[1].startswith("built; the index is good until 20")
    assert run("registry", "build", "zoo").startswith("nothing to do; ")
    run("registries", "add", "zoo", "--root", "zoo/metadata/1.root.json")
    for role in ("timestamp", "snapshot", "targets", "root"):
        lines = run("registry", "rotate", "zoo", role).splitlines()
        assert lines[0].startswith(f"the key for {role} is now ")
        assert run("registry", "sign", "zoo", "--role", role).startswith(f"signed {role}; ")
    style = stylezoo.load("toy@1.0.0")
    assert style.record.summary == "Random weights, for tests"


def test_the_root_of_the_disk_is_no_registry():
    done = CliRunner().invoke(cli, ["registry", "build", "/"])
    assert done.exit_code == 2
    assert "/ is the root of the disk; name a folder below it." in done.output


def test_the_same_in_json(toy_style):
    made = json.loads(run("registry", "init", "zoo", "--keys", "elsewhere", "--json"))
    assert made["root"] == "zoo/metadata/1.root.json"
    assert set(made["keys"]) == {"root", "targets", "snapshot", "timestamp"}
    added = json.loads(run("registry", "add", "zoo", toy_style, "--json"))
    assert added == {"added": ["toy 1.0.0"], "there": 0}
    built = json.loads(run("registry", "build", "zoo", "--keys", "elsewhere", "--json"))
    assert (built["added"], built["styles"], built["changed"]) == (["toy 1.0.0"], 1, True)
    signed = json.loads(run("registry", "sign", "zoo", "--keys", "elsewhere", "--json"))
    assert signed["role"] == "timestamp"
    rotated = json.loads(
        run("registry", "rotate", "zoo", "targets", "--keys", "elsewhere", "--json")
    )
    assert rotated["key"] != made["keys"]["targets"]
    assert rotated["root"].endswith(".root.json")


def test_keys_are_encrypted_by_a_passphrase(home, monkeypatch):
    run("registry", "init", "zoo", "--passphrase", input="open\nopen\n")
    key = home / "zoo-keys" / "root.pem"
    assert key.read_text().startswith("-----BEGIN ENCRYPTED")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(RegistryError, match="encrypted; set STYLEZOO_KEY_PASSPHRASE"):
        run("registry", "sign", "zoo")
    monkeypatch.setenv("STYLEZOO_KEY_PASSPHRASE", "open")
    assert run("registry", "sign", "zoo").startswith("signed timestamp; ")
    run("registry", "rotate", "zoo", "timestamp")
    assert (home / "zoo-keys" / "timestamp.pem").read_text().startswith("-----BEGIN ENCRYPTED")


def test_a_style_on_the_hub_is_listed_by_its_commit(toy_style):
    run("registry", "init", "zoo")
    run("registry", "add", "zoo", toy_style, "--repository", "alice/toy", "--commit", "a" * 40)
    run("registry", "build", "zoo")
    for options in (["--repository", "alice/toy"], ["--commit", "a" * 40]):
        run("registry", "add", "zoo", toy_style, *options, code=2)


def test_keys_never_lie_in_the_registry_however_it_is_named(home, monkeypatch):
    (home / "zoo" / "styles").mkdir(parents=True)
    (home / "link").symlink_to(home / "zoo")
    monkeypatch.chdir(home / "zoo" / "styles")
    for keys in ("../keys", home / "nowhere" / ".." / "zoo" / "keys", home / "link" / "keys"):
        with pytest.raises(RegistryError, match=r"would be in .*, inside the registry"):
            run("registry", "init", "..", "--keys", keys)
    run("registry", "init", "..")
    assert (home / "zoo-keys").is_dir()
    assert list((home / "zoo" / "styles").iterdir()) == []


def test_an_empty_passphrase_is_an_unset_secret(home, monkeypatch):
    monkeypatch.setenv("STYLEZOO_KEY_PASSPHRASE", "")
    with pytest.raises(OptionError, match="STYLEZOO_KEY_PASSPHRASE is empty"):
        run("registry", "init", "zoo")
    assert list(home.iterdir()) == []


def test_what_is_not_stylezoos_stays_where_it_is(home, toy_style):
    run("registry", "init", "zoo")
    run("registry", "add", "zoo", toy_style)
    styles = home / "zoo" / "styles"
    kept = [styles / ".git", styles / "toy" / ".notes", styles / "toy" / ".1.0.0-mine"]
    for folder in kept:
        folder.mkdir()
    killed = styles / "toy" / ".1.1.0-abcd1234"  # as left by a kill in the middle of a copy
    killed.mkdir()
    (home / "zoo" / "metadata" / "1 (copy).root.json").write_text("{}")
    run("registry", "build", "zoo")
    run("registry", "add", "zoo", toy_style)
    run("registry", "sign", "zoo")
    assert all(folder.is_dir() for folder in kept)
    assert not killed.exists()


def test_a_style_cannot_say_where_its_files_lie(home, toy_style):
    style = shutil.copytree(toy_style, home / "style")
    place = json.dumps({"repository": "mallory/steal", "commit": "a" * 40})
    (style / "hub.json").write_text(place)
    record = read_record(style)
    file = File(
        path="hub.json",
        role="card",
        size=len(place),
        sha256=hashlib.sha256(place.encode()).hexdigest(),
    )
    files = tuple(one for one in record.files if one.role != "card")
    record = dataclasses.replace(record, files=(*files, file))
    (style / "style.toml").write_text(render_record(record))
    run("registry", "init", "zoo")
    with pytest.raises(
        PublishError, match=r"has a file 'hub\.json', a name that registries reserve"
    ):
        run("registry", "add", "zoo", style)


def test_a_version_never_moves_to_the_hub(toy_style):
    run("registry", "init", "zoo")
    run("registry", "add", "zoo", toy_style)
    with pytest.raises(PublishError, match="already exists with its files elsewhere"):
        run("registry", "add", "zoo", toy_style, "--repository", "a/toy", "--commit", "a" * 40)


def test_a_folder_that_is_no_registry_says_so_and_stays_as_it_was(home, toy_style):
    (home / "empty").mkdir()
    for arguments in (["build"], ["sign"], ["rotate", "root"], ["add", toy_style]):
        command, *rest = arguments
        with pytest.raises(RegistryError, match=r"is not a signed registry: .*registry init empty"):
            run("registry", command, "empty", *rest)
    assert list((home / "empty").iterdir()) == []


def test_days_are_as_told():
    run("registry", "init", "zoo")
    soon = run("registry", "sign", "zoo", "--days", 3)
    late = run("registry", "sign", "zoo")
    assert soon.split("until")[1] < late.split("until")[1]
    run("registry", "sign", "zoo", "--days", 0, code=2)


def test_signing_names_what_expires_before_the_timestamp():
    run("registry", "init", "zoo")
    assert "expires before" not in run("registry", "sign", "zoo")
    assert "expires before" not in run("registry", "sign", "zoo", "--role", "targets", "--days", 9)
    line = "targets expires before the timestamp; to renew it, run: "
    assert f"{line}stylezoo registry sign zoo --role targets\n" in run("registry", "sign", "zoo")
    assert json.loads(run("registry", "sign", "zoo", "--json"))["first"] == "targets"
    run("registry", "sign", "zoo", "--role", "targets")
    assert json.loads(run("registry", "sign", "zoo", "--json"))["first"] == "timestamp"


def test_the_commands_of_the_page_run_in_their_order(root, home, toy_style):
    for name in ("my-style", "another-style", "hub-style"):
        shutil.copytree(toy_style, home / name)
        record = home / name / "style.toml"
        record.write_text(record.read_text().replace('name = "toy"', f'name = "{name}"'))
    text = (root / "docs" / "registries.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"^stylezoo (registry .*)$", text, flags=re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        run(*shlex.split(command))
    run("registries", "add", "museum", "--root", "museum/metadata/1.root.json")
    (state,) = [s for s in json.loads(run("registries", "--json")) if s["name"] == "museum"]
    assert state["styles"] == 3


def test_the_list_of_the_page_is_one(root, home, monkeypatch):
    text = (root / "docs" / "registries.md").read_text()
    (home / "config").mkdir()
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    (home / "config" / "registries.toml").write_text(block)
    registries = read_registries()
    assert list(registries) == ["museum", "embedded", "mine"]
    assert registries["embedded"] is None
    assert registries["museum"].root == home / "config" / "roots" / "museum-3f5a09c1d2e4.json"
