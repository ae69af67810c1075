"""Output paths: decided before any work, and refused where something would be lost."""

from pathlib import Path

import click
import pytest

from stylezoo.cli.jobs import plan
from stylezoo.errors import ImageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.png", "sub/c.jpg", "notes.txt"):
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def targets(*images, output=None, output_format=None):
    jobs = plan(images, output, "wave", output_format)
    return {job.source: (job.target, job.format) for job in jobs}


def test_beside_each_photo_with_the_name_of_the_style():
    assert targets("a.jpg", "sub/c.jpg") == {
        "a.jpg": ("a-wave.png", "png"),
        "sub/c.jpg": ("sub/c-wave.png", "png"),
    }
    assert targets("a.jpg", output_format="jpeg") == {"a.jpg": ("a-wave.jpg", "jpeg")}


def test_a_folder_is_its_photos_without_those_of_subfolders():
    assert targets(".") == {"a.jpg": ("a-wave.png", "png"), "b.png": ("b-wave.png", "png")}


@pytest.mark.parametrize("output", [None, ".", "../{name}"])
def test_results_of_an_earlier_run_are_not_styled_again(output, folder):
    output = output and output.format(name=folder.name)
    first = set(targets(".", output=output))
    Path("a-wave.png").write_bytes(b"")
    assert set(targets(".", output=output)) == first == {"a.jpg", "b.png"}
    Path("b-wave.jpg").write_bytes(b"")  # in another format
    assert set(targets(".", output=output)) == {"a.jpg", "b.png"}
    # Another style's is a photo like any other.
    Path("a-candy.png").write_bytes(b"")
    assert set(targets(".", output=output)) == {"a.jpg", "b.png", "a-candy.png"}


def test_into_a_folder_or_a_file_as_the_output_looks():
    assert targets("a.jpg", output="x.webp") == {"a.jpg": ("x.webp", "webp")}
    assert targets("a.jpg", output="sub") == {"a.jpg": ("sub/a-wave.png", "png")}
    assert targets("a.jpg", output="new/") == {"a.jpg": ("new/a-wave.png", "png")}
    assert targets("a.jpg", "b.png", output="new") == {
        "a.jpg": ("new/a-wave.png", "png"),
        "b.png": ("new/b-wave.png", "png"),
    }


@pytest.mark.parametrize(
    ("images", "output", "message"),
    [
        (["a.jpg", "{folder}/a.jpg"], None, "would both be written to"),
        (["a.jpg", "sub/../a.jpg"], None, "would both be written to"),
        (["a.jpg", "sub/a.png"], "new", "would both be written to"),
        (["a.jpg", "a-wave.png"], None, "which is itself to be styled"),
        (["a.jpg", "b.png"], "notes.txt", "notes.txt is a file"),
        (["a.jpg", "b.png"], "-", "Only one picture can go to stdout"),
        (["-", "a.jpg"], None, "Only one picture can go to stdout"),
    ],
)
def test_what_would_lose_a_picture_is_refused(images, output, message, folder):
    with pytest.raises(click.UsageError, match=message):
        targets(*(image.format(folder=folder) for image in images), output=output)


@pytest.mark.parametrize(
    ("images", "output", "message"),
    [
        ([""], None, "name of a picture is empty"),
        (["a.jpg", ""], None, "name of a picture is empty"),
        (["a.jpg"], "", "name after -o is empty"),
        (["."], "", "name after -o is empty"),
    ],
)
def test_an_empty_name_is_not_the_current_folder(images, output, message):
    with pytest.raises(click.UsageError, match=message):
        targets(*images, output=output)


@pytest.mark.parametrize("images", [("a.jpg", "b.png"), ("sub",), ("-", "a.jpg")])
def test_several_pictures_do_not_go_to_the_name_of_one(images, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(click.UsageError, match=r"both\.png is the name of one picture"):
        targets(*images, output="both.png")
    explicit = targets(*images, output="both.png/").values()
    assert all(target.startswith("both.png/") for target, _ in explicit)
    Path("both.png").mkdir()
    assert len(targets(*images, output="both.png")) == len(images)


def test_a_folder_without_photos():
    Path("empty").mkdir()
    with pytest.raises(ImageError, match="empty holds no pictures"):
        targets("empty")
