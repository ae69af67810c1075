"""Faults 54 and 55: files that are not pictures, and pictures that are easy to get wrong."""

import io
import re
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

import stylezoo
from stylezoo.errors import ImageError
from stylezoo.images import ImageWarning, open_photo, save_photo


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width, height, *extra, depth=1, color=0):
    """A PNG that claims a size, and holds almost nothing."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(extra)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def noise(size=(64, 48)):
    return Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (*reversed(size), 3), dtype=np.uint8)
    )


BOMB = zlib.compress(bytes(100_000_000))
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(trace) print\nshowpage\n%%EOF\n"
EITHER = "is broken|cannot be read as a picture"  # Pillow's versions differ
BROKEN = {
    "empty.png": (b"", "is empty"),
    "text.png": (b"this is no picture", "cannot be read as a picture"),
    "cut.jpg": (encoded(noise(), "JPEG")[:1500], "is broken"),
    "cut.png": (encoded(noise())[:1500], "is broken"),
    "cut.webp": (encoded(noise(), "WEBP")[:300], EITHER),
    "no-size.png": (png(0, 0), EITHER),
    "no-size.gif": (b"GIF89a" + bytes(7) + b",\0\0\0\0\0\0\0\0\0\x02\x02D\x01\0;", EITHER),
    "400-mpx.png": (png(20_000, 20_000), "20000 × 20000 pixels, more than the limit"),
    "100-mpx.png": (png(10_000, 10_000), "10000 × 10000 pixels, more than the limit"),
    "ztxt.png": (png(9, 9, chunk(b"zTXt", b"x\0\0" + BOMB)), "is broken"),
    "iccp.png": (png(9, 9, chunk(b"iCCP", b"x\0\0" + BOMB)), "is broken"),
    "page.eps": (EPS, "cannot be read as a picture"),
    "page.png": (EPS, "cannot be read as a picture"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "cannot be read as a picture"),
    "page.pdf": (b"%PDF-1.4\n%%EOF\n", "cannot be read as a picture"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "is HEIC"),
}


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A program "gs", first on PATH, that leaves a trace when started."""
    bin_folder, trace = tmp_path / "bin", tmp_path / "started"
    bin_folder.mkdir()
    (bin_folder / "gs").write_text(f"#!/bin/sh\ntouch {trace}\n")
    (bin_folder / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    return trace


@pytest.mark.parametrize("name", BROKEN)
def test_fault_54_what_is_no_sound_picture_is_refused_at_once(name, tmp_path, ghostscript):
    content, reason = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    started = time.perf_counter()
    with pytest.raises(ImageError) as caught:
        open_photo(path)
    assert time.perf_counter() - started < 1
    assert str(caught.value).startswith(f"{path} ")
    assert re.search(reason, str(caught.value))
    assert "\n" not in str(caught.value)
    assert not ghostscript.exists()


def test_fault_54_the_command_goes_on_with_the_others_and_fails(
    toy_style, tmp_path, fails, astronaut
):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, (name, (content, _)) in enumerate(BROKEN.items()):
        (photos / f"{number}-{name}").write_bytes(content)
    noise().save(photos / "good.png")
    message = fails("apply", toy_style, photos, "-o", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good-toy.png"]
    assert f"error: {photos / '2-cut.jpg'} is broken" in message
    assert "1 of " in message.splitlines()[-1]


# Reference pictures are computed here, independently of Pillow's mode conversions.
RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (40, 56), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (40, 56), dtype=np.uint8)


def grey(values):
    return np.repeat(np.asarray(values, dtype=np.float64)[..., None], 3, axis=2)


def palette(transparent=None):
    """A picture with four colours; the index of one may be transparent."""
    indices = RNG.integers(0, 4, (40, 56), dtype=np.uint8)
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 128, 64], [250, 250, 10]], dtype=np.uint8)
    image = Image.fromarray(indices, mode="P")
    image.putpalette(colours.tobytes())
    options = {} if transparent is None else {"transparency": transparent}
    alpha = None if transparent is None else (indices != transparent) * 1.0
    return encoded(image, **options), colours[indices] / 255, alpha


