"""Photos in and out, against Pillow's own operations and closed forms."""

import contextlib
import io
import os
import re
import resource
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from stylezoo.errors import ImageError, OptionError, OutputError
from stylezoo.files import check_writable
from stylezoo.images import (
    ImageWarning,
    Photo,
    encode_photo,
    find_photos,
    open_photo,
    save_photo,
)


@pytest.fixture
def picture():
    """Smooth colours, which JPEG keeps almost unchanged."""
    y, x = np.mgrid[0:48, 0:64] / 64
    rgb = np.stack([x, y, 1 - x], axis=-1)
    return Image.fromarray((rgb * 255).astype(np.uint8))


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def floats(image):
    return np.asarray(image, dtype=np.float32) / 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_dropped(picture, orientation, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "somebody"
    source = encoded(picture, "PNG", exif=exif)
    photo = open_photo(source)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(source)))
    assert np.array_equal(photo.rgb, floats(expected))
    save_photo(photo, str(tmp_path / "out.jpg"))
    with Image.open(tmp_path / "out.jpg") as out:
        assert out.size == expected.size
        assert ExifTags.Base.Orientation not in out.getexif()
        assert out.getexif()[ExifTags.Base.Artist] == "somebody"


def rotated_exif(tag, kind, value):
    """An EXIF block with two tags: a rotation by 90 degrees, and one of any type."""
    rotation = struct.pack(">HHLHxx", ExifTags.Base.Orientation, 3, 1, 6)
    other = struct.pack(">HHLL", tag, kind, 1, 38)  # where the two entries end
    entries = b"".join(sorted([rotation, other]))
    return b"Exif\0\0MM\0*" + struct.pack(">LH", 8, 2) + entries + bytes(4) + value


@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        (ExifTags.Base.ImageWidth, 5, struct.pack(">LL", 72, 1)),
        (ExifTags.Base.Make, 12, struct.pack(">d", 72)),
        (ExifTags.Base.XResolution, 12, struct.pack(">d", 72)),
        (ExifTags.Base.ResolutionUnit, 10, struct.pack(">ll", -1, 3)),
    ],
)
def test_a_rotated_photo_may_have_a_tag_of_an_odd_type(picture, tag, kind, value):
    """Pillow's own exif_transpose writes it anew, and may fail."""
    source = encoded(picture, "JPEG", exif=rotated_exif(tag, kind, value), quality=100)
    photo = open_photo(source)
    assert photo.size == picture.size[::-1]
    assert np.abs(photo.rgb - np.rot90(floats(picture), -1)).mean() < 0.02


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
def test_exif_keeps_what_people_write(picture, format):
    """As UTF-8, which cameras and editors write, whatever the standard says."""
    exif = Image.Exif()
    texts = {
        ExifTags.Base.Copyright: "© Zoë 李",
        ExifTags.Base.ImageDescription: "Grüße aus Köln",
    }
    for tag, text in texts.items():
        exif[tag] = text.encode()
    photo = open_photo(encoded(picture, "JPEG", exif=exif))
    found = Image.open(io.BytesIO(encode_photo(photo, format=format))).getexif()
    for tag, text in texts.items():
        assert found[tag].encode("latin-1").decode() == text


