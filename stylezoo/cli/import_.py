"""``stylezoo import``: turn another program's checkpoint into a style folder."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import click

from stylezoo import __version__
from stylezoo.cli.facts import complete, fact_options, unknown_options, with_told
from stylezoo.cli.output import print_json, print_line
from stylezoo.cli.progress import progress

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("import", short_help="Convert a checkpoint from another program to a style.")
@click.argument("checkpoint", type=FILE)
@click.option("-o", "--output", type=FOLDER, required=True, help="Style folder to make.")
@click.option(
    "--importer", help="A registered importer  [default: the one that recognises the file]"
)
@click.option("--photo", type=FILE, help="Photo for the preview picture.")
@fact_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    checkpoint: Path,
    output: Path,
    importer: str | None,
    photo: Path | None,
    as_json: bool,
    **told: Any,
) -> None:
    """Convert CHECKPOINT, which another program made, to a style folder.

    Nothing in it is executed. What is not told of the style is recorded as unknown; 'stylezoo
    record make' takes it later. 'stylezoo plugins' lists the importers.
    """
    from stylezoo.authoring import Facts, make_style
    from stylezoo.catalog import default_catalog
    from stylezoo.images import open_photo
    from stylezoo.importing import import_checkpoint

    facts = with_told(Facts(name=_style_name(checkpoint), version="0.1.0"), told)
    missing = unknown_options(facts)
    complete(facts.filled(), besides=[])  # what is told must be right
    with progress("importing", 1):
        imported = import_checkpoint(checkpoint, importer=importer)
        described = imported.described
        record = make_style(
            output,
            net=imported.net,
            net_name=described.net,
            net_arguments=described.arguments,
            facts=dataclasses.replace(
                facts, software=f"{described.format}; converted by stylezoo {__version__}"
            ),
            catalog=default_catalog(),
            dtype="float32",
            photo=open_photo(photo) if photo is not None else None,
            photo_name=photo.name if photo is not None else "",
        )
    if as_json:
        print_json(
            {
                "folder": str(output),
                "name": record.name,
                "version": str(record.version),
                "importer": imported.importer.name,
                "format": described.format,
                "net": {"name": described.net, "arguments": dict(described.arguments)},
                "unknown": missing,
            }
        )
        return
    print_line(f"{output}: {record.name} {record.version}, from {described.format}")
    if missing:
        click.echo(
            f"recorded as unknown: {', '.join(missing)}; to add them, run: stylezoo record "
            f"make {output} -o FOLDER with these options",
            err=True,
        )


def _style_name(checkpoint: Path) -> str | None:
    """A style name made from the file's; None if it has no usable characters."""
    return "-".join(re.findall(r"[a-z0-9]+", checkpoint.stem.lower()))[:64].strip("-") or None
