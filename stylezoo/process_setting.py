"""A process-wide setting that some blocks of code change temporarily."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ProcessSetting(Generic[Value]):
    """A global that several threads may change at once; the last to finish restores it.

    Args:
        read: returns its value.
        write: sets it.
    """

    def __init__(self, read: Callable[[], Value], write: Callable[[Value], None]) -> None:
        self._read = read
        self._write = write
        self._lock = threading.Lock()
        self._found: list[Value] = []  # one per open block; the program's own comes first

    @contextmanager
    def at(self, value: Value) -> Iterator[None]:
        """Set the value within this context; the last such context restores the original."""
        with self._lock:
            self._found.append(self._read())
            self._write(value)
        try:
            yield
        finally:
            with self._lock:
                found = self._found.pop()
                if not self._found:
                    self._write(found)
