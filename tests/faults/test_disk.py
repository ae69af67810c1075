"""Faults 28 to 33: full or read-only disks, damaged or obstructed caches."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

import stylezoo
from stylezoo.errors import IntegrityError
from stylezoo.registry.hub_repository import HubRepository
from stylezoo.registry.record import RECORD_FILE
from tests.faults.server import FileServer, digest, larger_style, serve_style, snapshot
from tests.kept_registry import KeptRegistry

MAY_MOUNT = (
    sys.platform == "linux"
    and shutil.which("unshare") is not None
    and subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
    ).returncode
    == 0
)
needs_mounts = pytest.mark.skipif(not MAY_MOUNT, reason="this system lets us mount nothing")


@pytest.fixture(scope="module")
def large(toy_style, tmp_path_factory):
    """A style of 6 MB."""
    return larger_style(toy_style, tmp_path_factory.mktemp("large") / "toy", 5_950_000)


@pytest.fixture
def server():
    with FileServer() as server:
        yield server


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def fetch(server, cache, root, toy_style):
    """Fetch the toy style in its own process, optionally in its own mount namespace."""
    serve_style(server, toy_style)

    def fetch(mount="", afterwards="", within=(), without=(), **environment):
        variables = {**os.environ, "STYLEZOO_CACHE": str(cache), "NO_PROXY": "127.0.0.1"}
        variables = {k: v for k, v in variables.items() if k not in without} | environment
        program = [*within, sys.executable, "-m", "tests.faults.fetch_style", f"{server.url}/style"]
        if mount:
            script = f'{mount} || exit 99; "$@"; code=$?; {afterwards or ":"}; exit $code'
            program = ["unshare", "-rm", "sh", "-c", script, str(cache), *program]
        done = subprocess.run(program, cwd=root, env=variables, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return fetch


def folder_of(cache, style):
    return cache / "styles" / digest((style / RECORD_FILE).read_bytes())


@needs_mounts
def test_fault_28_a_disk_without_room_is_found_before_a_byte_is_fetched(
    server, fetch, cache, large, tmp_path
):
    serve_style(server, large)
    cache.mkdir()
    code, out, err = fetch(
        'mount -t tmpfs -o size=2m none "$0"', f'find "$0" -type f >"{tmp_path}/left"'
    )
    assert (code, out) == (1, "")
    assert err == (
        f"error: toy 1.0.0: need 6.0 MB, only 2.1 MB free in {cache}/styles; make room, such as "
        "with 'stylezoo cache prune --all', or choose another folder with STYLEZOO_CACHE\n"
    )
    assert server.log.lines("model") == []
    left = (tmp_path / "left").read_text().split()
    assert [path for path in left if not path.endswith(".lock")] == []


@needs_mounts
def test_fault_28_a_disk_that_fills_up_meanwhile_is_given_back_what_was_taken(
    server, fetch, cache, large, tmp_path
):
    serve_style(server, large)
    server.fail("model", stall_after=3_000_000, delay=1)
    cache.mkdir()
    fill = (
        '(until find "$0" -name "*.part" -size +2M | grep -q .; do sleep 0.02; done; '
        'cat /dev/zero >"$0/other" 2>/dev/null) &'
    )
    code, out, err = fetch(
        f'mount -t tmpfs -o size=8m none "$0" && {{ {fill} }}',
        f'find "$0" -type f >"{tmp_path}/left"',
    )
    assert (code, out) == (1, "")
    assert "0.part cannot be written: No space left on device; make room there" in err
    assert "STYLEZOO_CACHE" in err
    left = (tmp_path / "left").read_text().split()
    assert [path for path in left if not path.endswith(".lock")] == [f"{cache}/other"]


@needs_mounts
def test_fault_29_a_read_only_cache_serves_what_it_holds(server, fetch, cache, toy_style, large):
    read_only = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"'
    assert fetch()[0] == 0
    before = snapshot(cache)
    code, out, err = fetch(read_only)
    assert (code, out, err) == (0, f"{folder_of(cache, toy_style)}\n", "")

    serve_style(server, large)
    code, out, err = fetch(read_only)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {cache}/styles/")
    assert "cannot be locked: Read-only file system; choose another folder" in err
    assert "STYLEZOO_CACHE" in err
    assert snapshot(cache) == before


def test_fault_30_a_file_in_the_place_of_the_cache(fetch, cache):
    cache.write_text("mine")
    code, out, err = fetch()
    assert (code, out) == (1, "")
    assert err == (
        f"error: the cache {cache}/styles cannot be used: {cache} is not a folder; choose another "
        "folder with STYLEZOO_CACHE\n"
    )
    assert cache.read_text() == "mine"


def test_fault_30_a_link_to_nowhere_in_the_place_of_the_cache(fetch, cache, tmp_path):
    cache.symlink_to(tmp_path / "nowhere")
    code, out, err = fetch()
    assert (code, out) == (1, "")
    assert f"{cache} is a broken link; choose another" in err
    assert not (tmp_path / "nowhere").exists()


@needs_mounts
def test_fault_30_a_user_without_a_home(fetch, root):
    before = sorted(root.iterdir())
    code, out, err = fetch(
        within=("unshare", "--user", "--map-user=54321"),
        without=("HOME", "XDG_CACHE_HOME", "STYLEZOO_CACHE"),
    )
    assert (code, out) == (1, "")
    assert err == (
        "error: there is no home folder to keep the cache in; set STYLEZOO_CACHE to a folder\n"
    )
    assert sorted(root.iterdir()) == before  # no folder named ~


@needs_mounts
@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_fault_30_a_cache_that_we_may_not_use(fetch, cache, mode):
    cache.mkdir()
    cache.chmod(mode)
    code, out, err = fetch(within=("unshare", "--user", "--map-user=54321"))
    cache.chmod(0o700)
    assert (code, out) == (1, "")
    assert f"the cache {cache}/styles cannot be used: Permission denied; choose another" in err
    assert list(cache.iterdir()) == []


def test_fault_30_a_cache_in_the_home_of_nobody(fetch):
    code, _, err = fetch(STYLEZOO_CACHE="~no-such-user/cache")
    assert code == 1
    assert "there is no home folder to keep the cache in ('~no-such-user/cache'); set" in err


def truncate(path):
    os.truncate(path, 10)


def flip(path):
    """Flip one bit as a failing disk would: size and times stay the same."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def put_folder(path):
    path.unlink()
    path.mkdir()


