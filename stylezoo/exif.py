"""What the EXIF block of a picture says of the photo, without what it says of the file."""

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
# The size is written anew, and the colours become sRGB, whatever space they were in.
OUTDATED_DETAILS = frozenset(
    (
        ExifTags.Base.ExifImageWidth,
        ExifTags.Base.ExifImageHeight,
        ExifTags.Base.ColorSpace,
        ExifTags.Base.ExifInteroperabilityOffset,
    )
)


def descriptive_exif(image: Image.Image) -> bytes | None:
    """The EXIF block of a loaded picture as it fits another file of the photo; None for none.

    A camera's JPEG may hold tags for strips, compression or size; a TIFF that is written with
    them cannot be read again. The orientation is left out: the reader applies it. A block that is
    broken is none: that is no reason to refuse a sound picture.

    Args:
        image: as it was opened; Pillow's copies of a TIFF have lost its tags.
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