@pytest.mark.parametrize("format", ["AVIF", "GIF", "WEBP", "TIFF", "PNG", "JPEG"])
def test_a_damaged_file_is_an_image_error_or_a_picture(picture, format):
    options = {"save_all": True, "append_images": [picture.rotate(90)]} if format == "GIF" else {}
    sound = encoded(picture.resize((32, 24)), format, **options)
    random = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(sound[: random.integers(len(sound) // 4, len(sound) + 1)])
        broken[random.integers(len(broken))] ^= 1 << random.integers(8)
        with warnings.catch_warnings(), contextlib.suppress(ImageError):
            warnings.simplefilter("ignore")
            open_photo(bytes(broken))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
def test_exif_of_the_layout_of_the_source_does_not_spoil_the_output(picture, format):
    """Strip and compression tags in a JPEG's EXIF once led to unreadable TIFF files."""
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "somebody"
    exif[ExifTags.Base.Compression] = 6
    exif[ExifTags.Base.StripOffsets] = 8
    exif[ExifTags.Base.StripByteCounts] = 12345
    exif[ExifTags.Base.ImageWidth] = 4000
    exif[ExifTags.Base.BitsPerSample] = 4
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 4000
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "a lens"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    photo = open_photo(encoded(picture, "JPEG", exif=exif))
    content = encode_photo(photo, format=format)
    with Image.open(io.BytesIO(content)) as out:
        out.load()
        assert out.size == photo.size
        assert np.abs(np.asarray(out.convert("RGB")) / 255 - photo.rgb).mean() < 0.05
        found = out.getexif()
        details = found.get_ifd(ExifTags.IFD.Exif)
        assert found[ExifTags.Base.Artist] == "somebody"
        assert details[ExifTags.Base.LensModel] == "a lens"
        assert ExifTags.Base.ExifImageWidth not in details
        assert found.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


@pytest.mark.parametrize("orientation", [1, 6])
def test_the_exif_of_a_tiff_is_kept_and_the_opened_image_keeps_its_own(
    picture, orientation, tmp_path
):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = "somebody"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] = "a lens"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    picture.save(tmp_path / "in.tif", exif=exif.tobytes())
    with Image.open(tmp_path / "in.tif") as opened:
        from_image, from_file = open_photo(opened), open_photo(tmp_path / "in.tif")
        assert opened.getexif()[ExifTags.Base.ImageWidth] == picture.width
    assert from_image.exif == from_file.exif
    for format in ("png", "jpeg", "webp", "tiff"):
        with Image.open(io.BytesIO(encode_photo(from_file, format=format))) as out:
            assert out.size == ((64, 48) if orientation == 1 else (48, 64))
            found = out.getexif()
            assert found[ExifTags.Base.Artist] == "somebody"
            assert found.get(ExifTags.Base.Orientation, 1) == 1
            assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] == "a lens"
            position = found.get_ifd(ExifTags.IFD.GPSInfo)
            assert position[ExifTags.GPS.GPSLatitudeRef] == "N"


def test_the_exif_of_a_compressed_tiff_is_kept(picture):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "somebody"
    photo = open_photo(encoded(picture, "TIFF", exif=exif, compression="tiff_lzw"))
    with Image.open(io.BytesIO(encode_photo(photo, format="jpeg"))) as out:
        assert out.getexif()[ExifTags.Base.Artist] == "somebody"


def test_more_exif_than_a_jpeg_holds_is_left_out_and_said(picture):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 70_000
    photo = open_photo(encoded(picture, exif=exif))
    with pytest.warns(ImageWarning, match=r"70\d\d\d bytes of EXIF do not fit into a JPEG file"):
        content = encode_photo(photo, format="jpeg")
    with Image.open(io.BytesIO(content)) as out:
        assert out.size == photo.size
        assert not out.getexif()
    with Image.open(io.BytesIO(encode_photo(photo, format="png"))) as out:
        assert len(out.getexif()[ExifTags.Base.ImageDescription]) == 70_000


def test_as_much_exif_as_a_jpeg_holds_is_kept(picture):
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "x" * 65_000
    photo = open_photo(encoded(picture, exif=exif))
    photo = Photo(rgb=photo.rgb, exif=photo.exif.ljust(65_533, b"\0"))
    with Image.open(io.BytesIO(encode_photo(photo, format="jpeg"))) as out:
        assert len(out.getexif()[ExifTags.Base.ImageDescription]) == 65_000


def test_exif_of_another_colour_space_is_not_said_of_srgb(picture):
    exif = Image.Exif()
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ColorSpace] = 65535  # uncalibrated
    details[ExifTags.IFD.Interop] = {1: "R03"}  # Adobe RGB
    details[ExifTags.Base.LensModel] = "a lens"
    photo = open_photo(encoded(picture, "JPEG", exif=exif))
    with Image.open(io.BytesIO(encode_photo(photo, format="jpeg"))) as out:
        found = out.getexif().get_ifd(ExifTags.IFD.Exif)
    assert found == {ExifTags.Base.LensModel: "a lens"}


def test_profile_is_converted_to_srgb(picture):
    # LAB is far from sRGB: a reader that ignores the profile would be far off.
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    as_lab = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    as_lab.info["icc_profile"] = ImageCms.ImageCmsProfile(lab).tobytes()
    photo = open_photo(as_lab)
    assert np.abs(photo.rgb - floats(picture)).mean() < 0.02


