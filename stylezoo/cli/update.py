"""``stylezoo update``: show newer versions of the styles on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_error, print_json, print_line, print_table
from stylezoo.cli.progress import progress
from stylezoo.errors import StyleZooError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.sources import all_sources, used_repositories
from stylezoo.registry.updates import Update, Withdrawal, find_updates

if TYPE_CHECKING:
    from stylezoo.registry.pins import MovedTag


@click.command("update")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Ask all registries what is new, and show which styles here have newer versions.

    No style is fetched: for that, run 'stylezoo fetch NAME@VERSION'. A version that is here and was
    withdrawn by its registry is reported. Repositories on the Hub that were used here are asked
    too; a version whose tag was moved there is reported, and stays here what it was.
    """
    repositories = used_repositories()
    sources = {**all_sources(default_catalog()), **repositories}
    failures = _refresh(sources)
    answering = {name: source for name, source in sources.items() if name not in failures}
    updates, withdrawals = find_updates(answering)
    moved = [
        tag for name in repositories if name in answering for tag in repositories[name].moved()
    ]
    if as_json:
        print_json(
            {
                "updates": [_update_to_dict(update) for update in updates],
                "withdrawn": [_withdrawal_to_dict(withdrawal) for withdrawal in withdrawals],
                "moved": [_moved_to_dict(tag) for tag in moved],
                "failed": [{"source": name, "error": str(e)} for name, e in failures.items()],
            }
        )
    else:
        _print(updates, withdrawals, moved)
    for name, error in failures.items():
        print_error(f"{name}: {error}")
    if failures:
        sys.exit(1)


def _refresh(sources: Mapping[str, RegistrySource]) -> dict[str, StyleZooError]:
    failures: dict[str, StyleZooError] = {}
    with progress("asking", len(sources)) as advance:
        for name, source in sources.items():
            try:
                source.refresh()
            except StyleZooError as error:
                failures[name] = error
            advance()
    return failures


def _print(updates: list[Update], withdrawals: list[Withdrawal], moved: list[MovedTag]) -> None:
    rows = [(u.name, str(u.here), str(u.newest), u.source) for u in updates]
    if rows:
        print_table(("name", "here", "newest", "source"), rows)
        print_line(
            f"to fetch one of them, run: stylezoo fetch {updates[0].name}@{updates[0].newest}"
        )
    else:
        print_line("no style here has a newer version")
    for one in withdrawals:
        advice = (
            f"for a newer version, run: stylezoo fetch {one.name}@{one.newer}"
            if one.newer
            else "there is no newer version"
        )
        click.echo(
            f"warning: {one.name} {one.version} was withdrawn from {one.source!r}; {advice}",
            err=True,
        )
    for tag in moved:
        now = f"on commit {tag.found}" if tag.found else "gone"
        click.echo(
            f"warning: the tag of {tag.repository} {tag.version} is now {now}; the version "
            f"here stays at commit {tag.pinned}",
            err=True,
        )


def _update_to_dict(update: Update) -> dict[str, str]:
    return {
        "name": update.name,
        "here": str(update.here),
        "newest": str(update.newest),
        "source": update.source,
    }


def _withdrawal_to_dict(withdrawal: Withdrawal) -> dict[str, str | None]:
    return {
        "name": withdrawal.name,
        "version": str(withdrawal.version),
        "source": withdrawal.source,
        "newer": None if withdrawal.newer is None else str(withdrawal.newer),
    }


def _moved_to_dict(tag: MovedTag) -> dict[str, str | None]:
    return {
        "repository": tag.repository,
        "version": str(tag.version),
        "pinned": tag.pinned,
        "found": tag.found,
    }
