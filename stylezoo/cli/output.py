"""What commands print: tables for people, JSON for machines, pictures for pipes."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from stylezoo.errors import OutputError, printable


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal; Python sets closed streams to None."""
    return stream is not None and stream.isatty()


def print_line(text: str) -> None:
    """Print a line on stdout.

    Raises:
        OutputError: stdout cannot be written to, such as a file on a full disk.
    """
    with _writing_stdout():
        click.echo(text)


def print_error(text: str) -> None:
    """Print an error on stderr.

    Its text may quote what a server or a file holds. Line breaks of our own stay, but what
    follows one is indented, so that no quoted text looks like a message of its own.
    """
    lines = (printable(line.strip()) for line in text.split("\n"))
    click.echo("error: " + "\n  ".join(lines), err=True)


def print_bytes(content: bytes) -> None:
    """Write an encoded picture to stdout.

    Raises:
        OutputError: stdout is closed or cannot be written to.
    """
    if sys.stdout is None:
        raise OutputError("stdout is closed; redirect it, or give -o FILE")
    with _writing_stdout():
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout, in ASCII, so that any terminal encoding will do."""
    import json

    print_line(json.dumps(value, indent=2))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: with rich on a terminal, in plain aligned columns elsewhere."""
    rows = [[printable(cell) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        from rich.console import Console
        from rich.table import Table

        table = Table(*headings, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console().print(table, markup=False)
        return
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_line("  ".join(cells).rstrip())


def discard_stdout() -> None:
    """Discard what is still buffered: flushing it at exit would fail again, with a message."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _writing_stdout() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of our output has stopped, which needs no message
    except OSError as error:
        if sys.platform == "win32" and error.errno == errno.EINVAL:  # a closed pipe on Windows
            raise BrokenPipeError from error
        discard_stdout()
        raise OutputError(f"stdout cannot be written: {error.strerror}") from error
