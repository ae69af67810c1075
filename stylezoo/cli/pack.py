"""``stylezoo pack``: put styles that share their convolutions into one pack."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click


@click.command("pack", short_help="Put styles and adapters into one pack.")
@click.argument("styles", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Style folder to make.",
)
@click.option("--name", help="Name of the pack; by default, that of the folder.")
@click.option("--version", default="1.0.0", show_default=True, help="Version of the pack.")
@click.option("--summary", help="One line that describes it.")
@click.option("--tag", "tags", multiple=True, help="A word to search by; may be repeated.")
@click.option(
    "--author", default="unknown", help="Who makes the pack; by default, who made all its styles."
)
@click.option("--notes", default="", help="Anything else worth recording.")
@click.option(
    "--preview",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Photo for the preview picture.",
)
def command(
    styles: tuple[str, ...],
    output: Path,
    name: str | None,
    version: str,
    summary: str | None,
    tags: tuple[str, ...],
    author: str,
    notes: str,
    preview: Path,
) -> None:
    """Put STYLES, such as museum:udnie and adapters on the museum, into one net.

    Nothing is trained: each style draws exactly as it does alone, and what was measured of it
    stays true. So a pack loses styles, or gains those that were added to it as adapters.
    """
    from stylezoo.train import PackDescription, make_pack

    description = PackDescription(
        name=name or output.name,
        version=version,
        summary=summary or f"{len(styles)} styles in one net",
        tags=tags,
        author=author,
        command=shlex.join(["stylezoo", *sys.argv[1:]]),
        notes=notes,
    )
    record = make_pack(styles, description, output, preview=preview)
    click.echo(f"{output}: {record.name} {record.version}")
