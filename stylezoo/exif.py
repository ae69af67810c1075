"""The part of a picture's EXIF block that describes the photo, not the file."""

from __future__ import annotations

import struct

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
            kept[tag] = found[tag]
        details = found.get_ifd(ExifTags.IFD.Exif)
        details = {tag: details[tag] for tag in details.keys() - OUTDATED_DETAILS}
        position = dict(found.get_ifd(ExifTags.IFD.GPSInfo))
        for part, tags in ((ExifTags.IFD.Exif, details), (ExifTags.IFD.GPSInfo, position)):
            if tags:
                kept[part] = tags
        return kept.tobytes() if kept else None
    except (ValueError, SyntaxError, TypeError, KeyError, AttributeError, OSError, struct.error):
        return None
