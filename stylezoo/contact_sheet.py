"""Pictures side by side on one sheet, each with a label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from stylezoo.images import Photo

GAP = 8  # pixels
LABEL_HEIGHT = 22
FONT_SIZE = 14


@dataclass(frozen=True)
class LabelledPhoto:
    """A picture on the sheet."""

    photo: Photo
    label: str


def contact_sheet(rows: Sequence[Sequence[LabelledPhoto]], *, side: int) -> Image.Image:
    """Lay out rows of pictures, each scaled to fit a square and labelled above.

    Args:
        rows: the pictures.
        side: side of the square, in pixels.

    Returns:
        The sheet, on a white background.
    """
    font = ImageFont.load_default(size=FONT_SIZE)
    columns = max(len(row) for row in rows)
    width = GAP + columns * (side + GAP)
    height = GAP + len(rows) * (LABEL_HEIGHT + side + GAP)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    for r, row in enumerate(rows):
        for c, entry in enumerate(row):
            left = GAP + c * (side + GAP)
            top = GAP + r * (LABEL_HEIGHT + side + GAP)
            draw.text((left, top), _fitting(entry.label, side, font), fill="black", font=font)
            picture = entry.photo.resized(side).on_white()
            sheet.paste(picture, (left + (side - picture.width) // 2, top + LABEL_HEIGHT))
    return sheet


def _fitting(label: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Shorten a label to the width of its picture, so that it does not run into the next."""
    if font.getlength(label) <= width:
        return label
    while label and font.getlength(f"{label}…") > width:
        label = label[:-1]
    return f"{label}…"


def in_rows(pictures: Sequence[LabelledPhoto], columns: int) -> list[Sequence[LabelledPhoto]]:
    """Break a sequence of pictures into rows of ``columns``; the last may be shorter."""
    return [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
