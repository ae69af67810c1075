"""A registry's index: when it is fetched, what is kept, what kills and other processes do.

Attacks on it are in tests/faults/test_registry.py.
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.version import Version

from stylezoo.errors import (
    CacheError,
    OfflineError,
    RegistryError,
    RegistryFormatError,
    SignatureError,
    UnavailableError,
)
from stylezoo.registry.config import RegistryWarning
from stylezoo.registry.index_io import write_copy
from stylezoo.registry.keys import ROLES
from stylezoo.registry.signing import rotate_key
from tests.faults.server import FileServer
from tests.kept_registry import KeptRegistry, is_killed_at


@pytest.fixture
def registry(tmp_path, toy_style):
    return KeptRegistry(tmp_path, toy_style)


def test_an_index_is_asked_for_once_and_then_read_here(registry, web):
    index = registry.client(web.url).index()
    assert [str(version) for version in index.versions("toy")] == ["1.0.0"]
    asked = web.asked()
    assert set(asked) == {
        "/metadata/2.root.json",
        "/metadata/timestamp.json",
        "/metadata/2.snapshot.json",
        "/metadata/2.targets.json",
    }
    assert registry.client(web.url).index().entries == index.entries
    assert web.asked() == asked


def test_a_refresh_of_what_has_not_changed_reads_the_timestamp_alone(registry, web):
    client = registry.client(web.url)
    before = client.index()
    asked = web.asked()
    assert client.refresh().entries == before.entries
    assert client.index().refreshed > before.refreshed
    assert web.asked()[len(asked) :] == ["/metadata/2.root.json", "/metadata/timestamp.json"]


def test_what_another_process_has_refreshed_is_seen(registry):
    here, there = registry.client(), registry.client()
    assert len(here.index().versions("toy")) == 1
    registry.publish("toy@2.0.0")
    there.refresh()
    assert len(here.index().versions("toy")) == 2


def test_a_clock_that_was_ahead_stops_no_refresh(registry):
    """An index stored "tomorrow" does not count as one just fetched by another process."""
    client = registry.client()
    ahead = dataclasses.replace(client.index(), refreshed=datetime.now(UTC) + timedelta(hours=5))
    write_copy(client.state / "index", ahead)
    registry.publish("toy@2.0.0")
    assert len(client.refresh().versions("toy")) == 2


def test_offline_nothing_is_asked(registry, web, monkeypatch):
    registry.client(web.url).index()
    asked = web.asked()
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    assert registry.client(web.url).index().versions("toy")
    assert registry.client(web.url).refresh().versions("toy")
    with pytest.raises(OfflineError, match=r"'team' is not in the cache.*run: stylezoo update"):
        registry.client(web.url, user="fresh").index()
    assert web.asked() == asked


def test_offline_a_folder_is_read_all_the_same(registry, monkeypatch):
    monkeypatch.setenv("STYLEZOO_OFFLINE", "1")
    assert registry.client().index().versions("toy")


def test_a_server_that_is_gone_leaves_the_index_of_before_in_use(registry, web):
    index = registry.client(web.url).index()
    web.stop()
    with pytest.warns(RegistryWarning, match=r"cannot be reached.*; the index of 20.* is used"):
        assert registry.client(web.url).refresh().entries == index.entries
    with pytest.raises(UnavailableError, match="cannot be reached"):
        registry.client(web.url, user="fresh").index()


def test_a_folder_that_is_not_mounted_leaves_the_index_of_before_in_use(registry):
    index = registry.client().index()
    registry.folder.rename(registry.base / "elsewhere")
    with pytest.warns(RegistryWarning, match="is not a folder, or is not currently mounted"):
        assert registry.client().refresh().entries == index.entries


def test_what_is_no_registry_says_so(registry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        UnavailableError, match=r"no metadata/timestamp\.json; it is not a signed reg"
    ):
        registry.client(str(tmp_path / "empty")).index()


def test_a_root_that_is_not_there_or_none_says_so(registry):
    registry.root.unlink()
    with pytest.raises(RegistryError, match=r"cannot be read from .*root\.json: No such file"):
        registry.client().index()
    registry.root.write_text("{}")
    with pytest.raises(RegistryFormatError):
        registry.client().index()


def test_what_nobody_has_signed_is_quoted_printably_and_in_short(registry):
    path = registry.newest("timestamp")
    good = path.read_text()
    hostile = json.dumps("\x1b[2J\x1b]0;owned\x07\nall is well" + "x" * 10_000)
    for field, value in (("_type", "timestamp"), ("spec_version", "1.0.31")):
        path.write_text(good.replace(f'"{field}":"{value}"', f'"{field}":{hostile}'))
        with pytest.raises(RegistryFormatError, match=r"\\x1b\[2J") as caught:
            registry.client().index()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1000


def test_another_registrys_root_does_not_vouch_for_this_one(registry, toy_style, tmp_path):
    other = KeptRegistry(tmp_path / "other", toy_style)
    shutil.copy(other.root, registry.root)
    with pytest.raises(SignatureError):
        registry.client().index()


def test_a_server_that_forbids_what_it_does_not_have_is_understood(registry, monkeypatch):
    """As S3 does for clients without the right to list."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with FileServer() as server:
        for path in registry.folder.rglob("*.*"):
            if path.is_file():
                server.files[f"/{path.relative_to(registry.folder)}"] = path.read_bytes()
        server.fail(r"2\.root\.json", times=-1, status=403)
        assert registry.client(server.url).index().versions("toy")


