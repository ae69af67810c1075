"""``stylezoo list``: the styles there are."""

from __future__ import annotations

import click

from stylezoo.cli.output import print_json, print_table
from stylezoo.registry.listing import list_styles


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the styles, each in its newest version, and what packs hold."""
    records = list_styles()
    if as_json:
        print_json(
            [
                {
                    "name": record.name,
                    "version": str(record.version),
                    "summary": record.summary,
                    "status": record.status,
                    "tags": list(record.tags),
                    "styles": [style.name for style in record.styles],
                }
                for record in records
            ]
        )
        return
    rows = []
    for record in records:
        rows.append((record.name, str(record.version), record.summary))
        for style in record.styles:
            rows.append((f"  {record.name}:{style.name}", "", style.image.title))
    print_table(("name", "version", "summary"), rows)
