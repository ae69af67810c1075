"""The preview of a style folder: a photo in its style, or in each style of a pack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stylezoo.check import MAX_PREVIEW_SIDE
from stylezoo.contact_sheet import LabelledPhoto, contact_sheet, in_rows
from stylezoo.images import Photo
from stylezoo.style import Style

if TYPE_CHECKING:
    from PIL import Image

PREVIEW_SIZE = 512  # longest side, pixels
SHEET_SIDE = 256
SHEET_COLUMNS = 4  # for up to 16 styles; more are laid out in a square


def preview_of(styles: Mapping[str, Style], photo: Photo) -> Image.Image:
    """Draw a photo in the style, or a contact sheet of it in each style of a pack.

    Args:
        styles: by name.
        photo: of any size.
    """
    if len(styles) == 1:
        (style,) = styles.values()
        picture: Photo = style(photo.resized(PREVIEW_SIZE))
        return picture.to_pil()
    pictures = [
        LabelledPhoto(style(photo.resized(SHEET_SIDE)), name) for name, style in styles.items()
    ]
    columns = max(SHEET_COLUMNS, math.ceil(math.sqrt(len(pictures))))
    sheet = contact_sheet(in_rows(pictures, columns), side=SHEET_SIDE)
    sheet.thumbnail((MAX_PREVIEW_SIDE, MAX_PREVIEW_SIDE))  # for more than 49 styles
    return sheet
