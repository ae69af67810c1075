"""How Windows, macOS and GPUs differ according to their documentation, simulated here."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stylezoo.cli.jobs import plan
from stylezoo.device import choose_dtype
from stylezoo.errors import OutputError
from stylezoo.files import check_writable, new_folder
from stylezoo.memory import is_out_of_memory
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.store import Store
from stylezoo.scaffold.project import write_project
from stylezoo.seeding import seeded

ROOT = Path(__file__).parents[2]


@pytest.fixture
def windows(monkeypatch):
    """Links cannot be touched, folders cannot be replaced, and text gets CRLF endings."""
    utime, replace = os.utime, os.replace

    def touch(path, times=None, *, follow_symlinks=True):
        if not follow_symlinks:
            raise NotImplementedError("utime: follow_symlinks unavailable on this platform")
        utime(path, times)

    def move(source, target):
        if Path(target).is_dir():
            raise PermissionError(13, "Access is denied")
        replace(source, target)

    def write_text(path, text, encoding=None, errors=None, newline=None):
        path.write_bytes(text.replace("\n", newline or "\r\n").encode(encoding or "cp1252"))
        return len(text)

    monkeypatch.setattr(os, "utime", touch)
    monkeypatch.setattr(os, "replace", move)
    monkeypatch.setattr(Path, "write_text", write_text)


def test_a_style_is_fetched_on_windows(windows, toy_style, tmp_path):
    def copy(file, part, progress):
        part.write_bytes((toy_style / file.path).read_bytes())

    folder = Store(tmp_path).add((toy_style / RECORD_FILE).read_bytes(), copy, origin="here")
    assert {path.name for path in folder.iterdir()} == {path.name for path in toy_style.iterdir()}


def test_an_empty_folder_is_filled_on_windows(windows, tmp_path):
    (tmp_path / "new").mkdir()
    with new_folder(tmp_path / "new") as unfinished:
        (unfinished / "file").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "file"]


def test_what_is_hashed_has_the_same_line_endings_everywhere(windows, tmp_path):
    project = write_project("style-pack", "mine", tmp_path / "mine")
    texts = [p for p in project.folder.rglob("*") if p.suffix in (".toml", ".md", ".py")]
    assert any(path.name == RECORD_FILE for path in texts)
    assert [path for path in texts if b"\r" in path.read_bytes()] == []


def test_a_clone_has_the_same_line_endings_everywhere():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    paths = ["README.md", "registry/stylezoo_styles/styles/udnie/1.1.0/README.md"]
    asked = ["git", "-C", str(ROOT), "check-attr", "text", "--", *paths]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stdout.count("text: unset") == len(paths)


def test_folders_are_as_open_as_the_system_makes_them(tmp_path):
    """mkdtemp makes them private, on Windows for good."""
    umask = os.umask(0o027)
    try:
        with new_folder(tmp_path / "new") as unfinished:
            assert unfinished.stat().st_mode & 0o777 == 0o750
    finally:
        os.umask(umask)


def test_a_drive_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "exists", lambda path, **_: False)
    with pytest.raises(OutputError, match="cannot be written: / does not exist"):
        check_writable(tmp_path / "new" / "picture.png", overwrite=False)


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_names_that_differ_in_case_are_one_file(system, monkeypatch, tmp_path):
    import click

    photos = [str(tmp_path / "Photo.jpg"), str(tmp_path / "photo.png")]
    assert len(plan(photos, None, "wave", None)) == 2
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(click.UsageError, match="would both be written to"):
        plan(photos, None, "wave", None)


@pytest.mark.parametrize(
    "message",
    [
        # On Windows.
        "[enforce fail at alloc_cpu.cpp:116] data. DefaultCPUAllocator: not enough memory: you "
        "tried to allocate 123456789012 bytes.",
        # From a weights file.
        "unable to mmap 80100424 bytes from file <vgg.safetensors>: Cannot allocate memory (12)",
    ],
)
def test_memory_that_a_system_does_not_give(message):
    assert is_out_of_memory(RuntimeError(message))


@pytest.mark.parametrize(("emulated", "dtype"), [(True, torch.float32), (False, torch.bfloat16)])
def test_bfloat16_that_a_gpu_emulates_is_not_taken(emulated, dtype, monkeypatch):
    def supported(including_emulation=True):
        return including_emulation or not emulated

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    assert choose_dtype("auto", torch.device("cuda", 1)) == dtype


def test_a_gpu_that_is_not_used_is_left_alone(monkeypatch):
    def fail(*_):
        raise AssertionError("it was seeded, or asked for its state")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("manual_seed_all", "get_rng_state", "set_rng_state"):
        monkeypatch.setattr(torch.cuda, name, fail)
    before = torch.get_rng_state()
    with seeded(1):
        first = torch.rand(3)
    with seeded(1):
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), before)


def test_doctor_asks_the_driver_for_cards(monkeypatch, tmp_path):
    from stylezoo.cli.doctor import _devices

    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'NVIDIA T4'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert "cuda, NVIDIA T4" in _devices()