def test_a_broken_profile_is_warned_of_and_passed_over(picture):
    source = encoded(picture, "PNG", icc_profile=b"not a profile")
    with pytest.warns(ImageWarning, match="colour profile that cannot be used"):
        photo = open_photo(source)
    assert np.array_equal(photo.rgb, floats(picture))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "HSV"])
def test_modes_without_alpha_become_what_pillow_says(picture, mode):
    image = picture.convert(mode)
    photo = open_photo(image)
    assert np.array_equal(photo.rgb, floats(image.convert("RGB")))
    assert photo.alpha is None


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_kept_apart(picture, mode, tmp_path):
    ramp = Image.linear_gradient("L").resize(picture.size)
    image = picture.convert("RGBA")
    image.putalpha(ramp)
    image = image.convert(mode)
    photo = open_photo(image)
    assert np.array_equal(photo.alpha, floats(ramp))
    assert np.array_equal(photo.rgb, floats(image.convert("RGBA").convert("RGB")))
    save_photo(photo, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as out:
        assert out.mode == "RGBA"
        assert np.array_equal(np.asarray(out.getchannel("A")), np.asarray(ramp))


def test_palette_with_a_transparent_colour(picture):
    image = picture.convert("P")
    first = image.getpixel((0, 0))
    photo = open_photo(encoded(image, "PNG", transparency=first))
    transparent = np.asarray(image) == first
    assert np.array_equal(photo.alpha == 0, transparent)


def test_jpeg_lays_alpha_on_white():
    photo = Photo(
        rgb=np.zeros((16, 16, 3), np.float32), alpha=np.full((16, 16), 0.25, dtype=np.float32)
    )
    out = Image.open(io.BytesIO(encode_photo(photo, format="jpeg")))
    assert np.abs(np.asarray(out).astype(int) - 191).max() <= 1  # 0.75 of 255


def test_a_picture_on_white(picture):
    photo = open_photo(picture)
    assert np.array_equal(np.asarray(photo.on_white()), np.asarray(picture))
    hidden = Photo(rgb=photo.rgb, alpha=np.zeros((48, 64), np.float32)).on_white()
    assert hidden.mode == "RGB"
    assert (np.asarray(hidden) == 255).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 40000], [65535, 257]], np.uint16), [[0, 40000 / 65535], [1, 1 / 255]]),
        (np.array([[0.0, 0.5], [1.0, 0.25]], np.float32), [[0, 0.5], [1, 0.25]]),
        (np.array([[0.0, 127.5], [255.0, 51.0]], np.float32), [[0, 0.5], [1, 0.2]]),
        (np.array([[0, 65535], [1285, 0]], np.int32), [[0, 1], [1285 / 65535, 0]]),
    ],
)
def test_deep_grey_is_scaled_not_clipped(values, expected):
    photo = open_photo(encoded(Image.fromarray(values), "TIFF"))
    assert photo.rgb.shape == (2, 2, 3)
    for channel in range(3):
        assert np.allclose(photo.rgb[..., channel], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1.3], [0, 0.5, 1]),  # a little above white
        ([-0.2, 0.5, 1], [0, 0.5, 1]),
        ([0, 0.5, np.inf], [0, 0.5, 1]),
        ([-np.inf, 51, 255], [0, 0.2, 1]),
        ([np.inf, 13107, 65535], [1, 0.2, 1]),
    ],
)
def test_a_bright_value_does_not_blacken_the_rest(values, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo = open_photo(Image.fromarray(np.array([values], np.float32)))
    assert photo.rgb[0, :, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("rest", "expected"), [(0.5, 0.5), (np.nan, 0)])
def test_values_that_are_no_numbers_are_black_and_said(rest, expected):
    image = Image.fromarray(np.array([[np.nan, rest]], np.float32))
    with pytest.warns(ImageWarning, match="not numbers") as said:
        photo = open_photo(image)
    assert photo.rgb[0, :, 0].tolist() == [0, expected]
    assert len(said) == 1


def test_16_bit_png_is_not_white():
    values = np.full((4, 4), 40000, dtype=np.uint16)
    photo = open_photo(encoded(Image.fromarray(values), "PNG"))
    assert np.allclose(photo.rgb, 40000 / 65535)


def test_16_bit_grey_follows_its_profile_as_8_bits_do():
    """With a linear-light profile, half the light is not half the sRGB value."""
    values = np.linspace(0, 255, 64).round().astype(np.uint8)[None].repeat(4, axis=0)
    profile = _linear_grey_profile()
    flat = encoded(Image.fromarray(values), icc_profile=profile)
    deep = encoded(Image.fromarray(values.astype(np.uint16) * 257), icc_profile=profile)
    expected = open_photo(flat).rgb
    assert abs(expected.mean() - 0.5) > 0.1
    np.testing.assert_allclose(open_photo(deep).rgb, expected, atol=1e-6)


def _linear_grey_profile() -> bytes:
    """A version 2 ICC profile for grey with gamma 1 (ICC.1:2001-04, 6.1 to 6.3)."""

    def tag(kind: bytes, content: bytes) -> bytes:
        return kind + bytes(4) + content

    white = tag(b"XYZ ", struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D))
    curve = tag(b"curv", struct.pack(">IHH", 1, 0x100, 0))
    parts = {b"wtpt": white, b"kTRC": curve}
    body, table, start = b"", struct.pack(">I", len(parts)), 128 + 4 + 12 * len(parts)
    for name, part in parts.items():
        table += struct.pack(">4sII", name, start + len(body), len(part))
        body += part
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return header.ljust(128, b"\0") + table + body


