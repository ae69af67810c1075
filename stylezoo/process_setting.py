"""A setting of the whole process that some blocks of code need otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ProcessSetting(Generic[Value]):
    """A global that several threads may want changed at once: the last puts it back.

    Args:
        read: gives its value.
        write: changes it.
    """

    def __init__(self, read: Callable[[], Value], write: Callable[[Value], None]) -> None:
        self._read = read
        self._write = write
        self._lock = threading.Lock()
        self._found: list[Value] = []  # by each block that is open; the program's own comes first

    @contextmanager
    def at(self, value: Value) -> Iterator[None]:
        """In this block it has this value; after the last such block, that of before the first."""
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
