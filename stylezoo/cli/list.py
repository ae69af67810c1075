"""``stylezoo list``: list the styles."""

from __future__ import annotations

from collections.abc import Sequence

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_json, print_table
from stylezoo.registry.listing import ListedStyle, list_sources
from stylezoo.registry.sources import all_sources, used_repositories


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the newest version of every style, and the styles in each pack.

    A name found in several sources is listed for each of them, with the source that is used. From
    the Hub, only the repositories used on this machine are listed.
    """
    sources = {**all_sources(default_catalog()), **used_repositories()}
    print_styles(list_sources(sources), as_json)


def print_styles(styles: Sequence[ListedStyle], as_json: bool) -> None:
    """Print styles as a table or as JSON."""
    if as_json:
        print_json([_to_dict(style) for style in styles])
        return
    rows = []
    for style in styles:
        entry = style.entry
        source = style.source if style.taken else f"{style.source} (used: {style.taken_from})"
        rows.append((entry.name, str(entry.version), source, entry.summary))
        for name, title in entry.styles:
            rows.append((f"  {entry.name}:{name}", "", "", title))
    print_table(("name", "version", "source", "summary"), rows)


def _to_dict(style: ListedStyle) -> dict[str, object]:
    entry = style.entry
    return {
        "name": entry.name,
        "version": str(entry.version),
        "source": style.source,
        "taken": style.taken,
        "summary": entry.summary,
        "status": entry.status,
        "tags": list(entry.tags),
        "licence": entry.licence,
        "net": entry.net,
        "styles": [name for name, _ in entry.styles],
    }
