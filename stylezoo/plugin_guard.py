"""Guard the loading of a plugin: it must not print to stdout or take for ever."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType

from stylezoo.errors import PluginError

TIMEOUT_VARIABLE = "STYLEZOO_PLUGIN_TIMEOUT"
TIMEOUT = 60.0  # seconds; importing torch from a slow disk takes part of it


@contextmanager
def guarded() -> Iterator[None]:
    """Load a plugin in this block.

    What it prints goes to stderr, as stdout is for results. If it takes too long, a PluginError is
    raised in it, but only in the main thread, and not on systems without timers (Windows).

    Raises:
        PluginError: loading exceeds the time limit.
    """
    with redirect_stdout(sys.stderr), _time_limit(_seconds()):
        yield


def _seconds() -> float:
    try:
        seconds = float(os.environ.get(TIMEOUT_VARIABLE, TIMEOUT))
    except ValueError:
        return TIMEOUT
    return seconds if 0 < seconds < 1e6 else TIMEOUT


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise PluginError(
            f"it takes longer than {seconds:g} s to load; allow more with {TIMEOUT_VARIABLE}"
        )

    began = time.monotonic()
    before = signal.signal(signal.SIGALRM, stop)
    # Repeat every second, for plugins that catch everything raised in them.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # an alarm of the program that uses stylezoo
            soon = 1e-3  # it may have run out meanwhile, and 0 would cancel it
            signal.setitimer(
                signal.ITIMER_REAL, max(left - (time.monotonic() - began), soon), interval
            )
