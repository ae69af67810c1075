"""``stylezoo sheet``: every style on one photo, as a process."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import stylezoo
from stylezoo.catalog import Catalog
from stylezoo.contact_sheet import GAP, LABEL_HEIGHT, LabelledPhoto, contact_sheet
from stylezoo.errors import OptionError
from stylezoo.images import Photo
from stylezoo.sheet import styles_for_sheet


def sheet(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "stylezoo", "sheet", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def photo(astronaut, tmp_path):
    path = tmp_path / "photo.png"
    with Image.open(astronaut) as image:
        image.resize((96, 96)).save(path)
    return path


def test_each_picture_is_what_apply_makes(photo):
    done = sheet(photo, "great-wave", "great-wave@1", "--size", "96", "--columns", "2")
    assert done.returncode == 0, done.stderr
    target = photo.with_name("photo-sheet.png")
    assert done.stdout == f"{target}\n"
    pixels = np.asarray(Image.open(target))
    cell = 96 + GAP
    assert pixels.shape == (GAP + 2 * (LABEL_HEIGHT + cell), GAP + 2 * cell, 3)

    def at(row, column):
        top, left = GAP + row * (LABEL_HEIGHT + cell) + LABEL_HEIGHT, GAP + column * cell
        return pixels[top : top + 96, left : left + 96].astype(int)

    with Image.open(photo) as image:
        styled = np.asarray(stylezoo.load("great-wave")(image)).astype(int)
        assert np.array_equal(at(0, 0), np.asarray(image.convert("RGB")))
    assert np.abs(at(0, 1) - styled).max() <= 1
    assert np.array_equal(at(0, 1), at(1, 0))
    assert (at(1, 1) == 255).all()
    labels = pixels[GAP : GAP + LABEL_HEIGHT, GAP:]
    assert (labels < 128).any()


def test_a_long_label_ends_before_the_next_begins():
    pixels = np.zeros((64, 64, 3), np.float32)
    entries = [
        LabelledPhoto(Photo(rgb=pixels), "thousand-li-of-rivers" * 3),
        LabelledPhoto(Photo(rgb=pixels), ""),
    ]
    made = np.asarray(contact_sheet([entries], side=64))
    labels = made[GAP : GAP + LABEL_HEIGHT]
    assert (labels[:, GAP + 40 : GAP + 64] < 128).any()  # as much of the label as fits
    assert (labels[:, GAP + 64 :] == 255).all()


def test_transparent_parts_are_white_on_a_sheet():
    alpha = np.zeros((64, 64), np.float32)
    alpha[:, 32:] = 1
    photo = Photo(rgb=np.zeros((64, 64, 3), np.float32), alpha=alpha)
    made = np.asarray(contact_sheet([[LabelledPhoto(photo, "")]], side=64))
    picture = made[GAP + LABEL_HEIGHT :, GAP : GAP + 64][:64]
    assert (picture[:, :32] == 255).all()
    assert (picture[:, 32:] == 0).all()


def test_a_style_that_cannot_be_loaded_does_not_stop_the_others(photo, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_text("no weights")
    out = tmp_path / "out.png"
    done = sheet(photo, "great-wave", broken, "-o", out, "--size", "48")
    assert done.returncode == 1
    assert "1 of 2 styles are shown" in done.stderr
    assert str(broken) in done.stderr
    assert "Traceback" not in done.stderr
    assert out.exists()


def test_a_style_that_fails_twice_is_no_sheet(photo, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_text("no weights")
    out = tmp_path / "out.png"
    done = sheet(photo, broken, broken, "-o", out, "--size", "48")
    assert done.returncode == 1
    assert done.stderr.count(f"error: {broken}") == 1
    assert "styles are shown" not in done.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-style"], "no-such-style"),
        (["--tag", "no-such-tag"], "no style has the tag 'no-such-tag'"),
        (["great-wave", "udnie", "--tag", "no-such"], "none of great-wave, udnie has the tag"),
        (["museum:wave"], "museum has no style 'wave'; it has: "),
        (["great-wave", "--size", "5"], "5 is not in the range"),
        (["great-wave", "--columns", "0"], "0 is not in the range x>=1"),
        (["great-wave", "-o", "x.unknown"], "x.unknown"),
    ],
)
def test_mistakes_are_named_and_leave_nothing(photo, arguments, said):
    done = sheet(photo, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("folder", [".", "/", ""])
def test_a_folder_is_no_photo(folder):
    done = sheet(folder)
    assert done.returncode == 1
    assert "is a folder, not a picture" in done.stderr


def test_a_sheet_is_not_overwritten_unasked(photo):
    target = photo.with_name("photo-sheet.png")
    target.write_bytes(b"mine")
    done = sheet(photo, "great-wave", "--size", "48")
    assert done.returncode == 1
    assert target.read_bytes() == b"mine"
    assert sheet(photo, "great-wave", "--size", "48", "--overwrite").returncode == 0


def test_by_default_all_styles_are_shown_a_pack_style_by_style():
    specs = styles_for_sheet()
    names = {entry.name for entry in stylezoo.list_styles()}
    assert {spec.partition(":")[0] for spec in specs} == names
    for entry in stylezoo.list_styles():
        if entry.styles:
            own = [spec for spec in specs if spec.startswith(f"{entry.name}:")]
            assert own == [f"{entry.name}:{name}" for name, _ in entry.styles]
    with pytest.raises(OptionError, match="no style has the tag"):
        styles_for_sheet(tag="no-such-tag")
    with pytest.raises(OptionError, match="no installed package provides a style; name one"):
        styles_for_sheet(catalog=Catalog())
