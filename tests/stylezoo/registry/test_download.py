"""Downloads from a real local server; for faults see tests/faults/test_download.py."""

import os

import pytest

from stylezoo.errors import (
    CacheError,
    RegistryError,
    RegistryFormatError,
    UnavailableError,
)
from stylezoo.registry.download import download, read
from tests.faults.server import FileServer, digest

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FileServer() as server:
        server.files["/file"] = CONTENT
        server.files["/index.json"] = b"{}"
        yield server


def fetch(url, part, **options):
    download(url, part, size=len(CONTENT), sha256=digest(CONTENT), **options)


def get(url, **options):
    return read(url, limit=1000, what="the index", **options)


def test_a_file_arrives_and_progress_is_told(server, tmp_path):
    told = []
    fetch(f"{server.url}/file", tmp_path / "part", progress=told.append)
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, len(CONTENT))
    request = server.log.requests[0]
    assert request.headers["accept-encoding"] == "identity"


def test_a_part_that_is_whole_is_not_fetched_again(server, tmp_path):
    (tmp_path / "part").write_bytes(CONTENT)
    fetch(f"{server.url}/file", tmp_path / "part")
    assert server.asked() == []


@pytest.mark.parametrize("start", [b"x" * len(CONTENT), b"x" * 10, CONTENT + b"x"])
def test_a_part_of_something_else_is_fetched_anew(server, tmp_path, start):
    (tmp_path / "part").write_bytes(start)
    fetch(f"{server.url}/file", tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_part_that_is_a_link_or_pipe_is_not_followed(server, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    (tmp_path / "link").symlink_to(elsewhere)
    fetch(f"{server.url}/file", tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert elsewhere.read_bytes() == b"mine"
    os.mkfifo(tmp_path / "pipe")
    fetch(f"{server.url}/file", tmp_path / "pipe")
    assert (tmp_path / "pipe").read_bytes() == CONTENT


def test_a_part_that_cannot_be_written_is_a_fault_of_the_cache(server, tmp_path):
    (tmp_path / "part").mkdir()
    with pytest.raises(CacheError, match=r"part cannot be written.*STYLEZOO_CACHE"):
        fetch(f"{server.url}/file", tmp_path / "part")
    with pytest.raises(CacheError, match="No such file or directory"):
        fetch(f"{server.url}/file", tmp_path / "missing" / "part")


def test_a_file_that_is_not_there(server, tmp_path):
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:\d+ has no toy's weights \(404 Not"):
        fetch(f"{server.url}/nothing", tmp_path / "part", what="toy's weights")
    assert get(f"{server.url}/nothing") is None
    assert len(server.asked()) == 2


def test_what_the_hub_says_of_a_refusal_is_passed_on(server, tmp_path):
    server.fail(status=404, headers={"X-Error-Code": "RevisionNotFound"})
    with pytest.raises(RegistryError, match=r"\(404 Not Found, RevisionNotFound\)"):
        fetch(f"{server.url}/file", tmp_path / "part")
    server.fail(status=404, headers={"X-Error-Code": "\x1b[31m"})
    with pytest.raises(RegistryError, match=r"\(404 Not Found\)"):
        fetch(f"{server.url}/file", tmp_path / "part")


def test_a_small_file_is_read_up_to_its_limit(server):
    server.files["/index.json"] = bytes(1000)
    assert get(f"{server.url}/index.json") == bytes(1000)
    for headers in ({}, {"Content-Length": None, "Connection": "close"}):
        server.headers = headers
        server.files["/index.json"] = bytes(1001)
        with pytest.raises(RegistryFormatError, match="the index is longer than 1000 bytes"):
            get(f"{server.url}/index.json")


def test_a_small_file_whose_line_breaks_is_read_again(server):
    server.fail(cut_after=1)
    server.fail(drop="request")
    server.fail(drop="request", reset=True)
    assert get(f"{server.url}/index.json") == b"{}"
    assert len(server.asked()) == 4


def test_a_web_page_of_the_right_size_is_not_taken_for_a_file(server, tmp_path):
    server.fail(times=-1, body=b"<html>".ljust(len(CONTENT)))
    with pytest.raises(UnavailableError, match="captive portal"):
        fetch(f"{server.url}/file", tmp_path / "part")
    assert not (tmp_path / "part").exists()
