"""Progress bars for a known number of items or bytes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stylezoo.cli.output import is_terminal

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

PROGRESS_DELAY = 1.0  # seconds; shorter work needs no bar


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr if that is a terminal and the work takes longer than a moment.

    Args:
        label: what is being done.
        total: number of items.

    Yields:
        A function to call after each item.
    """
    done = 0

    # How far a single picture has come is not known: the bar only moves.
    with _bar(label, total if total > 1 else None, _default_columns) as show:

        def advance() -> None:
            nonlocal done
            done += 1
            show(done)

        yield advance


@contextmanager
def progress_of_bytes(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show such a bar for a transfer.

    Args:
        label: what is being transferred.
        total: its size in bytes.

    Yields:
        A function to call with the number of bytes received.
    """
    with _bar(label, total, _byte_columns) as show:
        yield show


@contextmanager
def _bar(
    label: str, total: int | None, columns: Callable[[], tuple[ProgressColumn, ...]]
) -> Iterator[Callable[[int], None]]:
    if not is_terminal(sys.stderr):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(
        *columns(),
        console=Console(stderr=True),
        transient=True,
        # Otherwise the bar would capture what we print, even if stdout is a file.
        redirect_stdout=is_terminal(sys.stdout),
    )
    task = bar.add_task(label, total=total)
    delay = threading.Timer(PROGRESS_DELAY, bar.start)
    delay.daemon = True
    delay.start()
    try:
        yield lambda done: bar.update(task, completed=done)
    finally:
        delay.cancel()
        delay.join()
        bar.stop()


def _default_columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import Progress

    return Progress.get_default_columns()


def _byte_columns() -> tuple[ProgressColumn, ...]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
