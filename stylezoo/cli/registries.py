"""``stylezoo registries``: manage where styles come from, in what order, and trusted keys."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_json, print_line, print_table
from stylezoo.errors import RegistryError
from stylezoo.registry.config import parse_location
from stylezoo.registry.sources import all_sources
from stylezoo.registry.state import SourceState, source_states


@click.group("registries", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Show the registries in the order they are searched; add and remove them.

    The list is kept in registries.toml in the user's configuration folder, or in the file that
    STYLEZOO_CONFIG names. STYLEZOO_REGISTRIES, a comma-separated list of names or folders, replaces
    it.
    """
    if context.invoked_subcommand is not None:
        return
    states = source_states(all_sources(default_catalog()))
    if as_json:
        print_json([_plain(state) for state in states])
        return
    rows = [
        (
            state.name,
            state.location,
            "yes" if state.signed else "no",
            _in_words(state),
            _age(state.refreshed),
            "" if state.styles is None else str(state.styles),
        )
        for state in states
    ]
    print_table(("name", "location", "signed", "state", "age", "styles"), rows)


@command.command("add")
@click.argument("location")
@click.option("--root", type=click.Path(path_type=Path), help="The root.json to trust.")
@click.option("--name", help="Name of the registry; by default, the end of LOCATION.")
@click.option(
    "--trust-on-first-use", is_flag=True, help="Trust the keys that the registry itself names."
)
@click.option("--yes", is_flag=True, help="With --trust-on-first-use: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(
    location: str,
    root: Path | None,
    name: str | None,
    trust_on_first_use: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Add the registry at LOCATION: a folder, https://..., or hub:owner/name.

    A signed registry is trusted by its keys. Get its root.json from somewhere other than the
    registry itself (a package, a web page, a colleague) and pass it with --root. A plain folder of
    styles needs none.
    """
    from stylezoo.registry.adding import add_registry, fetch_root, read_keys, read_root

    if root is not None and trust_on_first_use:
        raise click.UsageError("Give --root or --trust-on-first-use, not both.")
    if yes and not trust_on_first_use:
        raise click.UsageError("--yes goes with --trust-on-first-use; give both or neither.")
    content = None
    if root is not None:
        content = read_root(root)
    elif trust_on_first_use:
        location = parse_location(location)
        content = fetch_root(location)
        keys = read_keys(content, f"the root of {location}")
        click.echo(
            f"{location} names these keys, of which {keys.threshold} must sign its root:", err=True
        )
        for key in keys.ids:
            click.echo(f"  {key}", err=True)
        if not yes and not _are_trusted():
            raise RegistryError(
                f"{location} was not added, because its keys were not trusted; to add it "
                "unattended, compare the keys first, then give --yes"
            )
    taken = all_sources(default_catalog())
    name, index = add_registry(location, name=name, root=content, taken=taken)
    if as_json:
        styles = None if index is None else len(index.entries)
        print_json({"name": name, "location": parse_location(location), "styles": styles})
    elif index is None:
        print_line(f"added {name}")
    else:
        print_line(
            f"added {name}: {len(index.entries)} styles, signed until {index.expires:%Y-%m-%d}"
        )


@command.command("remove")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def remove(name: str, as_json: bool) -> None:
    """Remove the registry NAME from the list. Styles that were fetched from it stay."""
    from stylezoo.registry.adding import remove_registry

    remove_registry(name)
    if as_json:
        print_json({"removed": name})
    else:
        print_line(f"removed {name}")


def _are_trusted() -> bool:
    try:
        return click.confirm("Are these its maintainer's keys? Trust them", err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)  # ends the prompt's line
        return False


def _plain(state: SourceState) -> dict[str, object]:
    plain = dataclasses.asdict(state)
    for field in ("refreshed", "expires"):
        moment: datetime | None = plain[field]
        plain[field] = None if moment is None else moment.isoformat(timespec="seconds")
    return plain


def _in_words(state: SourceState) -> str:
    if state.expires is not None:
        since = "since" if state.state == "expired" else "until"
        return f"{state.state} {since} {state.expires:%Y-%m-%d}"
    if state.state == "unknown":
        return "never contacted"
    return state.error or state.state


def _age(refreshed: datetime | None) -> str:
    if refreshed is None:
        return ""
    age = datetime.now(UTC) - refreshed
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if age >= length:
            return f"{age // length} {unit}"
    return f"{max(age // timedelta(minutes=1), 0)} min"
