"""``stylezoo publish``: publish a style folder to the Hub or to a folder of styles."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.cli.output import print_json, print_line
from stylezoo.cli.progress import progress
from stylezoo.errors import OptionError, PublishError

if TYPE_CHECKING:
    from stylezoo.registry.publishing import Destination, Publication

MOST_FINDINGS = 10


def _destination(ctx: click.Context, option: click.Parameter, value: str) -> Destination:
    from stylezoo.registry.publishing import Destination

    try:
        return Destination.parse(value)
    except OptionError as error:
        raise click.BadParameter(str(error)) from error


@click.command("publish", short_help="Publish a style to the Hub or a folder.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--to",
    "destination",
    required=True,
    metavar="PLACE",
    callback=_destination,
    help="hub:OWNER/NAME, or folder:PATH for a folder of styles or a signed registry.",
)
@click.option("--private", is_flag=True, help="Make a new repository private.")
@click.option("--dry-run", is_flag=True, help="Check everything without changing anything.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    folder: Path, destination: Destination, private: bool, dry_run: bool, as_json: bool
) -> None:
    """Check the style in FOLDER as "stylezoo check" does, and publish it.

    A version that is already published is never changed. If publishing fails midway, run the
    command again: it continues where it stopped.
    """
    from stylezoo.registry.publishing import publish_style, require_access
    from stylezoo.registry.record_io import read_record

    require_access(destination)
    files = 1 + len(read_record(folder).files)
    with progress("publishing", files + 1) as advance:
        _require_good(folder)
        advance()
        published = publish_style(
            folder, destination, private=private, dry_run=dry_run, progress=advance
        )
    if as_json:
        print_json(dataclasses.asdict(published))
    else:
        _print(published, destination)


def _require_good(folder: Path) -> None:
    from stylezoo.check import check_style_folder

    errors = check_style_folder(folder).errors
    if errors:
        told = "".join(f"\n  {finding}" for finding in errors[:MOST_FINDINGS])
        raise PublishError(
            f"{folder} cannot be published: it has {len(errors)} "
            f"fault{'s' if len(errors) > 1 else ''}; for the full report, run: stylezoo check "
            f"{folder}{told}"
        )


def _print(published: Publication, destination: Destination) -> None:
    style = f"{published.name} {published.version}"
    if published.status == "new":
        print_line(f"{style} would be published at {published.location}:")
        for path in published.files:
            print_line(f"  {path}")
        return
    done = "published" if published.status == "published" else "already published, unchanged"
    print_line(f"{style}: {done}: {published.location}")
    print_line(f"load it as {published.spec}")
    if destination.folder is not None and published.location != published.spec:
        print_line(f"to serve it, run: stylezoo registry build {destination.folder}")
