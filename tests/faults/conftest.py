"""What the fault catalogue relies on, and how many of its faults are covered.

The catalogue has 56 faults; docs/reliability.md lists them. A test for fault N is called
``test_fault_NN_what_happens``.
"""

import hashlib
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

FAULTS = 56


def pytest_terminal_summary(terminalreporter):
    """Print how many faults have a test that passed, and none that failed or was skipped."""
    passed = _numbers(terminalreporter, "passed")
    spoilt = _numbers(terminalreporter, "failed", "error", "skipped")
    if not passed | spoilt:
        return
    covered = passed - spoilt
    terminalreporter.write_line(f"faults covered: {len(covered)} of {FAULTS}")
    missing = sorted(set(range(1, FAULTS + 1)) - covered)
    if missing:
        terminalreporter.write_line(f"not covered here: {', '.join(map(str, missing))}")


def _numbers(reporter, *outcomes):
    reports = [report for outcome in outcomes for report in reporter.stats.get(outcome, [])]
    names = [getattr(report, "nodeid", "") for report in reports]
    return {int(number) for name in names for number in re.findall(r"::test_fault_(\d+)", name)}


@pytest.fixture
def fails():
    """Run the command line, which must fail as it should: exit 1, a message, no traceback."""

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
    """A block that leaves a folder byte for byte as it was."""

    @contextmanager
    def watch(folder):
        before = contents(folder)
        yield
        assert contents(folder) == before

    return watch


def contents(folder):
    """Every entry of a folder with what it holds."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path] = f"link to {path.readlink()}"
        elif path.is_file():
            found[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[path] = "folder" if path.is_dir() else "special"
    return found
