"""``stylezoo search``: find styles by words, tags, licence and net."""

from __future__ import annotations

import sys

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.list import print_styles
from stylezoo.registry.listing import list_sources
from stylezoo.registry.search import search_styles
from stylezoo.registry.sources import all_sources, used_repositories


@click.command("search")
@click.argument("words", nargs=-1)
@click.option("--tag", "tags", multiple=True, help="Only with this tag; may be repeated.")
@click.option("--licence", help="Only with this licence of the weights, such as CC0-1.0.")
@click.option("--net", help="Only for this transform net, such as johnson.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    words: tuple[str, ...],
    tags: tuple[str, ...],
    licence: str | None,
    net: str | None,
    as_json: bool,
) -> None:
    """Search the styles of all registries for WORDS: in names, summaries, tags and packs.

    The search uses the indexes as last fetched; 'stylezoo update' refreshes them. The exit code is
    1 if nothing matches.
    """
    styles = list_sources({**all_sources(default_catalog()), **used_repositories()})
    found = search_styles(styles, words, tags=tags, licence=licence, net=net)
    if found or as_json:
        print_styles(found, as_json)
    if not found:
        if not as_json:
            click.echo("no style matches; see: stylezoo list", err=True)
        sys.exit(1)
