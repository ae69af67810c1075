"""The part of a picture's EXIF block that describes the photo, not the file."""

from __future__ import annotations

import struct
from typing import Any

from PIL import ExifTags, Image

DESCRIPTIVE_TAGS = frozenset(
    (
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.XResolution,
        ExifTags.Base.YResolution,
        ExifTags.Base.ResolutionUnit,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.HostComputer,
        ExifTags.Base.Rating,
        ExifTags.Base.Copyright,
        ExifTags.Base.XPTitle,
        ExifTags.Base.XPComment,
        ExifTags.Base.XPAuthor,
        ExifTags.Base.XPKeywords,
        ExifTags.Base.XPSubject,
    )
)
# The size is rewritten, and colours become sRGB, whatever space they were in.
OUTDATED_DETAILS = frozenset(
    (
        ExifTags.Base.ExifImageWidth,
        ExifTags.Base.ExifImageHeight,
        ExifTags.Base.ColorSpace,
        ExifTags.Base.ExifInteroperabilityOffset,
    )
)

_TURNS: dict[Any, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What Pillow raises on a broken block.
_BROKEN_BLOCK = (
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    AttributeError,
    OSError,
    struct.error,
)


def descriptive_exif(image: Image.Image) -> bytes | None:
    """The EXIF block of a loaded picture, fit for another file of the photo; None if absent.

    A camera's JPEG may hold tags for strips, compression or size; a TIFF written with them cannot
    be read back. The orientation is left out, as the reader applies it. A broken block counts as
    absent: it is no reason to reject a sound picture.

    Args:
        image: the image as opened; Pillow's copies of a TIFF lose its tags.
    """
    try:
        found = image.getexif()
        kept = Image.Exif()
        kept.endian = found.endian
        for tag in DESCRIPTIVE_TAGS & set(found):
            kept[tag] = _as_read(found[tag])
        details = found.get_ifd(ExifTags.IFD.Exif)
        details = {tag: details[tag] for tag in details.keys() - OUTDATED_DETAILS}
        position = dict(found.get_ifd(ExifTags.IFD.GPSInfo))
        for part, tags in ((ExifTags.IFD.Exif, details), (ExifTags.IFD.GPSInfo, position)):
            if tags:
                kept[part] = tags
        return kept.tobytes() if kept else None
    except _BROKEN_BLOCK:
        return None


def upright(image: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF says.

    Pillow's ``exif_transpose`` would also write the whole block anew, and fail on tags of a type
    that it does not expect.
    """
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except _BROKEN_BLOCK:
        turn = None
    return image if turn is None else image.transpose(turn)


def exif_of_tiff(block: bytes) -> Image.Exif:
    """Prepare an EXIF block for Pillow to write it into a TIFF: the same tags, with the same text.

    Args:
        block: as from ``descriptive_exif``.
    """
    exif = Image.Exif()
    exif.load(block)
    for tag, value in list(exif.items()):
        exif[tag] = _as_read(value)
    return exif


def _as_read(value: Any) -> Any:
    """The bytes of a text, mostly UTF-8. Pillow reads them as Latin-1, and would write ASCII."""
    return value.encode("latin-1", "replace") if isinstance(value, str) else value
