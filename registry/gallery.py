"""Makes docs/gallery: a table of the curated styles' measured quality, and contact sheets.

    python registry/gallery.py table
    python registry/gallery.py all
    python registry/gallery.py sheets --photos FOLDER [--only STYLE ...]

``table`` writes the page from the records; ``all`` renders every style on the example photo;
``sheets`` renders every single style and adapter on all photos of a folder at 512 and 1024 px, to
look at.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stylezoo import FolderSource, Record, Style, load, open_photo
from stylezoo.contact_sheet import LabelledPhoto, contact_sheet, in_rows
from stylezoo.images import find_photos
from stylezoo.sheet import style_sheet, styles_for_sheet

ROOT = Path(__file__).parents[1]
STYLES = ROOT / "registry" / "stylezoo_styles" / "styles"
GALLERY = ROOT / "docs" / "gallery"
EXAMPLE = ROOT / "docs" / "examples" / "astronaut.jpg"
SIZES = (512, 1024)  # pixels, longest side
CELL = 300
SMALL_CELL = 250  # of the sheet of all styles
COLUMNS = 5
QUALITY = 80

PAGE = """\
# Gallery

Every style of the zoo on one photo, made with `stylezoo sheet`:

![Every style on one photo](all.jpg)

## Measured

The table shows, on photos that training has not seen, how many iterations of the explicit
optimisation (L-BFGS), from white noise and from the photo, one pass of the style is worth, and how
many times faster it is than 500 iterations. Johnson et al. 2016 make the same comparisons in
figure 5 and table 1. [evaluate](../evaluate.md) explains the measurement; each style's model card
has the remaining figures.

Versions before 1.0.0 are experimental and may be withdrawn. A style becomes 1.0.0 when one pass is
worth at least 30 iterations from noise at 256 and 512 px, and 20 at 1024 px.

Some styles were measured on two CPU cores, others on a GPU that ran up to ten evaluations at once,
where times, and therefore speed-ups, say little; the model cards name the machine. [Measured with
nothing else running](../evaluate.md#the-speed-of-the-zoo), nets of both of the zoo's widths have a
speed-up of over 1000.

{table}

## On held-out photos

Each sheet shows one style on all 13 photos, which are in the public domain or under CC0.

{sheets}
"""


def table(records: list[Record]) -> str:
    """The table of every style's measured quality, with a line per style and size."""
    lines = [
        "| style | weights | size | photos | from noise | from the photo | speed-up | SSIM |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    adapters = {(one.name, one.base.name, one.base.version) for one in records if one.base}
    for record in records:
        kilobytes = record.file("weights").size / 1000
        kind = f"{kilobytes:.0f} kB" + (
            f" on {record.base.name} {record.base.version}" if record.base else ""
        )
        name = f"{record.name} {record.version}"
        measured = [(name, record.quality)]
        # The same weights published under their own name have a line of their own.
        own = [
            style
            for style in record.styles
            if (style.name, record.name, record.version) not in adapters
        ]
        measured += [(f"{name}:{style.name}", style.quality) for style in own]
        for name, quality in measured:
            for at in quality.sizes if quality else ():
                more = "≥ " if at.capped else ""
                lines.append(
                    f"| {name} | {kind} | {at.size} px | {at.photos} "
                    f"| {more}{at.iterations_from_noise:.0f} "
                    f"| {more}{at.iterations_from_content:.0f} | {at.speedup:.0f} | {at.ssim:.2f} |"
                )
    return "\n".join(lines)


def sheet_name(record: Record, size: int) -> str:
    """The file name of a style's contact sheet."""
    return f"{record.name}-{size}.jpg"


def page(records: list[Record]) -> str:
    """The gallery page, made from the records alone."""
    singles = [record for record in records if not record.styles]
    sheets = "\n".join(
        f"- {record.name}: "
        + ", ".join(f"[{size} px]({sheet_name(record, size)})" for size in SIZES)
        for record in singles
    )
    return PAGE.format(table=table(records), sheets=sheets)


def write_sheets(record: Record, photos: Path) -> None:
    """Render a style on every photo of a folder, at each size."""
    style: Style = load(record.name)
    for size in SIZES:
        pictures = [
            LabelledPhoto(style(open_photo(path).resized(size)).resized(CELL), path.stem)
            for path in find_photos(photos)
        ]
        sheet = contact_sheet(in_rows(pictures, COLUMNS), side=CELL)
        sheet.save(GALLERY / sheet_name(record, size), quality=QUALITY)


def write_sheet_of_all() -> None:
    """Render every style on the example photo."""
    sheet = style_sheet(EXAMPLE, styles_for_sheet(), side=SMALL_CELL, columns=COLUMNS)
    sheet.save(GALLERY / "all.jpg", quality=QUALITY)


def own_records() -> list[Record]:
    """The newest record of each curated style."""
    source = FolderSource(STYLES)
    return [source.record(entry.name, entry.version) for entry in source.entries()]


def main() -> None:
    """Run the requested part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["table", "all", "sheets"])
    parser.add_argument("--photos", type=Path, help="folder of photos for the sheets")
    parser.add_argument("--only", nargs="*", help="styles to render; all by default")
    options = parser.parse_args()
    records = own_records()
    if options.part == "table":
        (GALLERY / "README.md").write_text(page(records), encoding="utf-8")
        return
    if options.part == "all":
        write_sheet_of_all()
        return
    if options.photos is None:
        parser.error("sheets need --photos FOLDER")
    singles = {record.name: record for record in records if not record.styles}
    for name in options.only or singles:
        if name not in singles:
            parser.error(f"{name} is no single style; there are {', '.join(singles)}")
        write_sheets(singles[name], options.photos)


if __name__ == "__main__":
    main()