@pytest.mark.parametrize("role", ROLES)
def test_new_keys_are_followed(registry, role):
    known = registry.client()
    known.index()
    rotate_key(registry.folder, registry.keys, role)
    registry.publish("toy@2.0.0")
    assert len(known.refresh().versions("toy")) == 2
    assert len(registry.client(user="fresh").index().versions("toy")) == 2


def test_a_seed_with_newer_roots_is_followed(registry, tmp_path):
    for role in ROLES:
        rotate_key(registry.folder, registry.keys, role)
    seed = shutil.copytree(registry.folder / "metadata", tmp_path / "seed")
    client = registry.client(seed=seed)
    assert client.index().versions("toy")
    registry.publish("toy@2.0.0")
    assert len(registry.client(seed=seed).refresh().versions("toy")) == 2


def test_a_seed_that_the_root_does_not_vouch_for_is_passed_over(registry, toy_style, tmp_path):
    other = KeptRegistry(tmp_path / "other", toy_style, "toy@1.0.0 toy@2.0.0 toy@3.0.0")
    other.publish("toy@4.0.0")
    client = registry.client(seed=other.folder / "metadata")
    assert [str(version) for version in client.index().versions("toy")] == ["1.0.0"]


def test_a_damaged_copy_or_state_is_fetched_anew(registry):
    index = registry.client().index()
    state = registry.base / "user" / "registries" / "team"
    for path in sorted(state.rglob("*")):
        if path.is_file() and path.name != ".lock":
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
            (state / "index").unlink(missing_ok=True)
            assert registry.client().index().entries == index.entries


def test_several_processes_ask_once(registry, web):
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            os._exit(0 if registry.client(web.url).index().versions("toy") else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert web.asked().count("/metadata/2.targets.json") == 1
    assert registry.client(web.url).index().versions("toy")


def test_a_process_that_hangs_is_waited_for_and_named(registry, monkeypatch):
    client = registry.client()
    client.index()
    lock = client.state / ".lock"
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom stylezoo.registry.locks import locked\n"
        f"with locked(Path({str(lock)!r}), 'it'):\n    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        holder.send_signal(signal.SIGSTOP)
        monkeypatch.setenv("STYLEZOO_LOCK_TIMEOUT", "0.5")
        started = time.monotonic()
        said = rf"process {holder.pid} .*for 0\.5 s.*STYLEZOO_LOCK"
        with pytest.raises(CacheError, match=said):
            client.refresh(fall_back=False)
        assert 0.4 < time.monotonic() - started < 5
        with pytest.warns(RegistryWarning, match=f"{said}.*is used instead"):
            assert client.refresh().versions("toy")
        assert client.index().versions("toy")  # reading needs no lock
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert client.refresh().versions("toy")  # the lock ended with its process


class Dripping(BaseHTTPRequestHandler):
    """Sends the start of one kind of file over three seconds, and then the rest."""

    folder = Path()
    slow = ""

    def do_GET(self):
        path = self.folder / self.path.lstrip("/")
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.path.endswith(self.slow):
            for _ in range(14):
                self.wfile.write(content[:64])
                content = content[64:]
                time.sleep(0.25)
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.mark.parametrize("slow", ["targets.json", "style.toml"])
def test_a_process_that_fetches_slowly_is_waited_for(registry, monkeypatch, slow):
    monkeypatch.setenv("STYLEZOO_LOCK_TIMEOUT", "2")
    handler = type("Handler", (Dripping,), {"folder": registry.folder, "slow": slow})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        child = os.fork()
        if child == 0:
            try:
                registry.source(url).record("toy", Version("1.0.0"))
                os._exit(0)
            finally:
                os._exit(1)
        lock = registry.client(url).state / ".lock"
        while not (lock.is_file() and lock.read_text()):
            time.sleep(0.01)
        assert registry.source(url).record("toy", Version("1.0.0")).name == "toy"
        assert os.waitpid(child, 0)[1] == 0
        server.shutdown()
    assert not (lock.parent / ".progress").exists()


def test_a_kill_at_any_move_leaves_an_index_and_the_next_refresh_goes_on(registry):
    user = registry.base / "user"
    registry.client().index()
    registry.publish("toy@2.0.0")
    rotate_key(registry.folder, registry.keys, "targets")
    registry.publish("toy@3.0.0")
    shutil.copytree(user, registry.base / "before", symlinks=True)
    number = 1
    while is_killed_at(number, lambda: registry.client().refresh()):
        assert len(registry.client().index().versions("toy")) in (1, 3)
        assert len(registry.client().refresh().versions("toy")) == 3
        left = {path.name for path in (user / "registries" / "team").iterdir()}
        assert left == {".lock", "metadata", "index"}
        shutil.rmtree(user)
        shutil.copytree(registry.base / "before", user, symlinks=True)
        number += 1
    assert number > 6


def test_a_kill_at_any_move_of_the_first_refresh(registry):
    number = 1
    while is_killed_at(number, lambda: registry.client().index()):
        assert registry.client().index().versions("toy")
        shutil.rmtree(registry.base / "user")
        number += 1
    assert number > 4


def test_a_state_that_cannot_be_written_names_the_variable(registry):
    (registry.base / "user").mkdir()
    (registry.base / "user" / "registries").write_text("a file")
    with pytest.raises(CacheError, match="STYLEZOO_CACHE"):
        registry.client().index()
