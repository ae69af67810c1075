"""Streams as a shell may pass them: full, closed, a terminal, in another encoding."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

COMMAND = [sys.executable, "-m", "stylezoo"]
# Buffered, as for users: a failure of the last flush must not go unnoticed.
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture
def photo(tmp_path):
    Image.effect_noise((40, 30), 60).convert("RGB").save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def one_error(done, message):
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip().splitlines() == [message]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("command", [["list"], ["plugins", "--json"], ["doctor"], ["apply"]])
def test_a_full_disk_behind_stdout(command, toy_style, photo):
    if command == ["apply"]:
        command = ["apply", str(toy_style), str(photo), "-o", "-"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *command], stdout=full, stderr=subprocess.PIPE, text=True, env=BUFFERED
        )
    one_error(done, "error: stdout cannot be written: No space left on device")


def test_a_picture_into_a_pipe_that_nobody_reads(toy_style, photo):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "apply", toy_style, photo, "-o", "-"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=BUFFERED,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_closed_streams(toy_style, photo, tmp_path):
    def shell(redirection, *arguments):
        return subprocess.run(
            ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=BUFFERED,
        )

    done = shell("<&-", "apply", toy_style, "-", "-o", tmp_path / "out.png")
    one_error(done, "error: stdin is empty; pipe a picture into it")
    done = shell(">&-", "apply", toy_style, photo, "-o", "-")
    one_error(done, "error: stdout is closed; redirect it, or give -o FILE")
    assert shell(">&-", "list").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_what_is_wrong_with_stdin_is_said_of_stdin(toy_style):
    done = subprocess.run(
        [*COMMAND, "apply", toy_style, "-"], input=b"text", capture_output=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: stdin: the image cannot be read as a picture")
    assert done.stdout == b""


def in_terminal(*arguments, **streams):
    """Run with all other streams on a terminal; return the exit code and what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        **{name: streams.get(name, theirs) for name in ("stdin", "stdout", "stderr")},
        # Wide enough that no message wraps.
        env={**os.environ, "TERM": "xterm", "COLUMNS": "400"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's answer to a closed other end
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(), shown.decode()


def test_no_picture_is_written_to_a_terminal(toy_style, photo):
    code, shown = in_terminal("apply", toy_style, photo, "-o", "-")
    assert code == 2
    assert "stdout is a terminal" in shown
    assert "PNG" not in shown


def test_no_picture_is_read_from_a_terminal(toy_style, tmp_path):
    code, shown = in_terminal("apply", toy_style, "-", "-o", tmp_path / "out.png")
    assert code == 2
    assert "stdin is a terminal" in shown


def test_the_bar_is_on_the_terminal_and_the_results_in_the_file(toy_style, tmp_path):
    """Enough work, including the import of torch, to outlast the bar's delay."""
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.effect_noise((700, 500), 60).convert("RGB").save(photos / "0.jpg")
    for number in range(1, 6):
        os.link(photos / "0.jpg", photos / f"{number}.jpg")
    with (tmp_path / "results.txt").open("wb") as results:
        code, shown = in_terminal("apply", toy_style, photos, stdout=results)
    assert code == 0
    expected = [str(photos / f"{number}-toy.png") for number in range(6)]
    assert (tmp_path / "results.txt").read_text().splitlines() == expected
    assert "applying" in shown
    assert "-toy.png" not in shown


def install_plugin(folder, code, monkeypatch):
    """Install a module as a plugin for the command lines of this test."""
    (folder / "odd.py").write_text(code)
    info = folder / "odd-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[stylezoo]\nodd = odd\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


def test_a_terminal_gets_the_table_with_nothing_taken_for_markup(tmp_path, monkeypatch):
    install_plugin(tmp_path, "raise RuntimeError('[red]odd[/red]')", monkeypatch)
    code, shown = in_terminal("plugins", stderr=subprocess.DEVNULL)
    assert code == 0
    assert "[red]odd[/red]" in shown


def test_no_message_controls_a_terminal_or_forges_a_line(toy_style, tmp_path, monkeypatch):
    odd = "Kragujevac-ü-神\x1b]0;owned\x07\nerror: forged"
    (tmp_path / odd).write_text("no picture")
    code, shown = in_terminal("apply", toy_style, tmp_path / odd)
    assert code == 1
    assert r"Kragujevac-ü-神\x1b]0;owned\x07" in shown
    assert "\x1b]" not in shown
    assert "\nerror: forged" not in shown
    assert "\n  error: forged cannot be read" in shown

    install_plugin(tmp_path, f"import warnings\nwarnings.warn({odd!r})", monkeypatch)
    _, shown = in_terminal("plugins", stdout=subprocess.DEVNULL)
    assert r"warning: Kragujevac-ü-神\x1b]0;owned\x07 error: forged" in shown
    assert "\x1b]" not in shown
    assert "\nerror" not in shown


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux alone")
def test_any_file_name_can_be_printed(toy_style, photo):
    name = os.fsencode(photo.parent) + b"/b\xff.jpg"
    os.link(photo, name)
    utf8 = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    command = [*COMMAND, "apply", toy_style, name]
    done = subprocess.run(command, capture_output=True, env=utf8)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == os.fsencode(photo.parent) + b"/b\xff-toy.png"

    done = subprocess.run([*command, "--overwrite", "--json"], capture_output=True, env=utf8)
    assert json.loads(done.stdout)["done"][0]["source"] == os.fsdecode(name)

    latin = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    target = photo.parent / "神奈川.png"
    done = subprocess.run(
        [*COMMAND, "apply", toy_style, photo, "-o", target], capture_output=True, env=latin
    )
    assert done.returncode == 0, done.stderr
    assert target.exists()
