"""A progress bar for a known number of things."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stylezoo.cli.output import is_terminal

PROGRESS_DELAY = 1.0  # seconds; what is done sooner needs no bar


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr if that is a terminal and the work takes longer than a moment.

    Args:
        label: what is done.
        total: how many there are to do.

    Yields:
        What to call after each.
    """
    if not is_terminal(sys.stderr):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(
        console=Console(stderr=True),
        transient=True,
        # Else the bar would take what we print, even where stdout is a file.
        redirect_stdout=is_terminal(sys.stdout),
    )
    # Of a single picture it is not known how far it is: the bar only moves.
    task = bar.add_task(label, total=total if total > 1 else None)
    delay = threading.Timer(PROGRESS_DELAY, bar.start)
    delay.daemon = True
    delay.start()
    try:
        yield lambda: bar.advance(task)
    finally:
        delay.cancel()
        delay.join()
        bar.stop()
