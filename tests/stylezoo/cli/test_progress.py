"""Progress bars: only on a terminal, and only for slow work."""

import os
import pty
import re
import subprocess
import sys

SCRIPT = """
import time
from stylezoo.cli.progress import progress, progress_of_bytes
with progress_of_bytes("fetching toy", 6_000_000) as show:
    show(3_000_000)
    time.sleep({seconds})
with progress("applying", 4) as advance:
    advance()
    time.sleep({seconds})
print("done")
"""


def on_terminal(script):
    """Run a script with a terminal as stderr, and return what it shows."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=end, env=environment
    )
    os.close(end)
    shown = b""
    while True:
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
    assert process.communicate()[0] == b"done\n"
    os.close(terminal)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_what_takes_long_has_a_bar_on_a_terminal():
    shown = on_terminal(SCRIPT.format(seconds=1.6))
    assert re.search(r"fetching toy .*3\.0/6\.0 MB", shown)
    assert re.search(r"applying .*25%", shown)


def test_what_is_quick_has_none():
    assert on_terminal(SCRIPT.format(seconds=0.1)) == ""


def test_where_stderr_is_no_terminal_nothing_is_shown():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(seconds=1.2)], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
