"""``stylezoo info``: show one style in full."""

from __future__ import annotations

from typing import Any

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_json, print_line
from stylezoo.errors import printable
from stylezoo.registry.record_io import record_to_dict
from stylezoo.registry.resolve import resolve
from stylezoo.registry.sources import all_sources
from stylezoo.registry.spec import StyleSpec


@click.command("info")
@click.argument("style")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(style: str, as_json: bool) -> None:
    """Show everything known about STYLE: a name, name@version, owner/name or folder.

    If the style is not on this machine, only its record is fetched.
    """
    found = resolve(StyleSpec.parse(style), all_sources(default_catalog()))
    record = record_to_dict(found.record)
    here = found.here()
    folder = None if here is None else str(here)
    if as_json:
        print_json({**record, "source": found.source, "folder": folder})
        return
    print_line(f"{found.record.name} {found.record.version}: {printable(found.record.summary)}")
    print_line(f"source: {found.source or 'folder'} ({folder or 'not fetched'})")
    for name, value in record.items():
        if name not in ("schema", "name", "version", "summary"):
            _print(name, value, 0)


def _print(name: str, value: Any, depth: int) -> None:
    indent = "  " * depth
    if value in ("", [], {}):
        return  # nothing to show
    if isinstance(value, dict):
        print_line(f"{indent}{name}:")
        for key, entry in value.items():
            _print(key, entry, depth + 1)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for entry in value:
            _print(name, entry, depth)
    elif isinstance(value, list):
        print_line(f"{indent}{name}: {printable(', '.join(map(str, value)))}")
    else:
        print_line(f"{indent}{name}: {printable(str(value))}")
