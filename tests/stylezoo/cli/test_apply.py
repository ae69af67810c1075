"""``stylezoo apply`` as a process: files, streams, exit codes, and nothing half-written."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import stylezoo


def run(*arguments, cwd=None, stdin=None, **options):
    return subprocess.run(
        [sys.executable, "-m", "stylezoo", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        check=False,
        **options,
    )


def failed(done, code=1):
    """Check that a run failed without a traceback, and return its message."""
    message = done.stderr.decode()
    assert done.returncode == code, message
    assert "Traceback" not in message
    return message


@pytest.fixture
def photo(tmp_path):
    Image.effect_noise((40, 30), 60).convert("RGB").save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_photo_goes_beside_itself_and_is_what_python_gives(toy_style, photo, tmp_path):
    done = run("apply", toy_style, photo)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == str(tmp_path / "photo-toy.png")
    with Image.open(tmp_path / "photo-toy.png") as out:
        assert np.array_equal(np.asarray(out), np.asarray(stylezoo.load(toy_style)(photo)))


def test_options(toy_style, photo, tmp_path):
    options = ("--strength", "0.5", "--preserve-color", "--size", "20", "--quality", "80")
    done = run("apply", toy_style, photo, "-o", tmp_path / "out.jpg", *options, "--json")
    report = json.loads(done.stdout)
    assert (report["style"], report["version"], report["failed"]) == (str(toy_style), "1.0.0", [])
    assert report["done"][0] | {"seconds": 0} == {
        "source": str(photo),
        "output": str(tmp_path / "out.jpg"),
        "width": 20,
        "height": 15,
        "seconds": 0,
    }
    with Image.open(tmp_path / "out.jpg") as out:
        assert (out.format, out.size) == ("JPEG", (20, 15))


def test_what_exists_is_not_overwritten_unasked(toy_style, photo, tmp_path):
    (tmp_path / "photo-toy.png").write_text("precious")
    assert "exists; replace it with --overwrite" in failed(run("apply", toy_style, photo))
    assert (tmp_path / "photo-toy.png").read_text() == "precious"
    assert run("apply", toy_style, photo, "--overwrite").returncode == 0
    assert Image.open(tmp_path / "photo-toy.png").size == (40, 30)


def test_what_exists_is_known_before_its_photo_is_read(toy_style, photo, tmp_path):
    """So that a folder that was almost done is soon done."""
    shutil.copy(photo, tmp_path / "a.jpg")
    assert run("apply", toy_style, tmp_path / "a.jpg", photo).returncode == 0
    (tmp_path / "a.jpg").write_text("no longer a picture")
    message = failed(run("apply", toy_style, tmp_path / "a.jpg", photo))
    assert message.count("exists; replace it with --overwrite") == 2


def test_a_pipe(toy_style, photo):
    done = run("apply", toy_style, "-", "--output-format", "webp", stdin=photo.read_bytes())
    assert done.returncode == 0, done.stderr
    out = Image.open(io.BytesIO(done.stdout))
    assert (out.format, out.size) == ("WEBP", (40, 30))
    assert "stdin is empty" in failed(run("apply", toy_style, "-", stdin=b""))


def test_pipes_by_their_paths(toy_style, photo, tmp_path):
    done = run(
        "apply", toy_style, "/dev/stdin", "-o", tmp_path / "out.png", stdin=photo.read_bytes()
    )
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as out:
        assert out.size == (40, 30)
    done = run("apply", toy_style, "/dev/stdin", "-o", tmp_path / "none.png", stdin=b"")
    assert "/dev/stdin is empty" in failed(done)


def test_a_batch_goes_on_after_a_failure_and_says_which(toy_style, photo, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("a.jpg", "c.jpg"):
        shutil.copy(photo, photos / name)
    (photos / "b.jpg").write_text("no picture")
    done = run("apply", toy_style, photos, "-o", tmp_path / "out")
    message = failed(done)
    assert re.search(r"error: .*b\.jpg cannot be read as a picture", message)
    assert re.search(r"2 of 3 done; failed: .*b\.jpg", message)
    assert names(tmp_path / "out") == ["a-toy.png", "c-toy.png"]
    done = run("apply", toy_style, photos, "-o", tmp_path / "again", "--json")
    report = json.loads(done.stdout)
    assert [len(report[key]) for key in ("done", "failed")] == [2, 1]


def test_one_photo_into_a_folder(toy_style, photo, tmp_path):
    (tmp_path / "out").mkdir()
    assert run("apply", toy_style, photo, "-o", tmp_path / "out").returncode == 0
    assert run("apply", toy_style, photo, "-o", f"{tmp_path}/made/").returncode == 0
    assert names(tmp_path / "out") == names(tmp_path / "made") == ["photo-toy.png"]


def break_jpeg(path):
    path.write_bytes(path.read_bytes()[:300])


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-50])


def other_net(path):
    path.write_text(path.read_text().replace('name = "johnson"', 'name = "magic"'))


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (None, ("{style}", "nowhere.jpg"), "nowhere.jpg does not exist"),
        (None, ("{style}", "empty"), "empty holds no pictures"),
        (("photo.jpg", break_jpeg), ("{style}", "photo.jpg"), "photo.jpg is broken"),
        (None, ("{style}", "text.png"), "text.png cannot be read as a picture"),
        (None, ("great-wav", "photo.jpg"), "no style 'great-wav'; did you mean 'great-wave'?"),
        (None, ("museum@99", "photo.jpg"), "has no version 99; it has: 1.0.0"),
        (None, ("./nowhere", "photo.jpg"), "nowhere does not exist"),
        (("style/model.safetensors", flip_byte), ("{style}", "photo.jpg"), "has the sha256"),
        (("style/model.safetensors", cut), ("{style}", "photo.jpg"), "its record says"),
        (("style/style.toml", other_net), ("{style}", "photo.jpg"), "stylezoo is installed"),
        (None, ("{style}", "photo.jpg", "-o", "nowhere.xyz"), "or give --output-format"),
        (None, ("{style}", "photo.jpg", "--device", "warp"), "'warp' cannot be used"),
        (None, ("{style}", "photo.jpg", "-o", "text.png/x.png"), "text.png"),
        (None, ("{style}", "photo.jpg", "-o", "/proc/x.png"), "/proc/x.png cannot be written"),
        (None, ("{style}", "photo.jpg", "--max-pixels", "100"), "more than the limit of 100"),
        (
            None,
            ("{style}", "photo.jpg", "--max-pixels", "0", "--size", "2000000"),
            "choose a size of",
        ),
    ],
)
def test_mistakes_are_one_clear_sentence(spoil, arguments, message, toy_style, photo, tmp_path):
    shutil.copytree(toy_style, tmp_path / "style")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("text")
    if spoil:
        spoil[1](tmp_path / spoil[0])
    before = names(tmp_path)
    done = run("apply", *(part.format(style="./style") for part in arguments), cwd=tmp_path)
    lines = failed(done).strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert names(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photo.jpg", "--strength", "2"), "2.0 is not in the range 0<=x<=1"),
        (("photo.jpg", "--size", "0"), "0 is not in the range"),
        (("photo.jpg", "--output-format", "bmp"), "'bmp' is not one of"),
        ((), "Missing argument"),
        (("photo.jpg", "photo.jpg"), "would both be written to"),
        (("photo.jpg", "photo.jpg", "-o", "-"), "Only one picture can go to stdout"),
        (("photo.jpg", "-o", "-", "--json"), "give -o FILE"),
        (("photo.jpg", "--strenght", "1"), "--strength"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, message, toy_style, photo):
    done = run("apply", toy_style, *arguments, cwd=photo.parent)
    assert message in failed(done, code=2)


def test_a_full_disk_leaves_nothing(toy_style, tmp_path):
    """A file size limit stands in for a full disk: the write itself fails."""
    import resource

    Image.effect_noise((300, 300), 90).convert("RGB").save(tmp_path / "photo.jpg")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = run("apply", toy_style, "photo.jpg", cwd=tmp_path, preexec_fn=limit)
    assert "photo-toy.png cannot be written" in failed(done)
    assert names(tmp_path) == ["photo.jpg"]


def test_ctrl_c_in_a_batch_keeps_what_is_done_and_nothing_half(toy_style, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.effect_noise((900, 700), 60).convert("RGB").save(photos / "000.jpg")
    for number in range(1, 60):
        os.link(photos / "000.jpg", photos / f"{number:03}.jpg")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "stylezoo", "apply", toy_style, photos, "-o", out],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A shell makes its background jobs ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    # Unfinished files have other names.
    while time.monotonic() < deadline and len(list(out.glob("*-toy.png"))) < 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in message
    assert 2 < len(names(out)) < 60
    for path in out.iterdir():
        assert re.fullmatch(r"\d{3}-toy\.png", path.name)
        with Image.open(path) as image:
            image.load()


def test_the_limit_on_pixels_holds_for_the_size_asked_for(toy_style, photo, tmp_path):
    limit = ("--max-pixels", "2000")
    message = failed(run("apply", toy_style, photo, "--size", "200", *limit))
    assert message.startswith(f"error: {photo} would have 30000 pixels with --size 200")
    assert len(message.splitlines()) == 1
    assert names(tmp_path) == ["photo.jpg"]
    assert run("apply", toy_style, photo, "--size", "50", *limit).returncode == 0


def test_seeds_that_torch_does_not_take_are_wrong_usage(toy_style, photo):
    assert run("apply", toy_style, photo, "--seed", str(2**64 - 1)).returncode == 0
    message = failed(run("apply", toy_style, photo, "--seed", str(2**64), "--overwrite"), code=2)
    assert "is not in the range" in message


def test_refusals_come_before_torch_is_loaded(toy_style, photo, tmp_path):
    """Without an importable torch, a run still gives its own answer."""
    (tmp_path / "photo-toy.png").write_text("precious")
    (tmp_path / "no" / "torch").mkdir(parents=True)
    (tmp_path / "no" / "torch" / "__init__.py").write_text("raise SystemError('torch was loaded')")
    path = os.pathsep.join([str(tmp_path / "no"), os.environ.get("PYTHONPATH", "")])
    done = run("apply", toy_style, photo, env={**os.environ, "PYTHONPATH": path})
    assert "exists; replace it with --overwrite" in failed(done)
