"""Fixtures for the tests of the fault catalogue.

The catalogue has 56 faults; docs/reliability.md lists them. A test for fault N is called
``test_fault_NN_what_happens``; tests/conftest.py counts them.
"""

import hashlib
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest


@pytest.fixture
def fails():
    """Run the command line, which must fail cleanly: exit 1, a message, no traceback."""

    def run(*arguments, cwd=None, code=1, **environment):
        done = subprocess.run(
            [sys.executable, "-m", "stylezoo", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=120,
            env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert "error: " in done.stderr
        return done.stderr

    return run


@pytest.fixture
def unchanged():
    """A context manager whose block must leave a folder unchanged."""

    @contextmanager
    def watch(folder):
        before = contents(folder)
        yield
        assert contents(folder) == before

    return watch


def contents(folder):
    """Map each path in a folder to its hash, link target or kind."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path] = f"link to {path.readlink()}"
        elif path.is_file():
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[path] = "folder" if path.is_dir() else "special"
    return found