def test_16_bit_grey_keeps_its_transparent_value():
    values = np.array([[0, 1000], [1000, 65535]], np.uint16)
    photo = open_photo(encoded(Image.fromarray(values), transparency=1000))
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[1, 0], [0, 1]]


def test_a_tiff_that_counts_from_white_is_no_negative():
    file = encoded(Image.fromarray(np.array([[0, 13107]], np.uint16)), "TIFF", tiffinfo={262: 0})
    assert open_photo(file).rgb[0, :, 0].tolist() == pytest.approx([1, 0.8])


def test_an_animation_gives_its_first_frame_and_says_so(picture):
    source = encoded(picture, "GIF", save_all=True, append_images=[ImageOps.invert(picture)])
    with pytest.warns(ImageWarning, match="several frames"):
        photo = open_photo(source)
    assert np.abs(photo.rgb - floats(picture)).mean() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3, 5), (257, 511)])
def test_any_size_goes_in_and_out(size, tmp_path):
    image = Image.effect_noise(size, 50).convert("RGB")
    photo = open_photo(encoded(image))
    assert photo.size == size
    save_photo(photo, tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as out:
        assert np.array_equal(np.asarray(out), np.asarray(image))


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((640, 480), 320, (320, 240)),
        ((480, 640), 320, (240, 320)),
        ((64, 48), 128, (128, 96)),
        ((3000, 1), 100, (100, 1)),
        ((7, 7), 7, (7, 7)),
    ],
)
def test_resized_to_the_longest_side(size, longest, expected):
    photo = open_photo(Image.new("RGBA", size, (255, 0, 0, 128))).resized(longest)
    assert photo.size == expected
    assert photo.alpha.shape == photo.rgb.shape[:2]
    assert np.allclose(photo.rgb, [1, 0, 0], atol=1e-5)


def test_resizing_matches_pillow(picture):
    expected = floats(picture.resize((32, 24), Image.Resampling.LANCZOS))
    assert np.abs(open_photo(picture).resized(32).rgb - expected).max() < 1.5 / 255


@pytest.mark.parametrize("longest", [30, 45, 90])
def test_what_is_transparent_does_not_darken_edges(longest):
    """An opaque red square on transparent black is red wherever it is seen."""
    rgb, alpha = np.zeros((60, 60, 3), np.float32), np.zeros((60, 60), np.float32)
    rgb[20:41, 20:41] = [1, 0.25, 0]
    alpha[20:41, 20:41] = 1
    photo = Photo(rgb=rgb, alpha=alpha).resized(longest)
    seen = photo.alpha > 1 / 255
    assert 0.1 < seen.mean() < 0.2
    assert ((photo.alpha >= 0) & (photo.alpha <= 1)).all()
    np.testing.assert_allclose(photo.rgb[seen], np.tile([1, 0.25, 0], (seen.sum(), 1)), atol=1e-3)
    corner = photo.rgb[:4, :4]
    assert (corner == 0).all()  # hidden pixels are unchanged


def test_size_below_one_is_refused(picture):
    with pytest.raises(OptionError, match="the size is 0"):
        open_photo(picture).resized(0)


