"""Maintaining a signed registry, checked by python-tuf's own client and by kills at every write."""

import hashlib
import json
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from tuf.ngclient import Updater, UpdaterConfig

from stylezoo.errors import (
    IntegrityError,
    PublishError,
    RecordError,
    RegistryError,
    SignatureError,
    WeightsError,
)
from stylezoo.registry.contents import add_style
from stylezoo.registry.keys import ROLES, KeyFolder
from stylezoo.registry.signing import (
    build_registry,
    create_registry,
    newest_root,
    rotate_key,
    sign_registry,
)
from tests.faults.conftest import contents
from tests.kept_registry import KeptRegistry, WebServer, edit, is_killed_at
from tests.signed_registry import copy_style

STYLES = Path(__file__).parents[3] / "registry" / "stylezoo_styles" / "styles"


@pytest.fixture
def registry(tmp_path, toy_style):
    return KeptRegistry(tmp_path, toy_style)


def metadata(registry):
    folder = registry.folder / "metadata"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def unchanged_folder():
    @contextmanager
    def watch(folder):
        before = contents(folder)
        yield
        assert contents(folder) == before

    return watch


def test_python_tufs_own_client_takes_it_from_a_web_server(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for role in ROLES:
        rotate_key(registry.folder, registry.keys, role)
    server = WebServer(registry.folder, tmp_path / "web.log")
    try:
        (tmp_path / "tuf").mkdir()
        client = Updater(
            str(tmp_path / "tuf"),
            f"{server.url}/metadata",
            str(tmp_path / "tuf"),
            server.url,
            config=UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=registry.root.read_bytes(),
        )
        info = client.get_targetinfo("styles/toy/1.0.0/style.toml")
        fetched = client.download_target(info)
    finally:
        server.stop()
    assert Path(fetched).read_bytes() == (registry.style("toy@1.0.0") / "style.toml").read_bytes()
    assert info.custom["summary"] == "Random weights, for tests"
    total = sum(path.stat().st_size for path in registry.style("toy@1.0.0").iterdir())
    assert info.custom["total_size"] == total


def test_a_new_registry_is_empty_and_valid(registry, tmp_path):
    keys = KeyFolder(tmp_path / "new-keys")
    ids = create_registry(tmp_path / "new", keys)
    root = json.loads((tmp_path / "new" / "metadata" / "1.root.json").read_bytes())["signed"]
    assert {role: [key] for role, key in ids.items()} == {
        role: root["roles"][role]["keyids"] for role in ROLES
    }
    shutil.copy(tmp_path / "new" / "metadata" / "1.root.json", registry.root)
    assert registry.client(str(tmp_path / "new")).index().entries == {}


def test_keys_are_the_owners_alone(registry):
    for role in ROLES:
        mode = (registry.keys.folder / f"{role}.pem").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(registry.keys.folder.stat().st_mode) == 0o700


def test_keys_inside_what_is_served_are_refused(tmp_path):
    with pytest.raises(RegistryError, match="inside the registry"):
        create_registry(tmp_path / "new", KeyFolder(tmp_path / "new" / "keys"))
    assert not (tmp_path / "new").exists()


def test_a_registry_is_not_made_twice(registry, unchanged_folder):
    with unchanged_folder(registry.base), pytest.raises(RegistryError, match="already"):
        create_registry(registry.folder, registry.keys)


def test_a_registry_is_not_begun_anew_over_what_is_left_of_one(registry, unchanged_folder):
    """Its second root would still name the old keys, and clients would follow it."""
    rotate_key(registry.folder, registry.keys, "root")
    (registry.folder / "metadata" / "timestamp.json").unlink()
    with pytest.raises(RegistryError, match=r"is incomplete.*restore.*in another folder"):
        build_registry(registry.folder, registry.keys)
    with (
        unchanged_folder(registry.base),
        pytest.raises(RegistryError, match=r"was a signed registry: 2\.root\.json"),
    ):
        create_registry(registry.folder, KeyFolder(registry.base / "new-keys"))


def test_a_build_says_what_is_new_and_what_is_gone(registry):
    registry.style("other@0.1.0")
    add_style(registry.folder, registry.style("other@0.1.0"))
    shutil.rmtree(registry.folder / "styles" / "toy")
    built = build_registry(registry.folder, registry.keys)
    assert (built.added, built.withdrawn, built.styles) == (("other 0.1.0",), ("toy 1.0.0",), 1)
    before = metadata(registry)
    built = build_registry(registry.folder, registry.keys)
    assert (built.added, built.withdrawn, built.changed) == ((), (), False)
    assert metadata(registry) == before


def test_what_was_withdrawn_comes_back_as_it_was_and_not_otherwise(registry):
    folder = registry.folder / "styles" / "toy" / "1.0.0"
    kept = shutil.copytree(folder, registry.base / "kept")
    shutil.rmtree(folder.parent)
    build_registry(registry.folder, registry.keys)
    shutil.copytree(kept, folder)
    record = folder / "style.toml"
    record.write_text(record.read_text() + "\n# other bytes\n")
    with pytest.raises(PublishError, match="has changed since it was signed"):
        build_registry(registry.folder, registry.keys)
    shutil.copy(kept / "style.toml", record)
    assert build_registry(registry.folder, registry.keys).added == ("toy 1.0.0",)
    assert registry.client().refresh().versions("toy")


def test_a_base_that_is_elsewhere_is_named_and_one_that_does_not_fit_refused(registry, tmp_path):
    add_style(registry.folder, STYLES / "udnie" / "1.1.0")
    built = build_registry(registry.folder, registry.keys)
    assert built.bases_elsewhere == ("museum 1.0.0",)
    add_style(registry.folder, STYLES / "museum" / "1.0.0")
    assert build_registry(registry.folder, registry.keys).bases_elsewhere == ()
    shutil.rmtree(registry.folder / "styles" / "museum")
    other = copy_style(next((STYLES / "great-wave").iterdir()), tmp_path, "museum", "1.0.0")
    add_style(registry.folder, other)
    with pytest.raises(
        PublishError, match=r"udnie 1\.1\.0 builds on museum 1\.0\.0 with the sha256"
    ):
        build_registry(registry.folder, registry.keys)


def test_a_version_whose_bytes_have_changed_is_refused(registry, unchanged_folder):
    record = registry.folder / "styles" / "toy" / "1.0.0" / "style.toml"
    edit(record, "Random weights, for tests", "Other words")
    with unchanged_folder(registry.folder), pytest.raises(PublishError, match="new version"):
        build_registry(registry.folder, registry.keys)
    edit(registry.style("toy@1.0.0") / "style.toml", "Random weights, for tests", "Third words")
    with (
        unchanged_folder(registry.folder),
        pytest.raises(PublishError, match="already exists with different bytes"),
    ):
        add_style(registry.folder, registry.style("toy@1.0.0"))


def test_adding_the_same_style_again_changes_nothing(registry, unchanged_folder):
    with unchanged_folder(registry.folder):
        assert add_style(registry.folder, registry.style("toy@1.0.0")) is None


@pytest.mark.parametrize("name", ["model.safetensors", "golden.safetensors", "preview.jpg"])
def test_a_damaged_style_is_neither_added_nor_built(registry, unchanged_folder, name):
    style = registry.style("other@1.0.0")
    add_style(registry.folder, style)
    for folder in (style, registry.folder / "styles" / "other" / "1.0.0"):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with unchanged_folder(registry.folder):
        with pytest.raises(IntegrityError):
            add_style(registry.folder, style)
        with pytest.raises(IntegrityError):
            build_registry(registry.folder, registry.keys)


def test_a_licence_that_is_none_is_neither_added_nor_built(registry, unchanged_folder):
    style = registry.style("other@1.0.0")
    edit(style / "style.toml", 'weights = "CC0-1.0"', 'weights = "MIT-ish"')
    with unchanged_folder(registry.folder), pytest.raises(RecordError, match="'MIT-ish' is not an"):
        add_style(registry.folder, style)
    shutil.copytree(style, registry.folder / "styles" / "other" / "1.0.0")
    with unchanged_folder(registry.folder), pytest.raises(RecordError, match="'MIT-ish' is not an"):
        build_registry(registry.folder, registry.keys)


def test_weights_that_are_none_are_not_added(registry, unchanged_folder):
    style = registry.style("other@1.0.0")
    content = (style / "model.safetensors").read_bytes()
    (style / "model.safetensors").write_bytes(b"\x80\x04K\x01." + content[5:])  # a pickle
    text = (style / "style.toml").read_text()
    old, new = (hashlib.sha256(c).hexdigest() for c in (content, b"\x80\x04K\x01." + content[5:]))
    (style / "style.toml").write_text(text.replace(old, new))
    with unchanged_folder(registry.folder), pytest.raises(WeightsError):
        add_style(registry.folder, style)


def test_links_in_a_style_are_not_added(registry, unchanged_folder):
    for name in ("style.toml", "preview.jpg"):
        style = registry.style(f"{name.replace('.', '-')}@1.0.0")
        (style / name).rename(registry.base / name)
        (style / name).symlink_to(registry.base / name)
        with unchanged_folder(registry.folder), pytest.raises(IntegrityError):
            add_style(registry.folder, style)


def test_one_version_written_in_two_ways_is_refused(registry):
    with pytest.raises(
        PublishError, match=r"1\.0\.0 already exists and is the same version as 1\.0"
    ):
        add_style(registry.folder, registry.style("toy@1.0"))
    shutil.copytree(registry.style("toy@1.0"), registry.folder / "styles" / "toy" / "1.0")
    with pytest.raises(PublishError, match="are the same version"):
        build_registry(registry.folder, registry.keys)


def test_what_lies_in_the_wrong_folder_is_refused(registry):
    (registry.folder / "styles" / "toy" / "1.0.0").rename(registry.folder / "styles/toy/2.0.0")
    with pytest.raises(PublishError, match=r"its folder must be toy/1\.0\.0"):
        build_registry(registry.folder, registry.keys)
    (registry.folder / "styles/toy/2.0.0").rename(registry.folder / "styles/toy/1.0.0")
    (registry.folder / "styles" / "README.md").write_text("read me")
    with pytest.raises(PublishError, match=r"README\.md is not a style folder"):
        build_registry(registry.folder, registry.keys)


def test_a_style_whose_files_the_hub_has_is_a_record_alone(registry):
    commit = "0123456789" * 4
    style = registry.style("other@1.0.0")
    add_style(registry.folder, style, repository="alice/other", commit=commit)
    folder = registry.folder / "styles" / "other" / "1.0.0"
    assert sorted(path.name for path in folder.iterdir()) == ["hub.json", "style.toml"]
    build_registry(registry.folder, registry.keys)
    (entry,) = registry.client().index().entries["other"]
    assert (entry.repository, entry.commit) == ("alice/other", commit)
    assert entry.total_size == sum(path.stat().st_size for path in style.iterdir())
    with pytest.raises(RecordError, match="commit: 'main' is not 40 hex"):
        add_style(registry.folder, style, repository="alice/other", commit="main")


def test_signing_anew_moves_the_expiry(registry):
    client = registry.client()
    before = client.index().expires
    assert sign_registry(registry.folder, registry.keys, days=5) < before
    assert client.refresh().expires < before
    for role in ROLES:
        sign_registry(registry.folder, registry.keys, role)
        assert client.refresh().versions("toy")
    assert client.refresh().expires >= before
    assert json.loads(newest_root(registry.folder).read_bytes())["signed"]["version"] == 2


def test_a_build_beside_a_server_that_signs_goes_on_from_its_timestamp(registry, tmp_path):
    """The server's job holds the timestamp key alone; the documentation says what to copy."""
    server = shutil.copytree(registry.folder, tmp_path / "server")
    client = registry.client(str(server))
    for _ in range(3):
        sign_registry(server, registry.keys)
        client.refresh()
    registry.publish("toy@2.0.0")  # not uploaded: clients would refuse its timestamp as older
    shutil.copy(server / "metadata" / "timestamp.json", registry.folder / "metadata")
    registry.publish("toy@3.0.0")
    shutil.copytree(registry.folder, server, dirs_exist_ok=True)
    assert len(client.refresh().versions("toy")) == 3
    sign_registry(server, registry.keys)
    assert len(client.refresh().versions("toy")) == 3


def test_only_the_keys_that_are_wanted_must_be_there(registry):
    elsewhere = registry.base / "elsewhere"
    elsewhere.mkdir()
    (registry.keys.folder / "root.pem").rename(elsewhere / "root.pem")
    (registry.keys.folder / "targets.pem").rename(elsewhere / "targets.pem")
    sign_registry(registry.folder, registry.keys)
    add_style(registry.folder, registry.style("other@1.0.0"))
    with pytest.raises(RegistryError, match=r"the key for targets \([0-9a-f]{12}\.\.\.\)"):
        build_registry(registry.folder, registry.keys)
    with pytest.raises(RegistryError, match="the key for root"):
        rotate_key(registry.folder, registry.keys, "timestamp")
    assert registry.client().index().versions("toy")


def test_a_key_that_is_lost_is_replaced_with_the_roots(registry):
    client = registry.client()
    client.index()
    (registry.keys.folder / "timestamp.pem").unlink()
    rotate_key(registry.folder, registry.keys, "timestamp")
    assert client.refresh().versions("toy")
    registry.publish("toy@2.0.0")
    assert len(client.refresh().versions("toy")) == 2


def test_encrypted_keys_open_by_their_passphrase(registry, tmp_path):
    keys = KeyFolder(tmp_path / "encrypted", passphrase="open sesame")
    create_registry(tmp_path / "new", keys)
    pem = (tmp_path / "encrypted" / "root.pem").read_text()
    assert pem.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    done = subprocess.run(
        ["openssl", "pkey", "-noout", "-text", "-passin", "pass:open sesame"],
        input=pem,
        capture_output=True,
        text=True,
    )
    assert "ED25519 Private-Key" in done.stdout
    asked = []

    def ask(path):
        asked.append(path)
        return "open sesame"

    sign_registry(tmp_path / "new", KeyFolder(tmp_path / "encrypted", ask=ask))
    assert asked == [tmp_path / "encrypted" / "timestamp.pem"]
    for wrong, reason in (
        (KeyFolder(tmp_path / "encrypted", passphrase="shut"), "the passphrase may be wrong"),
        (KeyFolder(tmp_path / "encrypted"), "is encrypted; set STYLEZOO_KEY_PASSPHRASE"),
    ):
        with pytest.raises(RegistryError, match=reason) as caught:
            sign_registry(tmp_path / "new", wrong)
        assert "sesame" not in str(caught.value)


def encrypted(path):
    return path.read_bytes().startswith(b"-----BEGIN ENCRYPTED")


def test_the_passphrase_of_an_old_key_is_not_that_of_a_new_one(registry, tmp_path):
    folder = registry.keys.folder
    asked = []

    def ask(path):
        asked.append(path.name)
        return {"root.pem": "of root", "targets.pem": "of targets"}[path.name]

    def keys(passphrase=None):
        asked.clear()
        return KeyFolder(folder, passphrase=passphrase, ask=ask)

    rotate_key(registry.folder, keys("of root"), "root")
    rotate_key(registry.folder, keys(), "timestamp")
    assert asked == ["root.pem"]
    assert encrypted(folder / "root.pem")
    assert not encrypted(folder / "timestamp.pem")
    rotate_key(registry.folder, keys("of targets"), "targets")
    assert asked == ["root.pem"]
    sign_registry(registry.folder, keys(), "targets")
    assert asked == ["targets.pem"]
    rotate_key(registry.folder, keys(), "targets")  # two old keys with passphrases of their own
    assert asked == ["root.pem", "targets.pem"]
    sign_registry(registry.folder, keys(), "targets")  # the new one has that of the old one
    assert asked == ["targets.pem"]
    assert encrypted(folder / "targets.pem")


def test_keys_with_one_passphrase_ask_for_it_once(tmp_path):
    create_registry(tmp_path / "new", KeyFolder(tmp_path / "keys", passphrase="open sesame"))
    asked = []

    def ask(path):
        asked.append(path.name)
        return "open sesame"

    sign_registry(tmp_path / "new", KeyFolder(tmp_path / "keys", ask=ask), "targets")
    assert asked == ["targets.pem"]


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_key_that_is_none_says_so(registry, content):
    (registry.keys.folder / "timestamp.pem").write_bytes(content)
    with pytest.raises(
        RegistryError, match=r"timestamp\.pem cannot be read: it is not a private key"
    ):
        sign_registry(registry.folder, registry.keys)


def test_without_the_package_for_signing_it_says_what_to_install(tmp_path):
    script = (
        "import sys\nsys.modules['cryptography'] = None\nfrom stylezoo.cli import main\n"
        f"sys.argv = ['stylezoo', 'registry', 'init', {str(tmp_path / 'new')!r}]\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.endswith('run: pip install "stylezoo[signing]"\n')
    assert not list(tmp_path.iterdir())


def test_metadata_that_was_changed_is_not_built_upon(registry):
    edit(registry.newest("targets"), '"expires":"20', '"expires":"21')
    with pytest.raises(SignatureError, match="does not match what its keys signed"):
        sign_registry(registry.folder, registry.keys)
    registry.newest("snapshot").unlink()
    with pytest.raises(RegistryError, match="is incomplete"):
        build_registry(registry.folder, registry.keys)
    with pytest.raises(RegistryError, match=r"is not a signed registry.*registry init"):
        build_registry(registry.base / "other", registry.keys)
    assert not (registry.base / "other").exists()


def works(registry, styles):
    """Whether a known and a fresh machine see the same number of styles, one of these."""
    known = registry.client()
    fresh = registry.base / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    found = {len(known.refresh().entries), len(registry.client(user="fresh").index().entries)}
    return len(found) == 1 and found <= styles


@pytest.mark.parametrize("role", [None, *ROLES])
def test_a_kill_at_any_write_leaves_the_registry_valid(registry, role):
    """A build or a key replacement is killed, then run again."""
    add_style(registry.folder, registry.style("other@1.0.0"))
    registry.client().index()
    places = [registry.folder, registry.keys.folder, registry.base / "user"]
    for place in places:
        shutil.copytree(place, registry.base / "saved" / place.name, symlinks=True)

    def work():
        if role is None:
            build_registry(registry.folder, registry.keys)
        else:
            rotate_key(registry.folder, registry.keys, role)

    number = 1
    while is_killed_at(number, work):
        assert works(registry, {1, 2})
        work()
        build_registry(registry.folder, registry.keys)
        assert works(registry, {2})
        strays = [*registry.folder.rglob(".*.part"), *registry.keys.folder.rglob("*.part")]
        assert strays == []
        assert {path.name for path in registry.keys.folder.iterdir()} == {
            f"{one}.pem" for one in ROLES
        }
        for place in places:
            shutil.rmtree(place)
            shutil.copytree(registry.base / "saved" / place.name, place, symlinks=True)
        number += 1
    assert number > 3


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_kill_while_a_lost_key_is_replaced_leaves_what_the_next_run_completes(registry, role):
    """Before the root names the new key, it alone has signed: clients and builds refuse that."""
    registry.client().index()
    (registry.keys.folder / f"{role}.pem").unlink()
    places = [registry.folder, registry.keys.folder]
    for place in places:
        shutil.copytree(place, registry.base / "saved" / place.name)
    number = 1
    refused = 0
    while is_killed_at(number, lambda: rotate_key(registry.folder, registry.keys, role)):
        try:
            sign_registry(registry.folder, registry.keys, "root")
        except SignatureError as error:
            assert "'stylezoo registry rotate' was interrupted, run it again" in str(error)
            refused += 1
        rotate_key(registry.folder, registry.keys, role)
        registry.publish("other@1.0.0")
        assert works(registry, {2})
        shutil.rmtree(registry.base / "user")
        for place in places:
            shutil.rmtree(place)
            shutil.copytree(registry.base / "saved" / place.name, place)
        number += 1
    assert refused == 1  # between the timestamp and the root


def test_a_kill_while_a_registry_is_made_leaves_what_the_next_run_completes(tmp_path):
    number = 1
    keys = KeyFolder(tmp_path / "keys")
    while is_killed_at(number, lambda: create_registry(tmp_path / "new", keys)):
        ids = create_registry(tmp_path / "new", keys)
        assert set(ids) == set(ROLES)
        build_registry(tmp_path / "new", keys)
        assert not list(tmp_path.rglob("*.part"))
        shutil.rmtree(tmp_path / "new")
        shutil.rmtree(tmp_path / "keys")
        number += 1
    assert number == 9  # four keys, root, targets, snapshot, timestamp


def test_a_kill_while_a_style_is_added_leaves_nothing_that_is_served(registry):
    style = registry.style("other@1.0.0")
    assert is_killed_at(1, lambda: add_style(registry.folder, style))
    build_registry(registry.folder, registry.keys)
    assert works(registry, {1})
    assert not list((registry.folder / "styles" / "other").iterdir())
    add_style(registry.folder, style)
    build_registry(registry.folder, registry.keys)
    assert works(registry, {2})
