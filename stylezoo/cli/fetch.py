"""``stylezoo fetch``: download and verify styles for offline use."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_error, print_json, print_line
from stylezoo.cli.progress import progress_of_bytes
from stylezoo.errors import StyleZooError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.lock_file import find_style, read_lock_file
from stylezoo.registry.pinned import resolve_base
from stylezoo.registry.resolve import ResolvedStyle
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.verify import verify_files


@click.command("fetch")
@click.argument("styles", nargs=-1)
@click.option(
    "--locked",
    metavar="FILE",
    help="Use exactly what this lock file pins; without STYLES, fetch all of it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(styles: tuple[str, ...], locked: str | None, as_json: bool) -> None:
    """Fetch STYLES to this machine, verified, for offline use.

    With a style comes the base that it builds on. What is here already is only verified.
    """
    if locked is not None and not styles:
        styles = tuple(read_lock_file(Path(locked)).styles)
    if not styles:
        raise click.UsageError("Name the styles to fetch, or give --locked FILE.")
    sources = all_sources(default_catalog())
    fetched = []
    failures: dict[str, StyleZooError] = {}
    for style in styles:
        try:
            fetched.append(_fetch_verified(StyleSpec.parse(style), sources, locked))
        except StyleZooError as error:
            failures[style] = error
            continue
        if not as_json:
            print_line("{name} {version}: {folder}".format(**fetched[-1]))
    if as_json:
        failed = [{"style": style, "error": str(error)} for style, error in failures.items()]
        print_json({"fetched": fetched, "failed": failed})
    for failure in failures.values():
        print_error(str(failure))
    if failures:
        sys.exit(1)


def fetch(found: ResolvedStyle) -> Path:
    """Fetch the files of a style, with a progress bar if that takes long.

    Returns:
        Their folder.

    Raises:
        StyleZooError: they cannot be fetched.
    """
    record = found.record
    total = sum(file.size for file in record.files)
    with progress_of_bytes(f"fetching {record.name} {record.version}", total) as show:
        return found.fetch(show)


def _fetch_verified(
    spec: StyleSpec, sources: Mapping[str, RegistrySource], locked: str | None
) -> dict[str, object]:
    found = find_style(spec, sources, locked)
    base = resolve_base(found.record, sources)
    if base is not None:
        verify_files(fetch(base), base.record)
    folder = fetch(found)
    verify_files(folder, found.record)
    return {
        "name": spec.name or spec.repository or found.record.name,
        "version": str(found.record.version),
        "source": found.source,
        "folder": str(folder),
        "size": sum(file.size for file in found.record.files),
    }
