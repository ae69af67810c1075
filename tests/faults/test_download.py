"""Faults 1 to 6 and 14 to 16: broken connections, servers that send the wrong content."""

import gzip
import os
import time

import pytest

from stylezoo.errors import IntegrityError, UnavailableError
from stylezoo.registry.download import download
from tests.faults.server import FileServer, digest

CONTENT = os.urandom(600_000)
SIZE = len(CONTENT)
OTHER = os.urandom(SIZE)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with FileServer() as server:
        server.files["/file"] = CONTENT
        yield server


@pytest.fixture
def part(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    return folder / "0.part"


def fetch(server, part, **options):
    download(
        f"{server.url}/file", part, size=SIZE, sha256=digest(CONTENT), what="the file", **options
    )


def left(part):
    """The names of the remaining files."""
    return [path.name for path in part.parent.iterdir()]


@pytest.mark.parametrize("sent", [0, 1, SIZE // 2, SIZE - 1])
def test_fault_01_a_connection_that_ends_early_is_gone_on_with(server, part, sent):
    server.fail(cut_after=sent)
    fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.asked() == ["", f"bytes={sent}-" if sent else ""]


def test_fault_02_a_connection_that_is_reset_is_gone_on_with(server, part):
    server.fail(cut_after=SIZE // 2, reset=True)
    fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert len(server.asked()) == 2


def test_fault_03_a_line_that_always_breaks_is_given_up_and_the_next_run_goes_on(server, part):
    for _ in range(4):
        server.fail(cut_after=1000)
    with pytest.raises(UnavailableError, match=rf"4000 of {SIZE} bytes.*after 4 tries") as caught:
        fetch(server, part)
    assert "the file" in str(caught.value)
    assert part.read_bytes() == CONTENT[:4000]
    assert server.asked() == ["", "bytes=1000-", "bytes=2000-", "bytes=3000-"]

    fetch(server, part)
    assert server.asked()[4:] == ["bytes=4000-"]
    assert part.read_bytes() == CONTENT


def test_fault_04_a_line_that_stalls_is_tried_again(server, part, monkeypatch):
    monkeypatch.setenv("STYLEZOO_TIMEOUT", "0.3")
    server.fail(stall_after=SIZE // 2, delay=20)
    began = time.monotonic()
    fetch(server, part)
    assert time.monotonic() - began < 5
    assert part.read_bytes() == CONTENT
    assert len(server.asked()) == 2


def test_fault_04_a_server_that_never_answers_is_given_up(server, part, monkeypatch):
    monkeypatch.setenv("STYLEZOO_TIMEOUT", "0.1")
    server.fail(times=-1, delay=20)
    with pytest.raises(UnavailableError, match=r"no response for 0\.1 s, after 4 tries"):
        fetch(server, part)
    assert left(part) == []


def test_fault_05_a_server_without_ranges_starts_again(server, part):
    server.ranges = False
    server.fail(cut_after=SIZE // 2)
    fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.asked() == ["", f"bytes={SIZE // 2}-"]


def test_fault_06_content_that_changes_meanwhile_is_never_spliced(server, part):
    """The rest comes from another file; a fresh start gets the right one."""
    server.fail(cut_after=SIZE // 2)
    server.fail(body=OTHER[SIZE // 2 :])
    fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.asked() == ["", f"bytes={SIZE // 2}-", ""]


def test_fault_06_content_that_has_changed_for_good_is_refused(server, part):
    part.write_bytes(CONTENT[:1000])
    server.files["/file"] = OTHER
    with pytest.raises(IntegrityError, match="the file is not what the registry says") as caught:
        fetch(server, part)
    assert digest(OTHER) in str(caught.value)
    assert left(part) == []


def test_fault_06_another_range_than_the_one_asked_for_is_not_taken(server, part):
    part.write_bytes(CONTENT[:1000])
    server.fail(headers={"Content-Range": f"bytes 999-{SIZE - 1}/{SIZE}"})
    fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.asked() == ["bytes=1000-", ""]


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1, 10**15, 10**30])
def test_fault_14_a_file_of_another_size_is_refused_before_a_byte_is_written(server, part, size):
    told = []
    server.fail(times=-1, headers={"Content-Length": str(size), "Connection": "close"})
    with pytest.raises(IntegrityError, match=f"it has {size} bytes, not {SIZE}"):
        fetch(server, part, progress=told.append)
    assert set(told) == {0}
    assert left(part) == []


def test_fault_14_of_a_file_without_a_size_no_more_is_read_than_it_has(server, part):
    server.files["/file"] = OTHER + bytes(100_000_000)
    server.headers = {"Content-Length": None, "Connection": "close"}
    told = []
    with pytest.raises(IntegrityError, match="the file is not what"):
        fetch(server, part, progress=told.append)
    assert max(told) == SIZE
    assert left(part) == []


def test_fault_14_a_file_without_a_size_is_taken_if_it_is_right(server, part):
    server.headers = {"Content-Length": None, "Connection": "close"}
    server.fail(cut_after=1000)
    fetch(server, part)
    assert part.read_bytes() == CONTENT


def test_fault_15_a_bomb_is_not_unpacked(server, part):
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < SIZE
    server.fail(times=-1, body=bomb, headers={"Content-Encoding": "gzip"})
    told = []
    with pytest.raises(UnavailableError, match="sent it compressed \\('gzip'\\)"):
        fetch(server, part, progress=told.append)
    assert set(told) == {0}
    assert left(part) == []


def test_fault_15_a_bomb_of_just_the_right_size_is_not_unpacked(server, part):
    """Even without a Content-Encoding header."""
    bomb = gzip.compress(bytes(50_000_000)).ljust(SIZE, b"\0")
    server.fail(times=-1, body=bomb)
    told = []
    with pytest.raises(IntegrityError):
        fetch(server, part, progress=told.append)
    assert max(told) == SIZE
    assert left(part) == []


def test_fault_16_a_flipped_bit_is_found_and_the_file_fetched_once_more(server, part):
    server.fail(flip=True)
    fetch(server, part)
    assert part.read_bytes() == CONTENT
    assert server.asked() == ["", ""]


def test_fault_16_a_file_that_is_wrong_twice_is_refused_and_removed(server, part):
    server.fail(flip=True, times=-1)
    with pytest.raises(IntegrityError, match="it was fetched twice from http://127"):
        fetch(server, part)
    assert server.asked() == ["", ""]
    assert left(part) == []