def put_link(path):
    path.unlink()
    path.symlink_to("/etc/hostname")


DAMAGES = [truncate, flip, replace, put_folder, put_link]


@pytest.mark.parametrize(
    "damage", DAMAGES, ids=lambda damage: f"{31 if damage in DAMAGES[:3] else 32}_{damage.__name__}"
)
def test_fault_31_and_32_a_damaged_file_is_found_and_fetched_anew(
    server, fetch, cache, toy_style, damage
):
    assert fetch()[0] == 0
    folder = folder_of(cache, toy_style)
    damage(folder / "model.safetensors")
    damaged = snapshot(folder)

    # The damaged style is never loaded.
    with pytest.raises(IntegrityError, match=r"model\.safetensors"):
        stylezoo.load(folder)

    # Without the server, the file is named and nothing changes.
    served, server.files = server.files, {f"/style/{RECORD_FILE}": _record(toy_style)}
    server.fail("model", status=503, times=4)
    code, out, err = fetch()
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {folder}/model.safetensors ")
    assert "it cannot be fetched again: model.safetensors" in err
    assert snapshot(folder) == damaged

    server.files = served
    server.log.clear()
    assert fetch()[0] == 0
    assert snapshot(folder) == snapshot(toy_style)
    assert server.log.lines("/style/[^s]") == ["GET /style/model.safetensors"]
    assert list(cache.rglob("*.part")) == []
    assert stylezoo.load(folder).record.name == "toy"


def _record(style):
    return (style / RECORD_FILE).read_bytes()


def test_fault_31_a_damaged_record_is_fetched_anew(fetch, cache, toy_style):
    assert fetch()[0] == 0
    folder = folder_of(cache, toy_style)
    flip(folder / RECORD_FILE)
    assert fetch()[0] == 0
    assert snapshot(folder) == snapshot(toy_style)


def test_fault_31_offline_a_damaged_style_of_the_hub_is_named(hub, toy_style, monkeypatch):
    files = {path.name: path.read_bytes() for path in toy_style.iterdir()}
    hub.add("alice/toy", files, tag="v1.0.0")
    version = Version("1.0.0")
    folder = HubRepository("alice/toy").fetch("alice/toy", version)
    flip(folder / "model.safetensors")
    damaged = snapshot(folder)
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    hub.log.clear()
    with pytest.raises(IntegrityError, match=r"/model\.safetensors has the sha256"):
        HubRepository("alice/toy").fetch("alice/toy", version)
    assert hub.log.requests == []
    assert snapshot(folder) == damaged
    monkeypatch.delenv("STYLEZOO_OFFLINE")
    assert HubRepository("alice/toy").fetch("alice/toy", version) == folder
    assert snapshot(folder) == snapshot(toy_style)


def test_fault_31_offline_a_damaged_style_of_a_registry_is_named(
    server, toy_style, tmp_path, monkeypatch
):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    kept = KeptRegistry(tmp_path, toy_style)
    for path in filter(Path.is_file, kept.folder.rglob("*")):
        server.files[f"/{path.relative_to(kept.folder)}"] = path.read_bytes()
    source, version = kept.source(server.url), Version("1.0.0")
    folder = source.fetch("toy", version)
    flip(folder / "model.safetensors")
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    server.log.clear()
    with pytest.raises(IntegrityError, match=r"/model\.safetensors has the sha256"):
        source.fetch("toy", version)
    assert server.log.requests == []
    monkeypatch.delenv("STYLEZOO_OFFLINE")
    assert source.fetch("toy", version) == folder
    assert snapshot(folder) == snapshot(toy_style)


def test_fault_32_a_style_that_is_a_link_is_fetched_anew(fetch, cache, toy_style, tmp_path):
    folder = folder_of(cache, toy_style)
    folder.parent.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(toy_style, elsewhere)
    folder.symlink_to(elsewhere)
    assert fetch()[0] == 0
    assert not folder.is_symlink()
    assert snapshot(folder) == snapshot(toy_style) == snapshot(elsewhere)


def test_fault_33_a_system_without_links_will_do(fetch, cache, toy_style, tmp_path):
    hook = tmp_path / "python" / "sitecustomize.py"
    hook.parent.mkdir()
    hook.write_text(
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    if event in ('os.symlink', 'os.link'):\n"
        "        raise OSError(1, 'Operation not permitted')\n"
        "sys.addaudithook(refuse)\n"
    )
    assert fetch(PYTHONPATH=str(hook.parent))[0] == 0
    assert snapshot(folder_of(cache, toy_style)) == snapshot(toy_style)
    for path in cache.rglob("*"):
        assert not path.is_symlink()