def deep(scale):
    values = np.linspace(0, 65535, 40 * 56).reshape(40, 56)
    return (values * scale).astype(np.uint16)


def floating():
    values = np.linspace(0, 1, 40 * 56).reshape(40, 56).astype(np.float32)
    return encoded(Image.fromarray(values), "TIFF"), grey(values), None


def bits():
    values = RNG.integers(0, 2, (40, 56)).astype(bool)
    return encoded(Image.fromarray(values)), grey(values * 1.0), None


def cmyk():
    values = RNG.integers(0, 256, (40, 56, 4), dtype=np.uint8)
    inks = values / 255
    reference = (1 - inks[..., :3]) * (1 - inks[..., 3:])  # CMYK without a profile
    return encoded(Image.fromarray(values, mode="CMYK"), "TIFF"), reference, None


def animated():
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue(), RGB / 255, None


MODES = {
    "RGB": (encoded(Image.fromarray(RGB)), RGB / 255, None),
    "RGBA": (
        encoded(Image.fromarray(np.dstack([RGB, ALPHA]), mode="RGBA")),
        RGB / 255,
        ALPHA / 255,
    ),
    "L": (encoded(Image.fromarray(GREY)), grey(GREY / 255), None),
    "LA": (
        encoded(Image.fromarray(np.dstack([GREY, ALPHA]), mode="LA")),
        grey(GREY / 255),
        ALPHA / 255,
    ),
    "P": palette(),
    "P with a transparent colour": palette(2),
    "1": bits(),
    "I;16, dark": (encoded(Image.fromarray(deep(0.01))), grey(deep(0.01) / 65535), None),
    "I;16, bright": (encoded(Image.fromarray(deep(1.0))), grey(deep(1.0) / 65535), None),
    "F": floating(),
    "CMYK": cmyk(),
    "APNG": animated(),
    "broken ICC": (encoded(Image.fromarray(RGB), icc_profile=b"no profile"), RGB / 255, None),
    "sRGB ICC": (
        encoded(
            Image.fromarray(RGB),
            icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        ),
        RGB / 255,
        None,
    ),
}


@pytest.fixture(scope="module")
def toy(toy_style):
    return stylezoo.load(toy_style)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.filterwarnings("ignore::stylezoo.images.ImageWarning")
def test_fault_55_every_mode_goes_through_right(mode, toy, tmp_path):
    content, reference, alpha = MODES[mode]
    # At strength 0 the picture passes through every step and comes out unchanged.
    save_photo(toy(open_photo(content), strength=0), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as out:
        values = np.asarray(out.convert("RGBA")) / 255
        assert out.mode == ("RGB" if alpha is None else "RGBA")
    assert np.abs(values[..., :3] - reference).max() < 1.6 / 255
    if alpha is not None:
        assert np.abs(values[..., 3] - alpha).max() < 0.6 / 255
    # At full strength it keeps its size and alpha.
    styled = toy(open_photo(content))
    assert styled.size == (56, 40)
    assert np.isfinite(styled.rgb).all()
    assert (styled.alpha is None) == (alpha is None)
    if alpha is not None:
        assert np.abs(styled.alpha - alpha).max() < 1e-6


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("APNG", "several frames; only the first is used"), ("broken ICC", "sRGB is assumed")],
)
def test_fault_55_what_is_passed_over_is_said(mode, reason):
    with pytest.warns(ImageWarning, match=reason):
        open_photo(MODES[mode][0])


def turned(pixels, orientation):
    """The pixels of a file whose picture looks like ``pixels``, by the EXIF specification."""
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels, -1),
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_fault_55_orientation_is_applied_once(orientation, toy, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turned(RGB, orientation)))
    save_photo(toy(open_photo(encoded(stored, exif=exif)), strength=0), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as out:
        assert out.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert np.array_equal(np.asarray(out), RGB)


@pytest.mark.parametrize("size", [(1, 1), (1, 30_000), (30_000, 1), (3, 2)])
def test_fault_55_narrow_pictures_keep_their_size(size, toy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        styled = toy(open_photo(encoded(noise(size))))
    assert styled.size == size
    assert np.isfinite(styled.rgb).all()
