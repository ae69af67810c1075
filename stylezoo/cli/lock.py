"""``stylezoo lock``: write down exact versions and hashes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_json, print_line
from stylezoo.cli.progress import progress
from stylezoo.files import check_writable
from stylezoo.registry.lock_file import LOCK_FILE, lock_style, write_lock_file
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec


@click.command("lock")
@click.argument("styles", nargs=-1, required=True)
@click.option("-o", "--output", default=LOCK_FILE, show_default=True, help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was locked as JSON.")
def command(styles: tuple[str, ...], output: str, overwrite: bool, as_json: bool) -> None:
    """Write down the exact versions and hashes of STYLES.

    'stylezoo apply NAME photo.jpg --locked stylezoo.lock' and
    stylezoo.load("NAME", locked="stylezoo.lock") then take these bytes and no others.
    """
    target = Path(output)
    check_writable(target, overwrite=overwrite)
    sources = all_sources(default_catalog())
    specs = [StyleSpec.parse(style) for style in styles]
    found = []
    with progress("locking", len(specs)) as advance:
        for spec in specs:
            found.append(lock_style(spec, sources))
            advance()
    locked = list(dict.fromkeys(found))  # two styles of a pack are one entry
    write_lock_file(target, locked, overwrite=overwrite)
    if as_json:
        print_json([asdict(style) for style in locked])
        return
    for style in locked:
        print_line(f"{style.name} {style.version} from {style.source}")
