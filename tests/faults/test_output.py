"""Fault 34: the output path exists, is no file, read-only or full: what was there stays."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.faults.test_disk import needs_mounts

OLD = b"the old picture"

SAVE = """
import sys
from pathlib import Path
import numpy as np
from stylezoo.errors import OutputError
from stylezoo.images import Photo, save_photo
noise = np.random.default_rng(0).random((300, 300, 3), dtype=np.float32)
try:
    save_photo(Photo(rgb=noise), Path(sys.argv[1]), overwrite=True)
except OutputError as error:
    print(error)
    sys.exit(1)
"""


def test_fault_34_a_file_is_not_replaced_unasked(toy_style, astronaut, tmp_path, fails, unchanged):
    (tmp_path / "out.png").write_bytes(OLD)
    with unchanged(tmp_path):
        message = fails("apply", toy_style, astronaut, "-o", tmp_path / "out.png")
    assert "out.png exists; replace it with --overwrite, or choose another name" in message


def test_fault_34_a_folder_in_the_place_of_the_file(toy_style, tmp_path, fails, unchanged):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.zeros((24, 24, 3), dtype=np.uint8)).save(photo)
    (tmp_path / "photo-toy.png").mkdir()
    with unchanged(tmp_path):
        message = fails("apply", toy_style, photo, "--overwrite")
    assert "photo-toy.png is a folder; move it, or choose another name" in message


@pytest.mark.parametrize("linked", [False, True])
def test_fault_34_a_pipe_in_the_place_of_the_file(linked, toy_style, tmp_path, fails, unchanged):
    photo = tmp_path / "photo.png"
    Image.fromarray(np.zeros((24, 24, 3), dtype=np.uint8)).save(photo)
    os.mkfifo(tmp_path / "pipe.png")
    target = tmp_path / "pipe.png"
    if linked:
        target = tmp_path / "link.png"
        target.symlink_to("pipe.png")
    with unchanged(tmp_path):
        message = fails("apply", toy_style, photo, "-o", target, "--overwrite")
    assert f"{target} exists and is not a regular file; choose another name" in message
    assert (tmp_path / "pipe.png").is_fifo()


@needs_mounts
@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        ("mount -t tmpfs -o size=64k none", "No space left on device"),
        ("mount -t tmpfs -o size=1m none", "Read-only file system"),
    ],
)
def test_fault_34_a_disk_that_is_full_or_read_only(mount, reason, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    freeze = f"mount -o remount,ro {disk};" if "Read-only" in reason else ""
    script = (
        f'{mount} {disk} && printf "%s" "$0" > {disk}/out.png && {freeze} "$@"; code=$?; '
        f"ls -A {disk}; cat {disk}/out.png; exit $code"
    )
    command = ["unshare", "-rm", "sh", "-c", script, OLD.decode()]
    done = subprocess.run(
        [*command, sys.executable, "-c", SAVE, str(disk / "out.png")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    message, *left = done.stdout.splitlines()
    assert message == f"{disk}/out.png cannot be written: {reason}"
    assert left == ["out.png", OLD.decode()]
    assert done.stderr == ""
