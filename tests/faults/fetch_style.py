"""A plugin command that fetches a style; the tests run it in separate processes.

``python -m tests.faults.fetch_style URL`` fetches ``URL/style.toml`` and the files it lists into
the cache and prints the style's folder. Errors, Ctrl-C and exit codes are those of stylezoo's
command line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stylezoo import hookimpl
from stylezoo.catalog import default_catalog
from stylezoo.cli import main
from stylezoo.registry.download import download, read
from stylezoo.registry.record import File
from stylezoo.registry.store import Store
from stylezoo.registry.transport import Progress


@click.command()
@click.argument("url")
def command(url: str) -> None:
    """Fetch the style at URL."""
    record = read(f"{url}/style.toml", limit=1_000_000)
    assert record is not None

    def fetch(file: File, part: Path, progress: Progress | None) -> None:
        download(
            f"{url}/{file.path}",
            part,
            size=file.size,
            sha256=file.sha256,
            progress=progress,
            what=file.path,
        )

    click.echo(Store().add(record, fetch, origin=url))


class Plugin:
    """Offers the command, as a plugin would."""

    @staticmethod
    @hookimpl
    def register_commands(register: object) -> None:
        register("fetch-from", command)


if __name__ == "__main__":
    default_catalog().add(Plugin, name="tests", distribution="tests", version="0")
    sys.argv = ["stylezoo", "fetch-from", *sys.argv[1:]]
    main()