def png_of_size(width, height):
    """A PNG that claims a size but holds almost no data: a decompression bomb."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_bombs_are_refused_before_they_are_decoded(side):
    with pytest.raises(ImageError, match=rf"{side} × {side} pixels.*--max-pixels 0 .*apply"):
        open_photo(png_of_size(side, side))


def test_the_limit_can_be_lifted_and_lowered(picture):
    with pytest.raises(ImageError, match="more than the limit of 100"):
        open_photo(encoded(picture), max_pixels=100)
    assert open_photo(encoded(picture), max_pixels=None).size == (64, 48)
    limit = Image.MAX_IMAGE_PIXELS
    open_photo(encoded(picture))
    assert limit == Image.MAX_IMAGE_PIXELS


class Slow(io.BytesIO):
    """A file that blocks until released."""

    def __init__(self, content):
        super().__init__(content)
        self.asked, self.may_go_on = threading.Event(), threading.Event()

    def read(self, *arguments):
        self.asked.set()
        assert self.may_go_on.wait(60)
        return super().read(*arguments)


def test_the_limit_of_pillow_is_as_it_was_after_two_threads(picture):
    limit = Image.MAX_IMAGE_PIXELS
    files = Slow(encoded(picture)), Slow(encoded(picture))
    with ThreadPoolExecutor(2) as pool:
        read = []
        for file in files:
            read.append(pool.submit(open_photo, file))
            assert file.asked.wait(60)
        for file, photo in zip(files, read, strict=True):
            file.may_go_on.set()
            assert photo.result().size == (64, 48)
    assert limit == Image.MAX_IMAGE_PIXELS


def broken_files(picture):
    jpeg = encoded(picture, "JPEG")
    png = encoded(picture)
    bomb = zlib.compress(b"\0" * 70_000_000)
    text = b"zTXtx\0\0" + bomb
    return {
        "empty.png": (b"", "is empty"),
        "text.png": (b"this is no picture", "cannot be read as a picture"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "is broken"),
        "cut.png": (png[: len(png) // 2], "is broken"),
        # Pillow before 13 does not recognise it.
        "garbage.jpg": (jpeg[:200] + b"\xff" * 50, "is broken|cannot be read as a picture"),
        "drawing.svg": (
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "cannot be read as a picture",
        ),
        "page.eps": (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "cannot be read as a picture",
        ),
        "page.pdf": (b"%PDF-1.4\n", "cannot be read as a picture"),
        "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC"),
        "bomb.png": (
            png[:33]
            + (len(text) - 4).to_bytes(4, "big")
            + text
            + zlib.crc32(text).to_bytes(4, "big")
            + png[33:],
            "is broken",
        ),
    }


@pytest.mark.parametrize("name", list(broken_files(Image.new("RGB", (64, 48)))))
def test_broken_files_are_answered_in_one_sentence_with_the_path(name, picture, tmp_path):
    content, reason = broken_files(picture)[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        open_photo(path)
    assert str(caught.value).startswith(f"{path} ")
    assert re.search(reason, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_broken_pil_image_is_answered_like_its_file(picture):
    image = Image.open(io.BytesIO(encoded(picture.resize((256, 192)), "JPEG")[:-300]))
    with pytest.raises(ImageError, match=r"the image is broken: .*truncated"):
        open_photo(image)
    closed = Image.open(io.BytesIO(encoded(picture)))
    closed.close()
    with pytest.raises(ImageError, match=r"the image is broken: .*closed"):
        open_photo(closed)


def test_a_link_to_itself_and_a_name_too_long(tmp_path):
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    with pytest.raises(ImageError, match=r"loop.jpg cannot be read: .*symbolic links"):
        open_photo(loop)
    with pytest.raises(ImageError, match="cannot be read: File name too long"):
        open_photo(tmp_path / f"{'long' * 70}.png")


def through_a_pipe(content):
    """The path of a pipe with these few bytes, like a shell's <(...)."""
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    return read, f"/dev/fd/{read}"


def test_a_pipe_by_its_path(picture):
    read, path = through_a_pipe(encoded(picture))
    try:
        assert np.array_equal(open_photo(path).rgb, floats(picture))
    finally:
        os.close(read)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"text", "cannot be read as a picture")]
)
def test_a_pipe_without_a_picture(content, reason):
    read, path = through_a_pipe(content)
    try:
        with pytest.raises(ImageError, match=f"^{path} {reason}"):
            open_photo(path)
    finally:
        os.close(read)


