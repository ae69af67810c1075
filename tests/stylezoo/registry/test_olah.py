"""A style fetched from the Hub through olah, a third-party mirror.

It sits between stylezoo and the test Hub, and holds both to the protocol. The test runs if
``olah-cli`` is on the PATH: ``pip install olah`` into its own environment.
"""

import shutil
import socket
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from stylezoo.registry.hub_repository import HubRepository

INK = "alice/ink"


@pytest.fixture
def mirror(hub, tmp_path, monkeypatch):
    """A mirror of the Hub in its own process, with HF_ENDPOINT set to it."""
    program = shutil.which("olah-cli")
    if program is None:
        pytest.skip("olah-cli is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    options = {
        "--host": "127.0.0.1",
        "--port": place.partition(":")[2],
        "--hf-scheme": "http",
        "--hf-netloc": urlsplit(hub.url).netloc,
        "--hf-lfs-netloc": urlsplit(hub.cdn_url).netloc,
        "--mirror-scheme": "http",
        "--mirror-netloc": place,
        "--mirror-lfs-netloc": place,
        "--repos-path": str(tmp_path / "mirror"),
        "--log-path": str(tmp_path / "logs"),
    }
    arguments = [part for pair in options.items() for part in pair]
    with (tmp_path / "olah.log").open("w") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=tmp_path)
    try:
        _wait_for(place, process)
        monkeypatch.setenv("HF_ENDPOINT", f"http://{place}")
        yield
    finally:
        process.kill()
        process.wait()


def _wait_for(place, process):
    host, _, port = place.partition(":")
    for _ in range(200):
        assert process.poll() is None, "the mirror has ended"
        with socket.socket() as line:
            if line.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the mirror does not answer")


@pytest.mark.usefixtures("mirror")
def test_a_style_comes_through_a_mirror_as_it_is(hub, ink, tmp_path, monkeypatch):
    fetched = []
    for reader in ("one", "two"):
        monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / reader))
        repository = HubRepository(INK)
        folder = repository.fetch(INK, repository.versions(INK)[0])
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == ink
        fetched.append(len(hub.log.lines("GET /lfs/")))
    assert fetched[0] == fetched[1] > 0  # the mirror serves the second from its cache
