"""``stylezoo registry``: maintain a signed registry."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.cli.output import is_terminal, print_json, print_line
from stylezoo.cli.progress import progress
from stylezoo.errors import OptionError

if TYPE_CHECKING:
    from stylezoo.registry.keys import KeyFolder

_ROLES = ("root", "targets", "snapshot", "timestamp")

_folder = click.argument("folder", type=click.Path(path_type=Path))
_keys = click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="Folder of the private keys  [default: FOLDER-keys]",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_passphrase = click.option(
    "--passphrase", is_flag=True, help="Ask for a passphrase to encrypt new keys with."
)


@click.group("registry")
def command() -> None:
    """Keep a signed registry: a folder that any web server, or the Hub, can serve.

    Encrypted keys are opened by a passphrase, from STYLEZOO_KEY_PASSPHRASE or asked for.
    """


@command.command("init")
@_folder
@_keys
@_passphrase
@_json
def init(folder: Path, keys: Path | None, passphrase: bool, as_json: bool) -> None:
    """Make an empty registry in FOLDER, and its keys.

    Keep the keys out of what is served. The root's key is wanted to replace others: keep it
    offline, with a copy.
    """
    from stylezoo.registry.signing import create_registry, newest_root

    key_folder = _key_folder(folder, keys, passphrase)
    ids = create_registry(folder, key_folder)
    root = newest_root(folder)
    if as_json:
        print_json({"folder": str(folder), "root": str(root), "keys": ids})
        return
    print_line(f"made {folder}; its keys are in {key_folder.folder}")
    print_line(f"users trust it with: {root}")
    print_line(f"the id of the root's key: {ids['root']}")


@command.command("add", short_help="Copy style folders into a registry.")
@_folder
@click.argument("styles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--repository", help="Hub repository with the files, owner/name; needs --commit.")
@click.option("--commit", help="Commit of the repository, 40 hex digits.")
@_json
def add(
    folder: Path,
    styles: tuple[Path, ...],
    repository: str | None,
    commit: str | None,
    as_json: bool,
) -> None:
    """Copy the style folders STYLES into the registry in FOLDER, checked.

    They are listed when it is built. With --repository and --commit, only the record is copied:
    clients get the files from the Hub.
    """
    from stylezoo.registry.contents import add_style
    from stylezoo.registry.signing import newest_root

    if (repository is None) != (commit is None):
        raise click.UsageError("--repository and --commit go together; give both or neither.")
    if repository is not None and len(styles) > 1:
        raise click.UsageError("One repository holds one style; add one at a time.")
    newest_root(folder)
    added = []
    for style in styles:
        record = add_style(folder, style, repository=repository, commit=commit)
        if record is not None:
            added.append(f"{record.name} {record.version}")
        if not as_json:
            print_line(f"added {added[-1]}" if record is not None else f"{style}: already there")
    if as_json:
        print_json({"added": added, "there": len(styles) - len(added)})


@command.command("build", short_help="List and sign the styles of a registry.")
@_folder
@_keys
@_json
def build(folder: Path, keys: Path | None, as_json: bool) -> None:
    """List and sign what lies in FOLDER/styles; clients see all of it at once.

    Takes the keys for targets, snapshot and timestamp.
    """
    from stylezoo.registry.signing import build_registry

    count = sum(1 for _ in folder.glob("styles/*/*/style.toml"))
    with progress("checking", count) as advance:
        built = build_registry(folder, _key_folder(folder, keys), checked=advance)
    if as_json:
        print_json(
            {
                "styles": built.styles,
                "added": list(built.added),
                "withdrawn": list(built.withdrawn),
                "bases_elsewhere": list(built.bases_elsewhere),
                "changed": built.changed,
                "expires": built.expires.isoformat(),
            }
        )
        return
    for label in built.added:
        print_line(f"new: {label}")
    for label in built.withdrawn:
        print_line(f"withdrawn: {label}")
    for label in built.bases_elsewhere:
        print_line(
            f"not here: {label}, which an adapter builds on; users need another source for it"
        )
    _print_signed("built" if built.changed else "nothing to do", built.expires)


@command.command("sign")
@_folder
@_keys
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="timestamp",
    show_default=True,
    help="Role to sign again; all but root also need the keys of the roles after them.",
)
@click.option("--days", type=click.IntRange(1, 36500), help="Days until it expires.")
@_json
def sign(folder: Path, keys: Path | None, role: str, days: int | None, as_json: bool) -> None:
    """Sign the registry in FOLDER anew, before it expires.

    By default the timestamp, for 90 days: a job for a scheduler.
    """
    from stylezoo.registry.signing import first_to_expire, sign_registry

    expires = sign_registry(folder, _key_folder(folder, keys), role, days)  # type: ignore[arg-type]
    first = first_to_expire(folder)
    if as_json:
        print_json({"role": role, "expires": expires.isoformat(), "first": first})
        return
    _print_signed(f"signed {role}", expires)
    if first not in ("timestamp", role):
        print_line(
            f"{first} expires before the timestamp; to renew it, run: "
            f"stylezoo registry sign {folder} --role {first}"
        )


@command.command("rotate")
@_folder
@click.argument("role", type=click.Choice(_ROLES))
@_keys
@_passphrase
@_json
def rotate(folder: Path, role: str, keys: Path | None, passphrase: bool, as_json: bool) -> None:
    """Replace the key of ROLE in the registry in FOLDER. Takes the root's key.

    Users who trust an older root follow by themselves.
    """
    from stylezoo.registry.signing import newest_root, rotate_key

    key = rotate_key(folder, _key_folder(folder, keys, passphrase), role)  # type: ignore[arg-type]
    if as_json:
        print_json({"role": role, "key": key, "root": str(newest_root(folder))})
        return
    print_line(f"the key for {role} is now {key}")
    print_line(f"give new users: {newest_root(folder)}")


def _key_folder(folder: Path, keys: Path | None, new_passphrase: bool = False) -> KeyFolder:
    from stylezoo.registry.keys import PASSPHRASE_VARIABLE, KeyFolder

    passphrase = os.environ.get(PASSPHRASE_VARIABLE)
    if passphrase == "":
        raise OptionError(
            f"{PASSPHRASE_VARIABLE} is empty, like a secret that was never set; set it, or unset it"
        )
    if new_passphrase and passphrase is None:
        passphrase = click.prompt(
            "Passphrase for the keys", hide_input=True, confirmation_prompt=True, err=True
        )
    ask = _ask if is_terminal(sys.stdin) else None
    place = folder.resolve()
    if not place.name:
        raise click.UsageError(f"{folder} is the root of the disk; name a folder below it.")
    return KeyFolder(keys or place.with_name(f"{place.name}-keys"), passphrase=passphrase, ask=ask)


def _ask(path: Path) -> str:
    answer: str = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    return answer


def _print_signed(what: str, expires: datetime) -> None:
    print_line(f"{what}; the index is good until {expires:%Y-%m-%d %H:%M} UTC")