def test_a_device_is_no_picture():
    with pytest.raises(ImageError, match="/dev/zero is a device"):
        open_photo("/dev/zero")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(ImageError, match="does not exist"):
        open_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        open_photo(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "photo.png").touch()
    with pytest.raises(ImageError, match="holds no pictures; subfolders are not searched"):
        find_photos(tmp_path)
    with pytest.raises(ImageError, match="is not a folder"):
        find_photos(tmp_path / "nowhere")


def test_photos_of_a_folder_are_found_by_suffix_and_sorted(tmp_path):
    for name in ("b.JPG", "a.png", "c.txt", ".hidden.png", "d.webp"):
        (tmp_path / name).touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.png").touch()
    assert [path.name for path in find_photos(tmp_path)] == ["a.png", "b.JPG", "d.webp"]


def test_only_files_of_a_folder_are_its_photos(tmp_path, picture):
    folder = tmp_path / "photos"
    (folder / "folder.jpg").mkdir(parents=True)
    os.mkfifo(folder / "pipe.jpg")
    picture.save(tmp_path / "elsewhere.png")
    (folder / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "link-to-a-folder.png").symlink_to(tmp_path)
    (folder / "nowhere.png").symlink_to(tmp_path / "nowhere.png")  # broken, as reading reports
    assert [path.name for path in find_photos(folder)] == ["link.png", "nowhere.png"]


def test_what_exists_is_not_overwritten_unasked(picture, tmp_path):
    path = tmp_path / "out.png"
    path.write_text("precious")
    with pytest.raises(OutputError, match=r"exists; replace it with --overwrite"):
        save_photo(open_photo(picture), path)
    assert path.read_text() == "precious"
    save_photo(open_photo(picture), path, overwrite=True)
    assert open_photo(path).size == (64, 48)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_in_the_place_of_the_file_stays(picture, overwrite, linked, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    target = tmp_path / "pipe"
    if linked:
        target = tmp_path / "link"
        target.symlink_to("pipe")
    for refuse in (
        lambda: check_writable(target, overwrite=overwrite),
        lambda: save_photo(open_photo(picture), target, format="png", overwrite=overwrite),
    ):
        with pytest.raises(OutputError, match=f"{target} exists and is not a regular file"):
            refuse()
    assert (tmp_path / "pipe").is_fifo()
    assert target.is_symlink() == linked


def test_a_saved_file_has_the_permissions_of_any_new_file(picture, tmp_path):
    save_photo(open_photo(picture), tmp_path / "out.png")
    (tmp_path / "other").touch()
    assert (tmp_path / "out.png").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("target", ["a-file/out.png", "a-folder", f"{'long' * 70}.png"])
def test_places_that_cannot_be_written(picture, tmp_path, target):
    (tmp_path / "a-folder").mkdir()
    (tmp_path / "a-file").touch()
    with pytest.raises(OutputError, match=target):
        save_photo(open_photo(picture), tmp_path / target, format="png", overwrite=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a-file", "a-folder"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    """A file size limit stands in for a full disk: the write itself fails."""
    path = tmp_path / "out.png"
    path.write_text("precious")
    script = """
import signal, sys, numpy as np
from pathlib import Path
from stylezoo.errors import OutputError
from stylezoo.images import Photo, save_photo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
noise = np.random.default_rng(0).random((200, 200, 3), dtype=np.float32)
try:
    save_photo(Photo(rgb=noise), Path(sys.argv[1]), overwrite=True)
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert f"{path} cannot be written: File too large" in done.stdout
    assert path.read_text() == "precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]


def test_formats_and_qualities_out_of_range(picture):
    photo = open_photo(picture)
    with pytest.raises(OptionError, match="'gif'; it must be one of png, jpeg, webp, tiff"):
        encode_photo(photo, format="gif")
    with pytest.raises(OptionError, match="quality is 0"):
        encode_photo(photo, format="jpeg", quality=0)
    with pytest.raises(OptionError, match=r"the suffix '\.bmp'; use one of [a-z., ]+$"):
        save_photo(photo, Path("x.bmp"))


def test_quality_makes_the_file_smaller_or_larger(picture):
    noisy = open_photo(Image.effect_noise((64, 64), 90).convert("RGB"))
    small, large = (len(encode_photo(noisy, format="jpeg", quality=q)) for q in (20, 95))
    assert small < large / 2
