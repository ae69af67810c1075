"""Full and read-only disks: real ones, mounted in the test's own namespace."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

MAY_MOUNT = (
    sys.platform == "linux"
    and subprocess.run(
        ["sh", "-c", "unshare -rm mount -t tmpfs none /mnt"], capture_output=True
    ).returncode
    == 0
)
pytestmark = pytest.mark.skipif(not MAY_MOUNT, reason="this system lets us mount nothing")


def run_on_disk(mount, out, *arguments):
    """Mount a disk on a folder, run stylezoo, and list the disk's files at the end."""
    script = (
        f'mount -t tmpfs -o {mount} none "$0" && "$@"; code=$?; '
        'ls -A "$0" >&3 2>/dev/null; exit $code'
    )
    listing = out.parent / "listing"
    command = ["unshare", "-rm", "sh", "-c", f'exec 3>"{listing}"; {script}', str(out)]
    done = subprocess.run(
        [*command, sys.executable, "-m", "stylezoo", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    return done, listing.read_text().split()


@pytest.fixture
def photos(tmp_path):
    """A small photo, one whose result does not fit on the disk, and a small one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    for name, side in (("a", 24), ("b", 300), ("c", 24)):
        noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{name}.png")
    return folder


def test_a_full_disk_fails_the_picture_that_does_not_fit_and_no_other(toy_style, photos, tmp_path):
    out = tmp_path / "out"
    done, left = run_on_disk("size=64k", out, "apply", toy_style, photos, "-o", out)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: {out}/b-toy.png cannot be written: No space left on device",
        f"2 of 3 done; failed: {photos}/b.png",
    ]
    assert left == ["a-toy.png", "c-toy.png"]


def test_a_read_only_folder(toy_style, photos, tmp_path):
    out = tmp_path / "out"
    done, left = run_on_disk("ro", out, "apply", toy_style, photos / "a.png", "-o", out)
    assert done.returncode == 1
    message = f"error: {out}/a-toy.png cannot be written: Read-only file system\n"
    assert done.stderr == message
    assert left == []
