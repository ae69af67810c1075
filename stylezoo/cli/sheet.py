"""``stylezoo sheet``: show every style of the zoo on one photo."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stylezoo.cli.output import print_error, print_line
from stylezoo.cli.progress import progress
from stylezoo.cli.styling import styling_options
from stylezoo.errors import StyleZooError
from stylezoo.files import check_writable


@click.command("sheet")
@click.argument("photo", type=click.Path(path_type=Path))
@click.argument("styles", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
@click.option("--tag", help="Only styles with this tag.")
@click.option(
    "--size",
    type=click.IntRange(16, 2048),  # stylezoo.sheet, without torch
    default=320,
    show_default=True,
    help="Longest side of each picture, pixels.",
)
@click.option(
    "--columns", type=click.IntRange(min=1), default=4, show_default=True, help="Pictures per row."
)
@styling_options
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--device", help="Such as cpu or cuda  [default: the best available]")
def command(
    photo: Path,
    styles: tuple[str, ...],
    output: Path | None,
    tag: str | None,
    size: int,
    columns: int,
    strength: float,
    preserve_color: bool,
    runtime: str | None,
    overwrite: bool,
    device: str | None,
) -> None:
    """Render STYLES, by default all of the zoo, on PHOTO as one labelled contact sheet.

    Of a pack, all styles are shown; each label is what 'stylezoo apply' takes. Without -o,
    photo.jpg becomes photo-sheet.png beside it.
    """
    from stylezoo.images import format_of, open_photo, save_photo
    from stylezoo.sheet import style_sheet, styles_for_sheet

    opened = open_photo(photo)
    target = output or photo.with_name(f"{photo.stem}-sheet.png")
    check_writable(target, overwrite=overwrite)
    format_of(target)  # a suffix that no format has is refused before the work
    specs = styles_for_sheet(styles, tag=tag)
    failures: list[tuple[str, StyleZooError]] = []  # a style may be named twice
    with progress("styling", len(specs)) as advance:

        def on_style(spec: str, error: StyleZooError | None) -> None:
            if error is not None:
                failures.append((spec, error))
            advance()

        sheet = style_sheet(
            opened,
            specs,
            side=size,
            columns=columns,
            strength=strength,
            preserve_color=preserve_color,
            device=device,
            runtime=runtime,
            on_style=on_style,
        )
    for spec, error in dict(failures).items():
        print_error(f"{spec}: {error}")
    if len(failures) == len(specs):
        sys.exit(1)
    save_photo(open_photo(sheet), target, overwrite=overwrite)
    print_line(str(target))
    if failures:
        click.echo(f"{len(specs) - len(failures)} of {len(specs)} styles are shown", err=True)
        sys.exit(1)
