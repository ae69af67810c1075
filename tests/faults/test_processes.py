"""Faults 23 to 27: concurrent, killed, stopped and interrupted processes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.store import Store
from stylezoo.registry.web import CHUNK
from tests.faults.server import FileServer, digest, larger_style, serve_style, snapshot

SIZE = 8 * CHUNK

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")


@pytest.fixture(scope="module")
def style(toy_style, tmp_path_factory):
    """A style with 8 chunks of weights."""
    return larger_style(toy_style, tmp_path_factory.mktemp("large") / "toy", SIZE)


@pytest.fixture
def sha256(style):
    return digest((style / RECORD_FILE).read_bytes())


@pytest.fixture
def server(style):
    with FileServer() as server:
        serve_style(server, style)
        yield server


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def start(server, cache, root):
    """Start processes that fetch the style; kill those that a test leaves running."""
    started = []

    def start(**environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fetch_style", f"{server.url}/style"],
            cwd=root,
            env={
                **os.environ,
                "STYLEZOO_CACHE": str(cache),
                "NO_PROXY": "127.0.0.1",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # In the background of a shell, tests and their children would ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def run(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_until_half_is_here(cache):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        parts = [path.stat().st_size for path in cache.glob("styles/.tmp/*/*.part")]
        if any(size >= SIZE // 2 for size in parts):
            return
        time.sleep(0.01)
    raise AssertionError("no process began to fetch")


def stalled(server):
    """Let the first download of the weights stop half-way."""
    server.fail("model.safetensors", stall_after=SIZE // 2, delay=60)


def assert_only_the_style_is_there(cache, sha256, style):
    assert snapshot(cache / "styles" / sha256) == snapshot(style)
    assert list(cache.rglob("*.part")) == []
    assert list((cache / "styles" / ".tmp").iterdir()) == []


def test_fault_23_of_six_processes_one_fetches(server, start, cache, sha256, style):
    server.fail("model.safetensors", delay=0.5)
    for code, out, err in map(run, [start() for _ in range(6)]):
        assert (code, err) == (0, "")
        assert out == f"{cache / 'styles' / sha256}\n"
    for path in style.iterdir():
        fetched = server.log.lines(f"/{path.name}$")
        assert len(fetched) == (6 if path.name == RECORD_FILE else 1)
    assert_only_the_style_is_there(cache, sha256, style)


def test_fault_24_after_a_kill_the_next_run_goes_on(server, start, cache, sha256, style):
    stalled(server)
    killed = start()
    wait_until_half_is_here(cache)
    killed.kill()
    assert run(killed)[0] == -signal.SIGKILL
    assert not (cache / "styles" / sha256).exists()

    assert run(start()) == (0, f"{cache / 'styles' / sha256}\n", "")
    assert [r for r in server.asked() if r] == [f"bytes={SIZE // 2}-"]
    assert_only_the_style_is_there(cache, sha256, style)


def test_fault_24_after_a_kill_the_next_run_for_another_style_sweeps(
    server, start, cache, toy_style
):
    stalled(server)
    killed = start()
    wait_until_half_is_here(cache)
    killed.kill()
    killed.wait()
    server.files.clear()
    serve_style(server, toy_style)
    assert run(start())[0] == 0
    record = (toy_style / RECORD_FILE).read_bytes()
    assert_only_the_style_is_there(cache, digest(record), toy_style)


def test_fault_25_after_an_interrupt_nothing_is_left(server, start, cache, sha256):
    stalled(server)
    process = start()
    wait_until_half_is_here(cache)
    process.send_signal(signal.SIGINT)
    code, out, err = run(process)
    assert (code, out, err.strip()) == (130, "", "interrupted")
    assert list(cache.rglob("*.part")) == []
    assert list((cache / "styles" / ".tmp").iterdir()) == []
    assert not (cache / "styles" / sha256).exists()


def test_fault_26_a_holder_that_is_stopped_is_named_and_waited_for_so_long(
    server, start, cache, sha256, style
):
    stalled(server)
    holder = start(STYLEZOO_TIMEOUT="50")
    wait_until_half_is_here(cache)
    holder.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        code, out, err = run(start(STYLEZOO_LOCK_TIMEOUT="11"))
        assert 11 <= time.monotonic() - began < 25
    finally:
        holder.send_signal(signal.SIGCONT)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"warning: waiting for process {holder.pid}, which is working on toy 1.0.0",
        f"error: process {holder.pid} holds toy 1.0.0 and made no progress for 11 s; end it, or "
        "set STYLEZOO_LOCK_TIMEOUT to more seconds to wait longer",
    ]
    # Its files are untouched: once it is killed, the next run takes over its part.
    holder.kill()
    holder.wait()
    assert run(start())[0] == 0
    assert_only_the_style_is_there(cache, sha256, style)


def test_fault_26_a_holder_that_moves_on_is_waited_for_longer(server, start, cache, sha256, style):
    """The limit is on time without progress: a large file on a slow line may take longer."""
    for _ in range(3):
        server.fail("model.safetensors", stall_after=SIZE // 4, delay=60)
    holder = start(STYLEZOO_TIMEOUT="1")
    time.sleep(0.5)
    began = time.monotonic()
    assert run(start(STYLEZOO_LOCK_TIMEOUT="2.5"))[0] == 0
    assert time.monotonic() - began > 2.5
    assert run(holder)[0] == 0
    assert_only_the_style_is_there(cache, sha256, style)


def test_fault_27_a_lock_file_that_nobody_holds_is_no_lock(server, start, cache, sha256, style):
    locks = cache / "styles" / ".locks"
    locks.mkdir(parents=True)
    (locks / f"{sha256}.lock").write_text("12345")
    assert run(start())[0] == 0
    assert_only_the_style_is_there(cache, sha256, style)


def test_the_store_that_others_filled_is_this_process_s_too(start, cache, sha256):
    assert run(start())[0] == 0
    assert Store(cache / "styles").folder(sha256) is not None
