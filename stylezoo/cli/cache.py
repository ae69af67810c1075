"""``stylezoo cache``: show what was fetched, and delete it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from stylezoo.cli.output import print_json, print_line, print_table
from stylezoo.registry.store import Store, StoredStyle

NEWER = "(from a newer stylezoo)"


@click.group("cache")
def command() -> None:
    """Show or clean up the cache: the styles that were fetched."""


@command.command("path")
def path() -> None:
    """Print the folder of the cache; STYLEZOO_CACHE names another."""
    print_line(str(Store().root.parent))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the styles that were fetched, with their size and last use."""
    store = Store()
    styles, damaged, unreadable = store.entries(), store.damaged(), store.unreadable()
    total = sum(style.size for style in styles)
    if as_json:
        print_json(
            {
                "styles": [_to_dict(style) for style in styles],
                "damaged": damaged,
                "unreadable": unreadable,
                "size": total,
            }
        )
        return
    rows = [
        (
            style.record.name,
            str(style.record.version),
            _megabytes(style.size),
            f"{style.used:%Y-%m-%d}",
            str(style.folder),
        )
        for style in styles
    ]
    rows += [("(damaged)", "", "", "", str(store.root / sha256)) for sha256 in damaged]
    rows += [(NEWER, "", "", "", str(store.root / sha256)) for sha256 in unreadable]
    if rows:
        print_table(("name", "version", "size", "last used", "folder"), rows)
    count = "1 style" if len(styles) == 1 else f"{len(styles)} styles"
    click.echo(f"{count}, {_megabytes(total)} in {store.root}", err=True)


@command.command("prune", short_help="Remove leftovers and damaged styles.")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=0, max=36_500),
    metavar="DAYS",
    help="Also remove styles unused for this many days.",
)
@click.option("--all", "everything", is_flag=True, help="Remove all fetched styles.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def prune(days: int | None, everything: bool, as_json: bool) -> None:
    """Remove what is of no use: leftovers of killed processes, and styles with a damaged record.

    Other damage is found by 'stylezoo verify --all', and mended by 'stylezoo fetch NAME'. What only
    a newer stylezoo can read goes with --all alone. All can be fetched again, but for a version
    that its registry has withdrawn.
    """
    if everything and days is not None:
        raise click.UsageError("Give --all or --older-than, not both.")
    store = Store()
    freed = store.sweep() + sum(store.remove(sha256) for sha256 in store.damaged())
    removed = []
    for style in store.entries():
        if everything or (days is not None and _unused_for(style) >= timedelta(days=days)):
            freed += store.remove(style.sha256)
            removed.append(style)
            if not as_json:
                print_line(f"removed {style.record.name} {style.record.version}")
    for sha256 in store.unreadable() if everything else ():
        freed += store.remove(sha256)
        if not as_json:
            print_line(f"removed {sha256} {NEWER}")
    if as_json:
        print_json({"removed": [_to_dict(style) for style in removed], "freed": freed})
    else:
        click.echo(f"freed {_megabytes(freed)}", err=True)


def _unused_for(style: StoredStyle) -> timedelta:
    return datetime.now(UTC) - style.used


def _to_dict(style: StoredStyle) -> dict[str, object]:
    return {
        "name": style.record.name,
        "version": str(style.record.version),
        "sha256": style.sha256,
        "folder": str(style.folder),
        "size": style.size,
        "used": style.used.isoformat(timespec="seconds"),
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
