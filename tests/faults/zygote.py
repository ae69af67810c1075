"""Commands that start at once, forked from a process that has already imported everything.

``python -m tests.faults.zygote`` reads one line of JSON per command, ``{"arguments": [...],
"environment": {...}, "output": PATH, "kill_after": SECONDS or null}``, and answers with its exit
code, negative for a signal. Commands killed at random moments are thus killed at their work, not
during Python's startup.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODULES = (
    "torch",
    "requests",
    "tuf.ngclient",
    "tuf.api.metadata",
    "securesystemslib.signer",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "huggingface_hub",
    "filelock",
    "stylezoo.loading",
    "stylezoo.cli.fetch",
    "stylezoo.cli.update",
    "stylezoo.cli.publish",
    "stylezoo.cli.registry",
    "stylezoo.registry.remote",
    "stylezoo.registry.hub_transport",
    "stylezoo.registry.http_transport",
)


def main() -> None:
    for module in MODULES:
        importlib.import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        process = os.fork()
        if process == 0:
            _run(job)
        if job["kill_after"] is not None:
            time.sleep(job["kill_after"])
            os.kill(process, signal.SIGKILL)  # not yet waited for, so its id is still valid
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(job: dict[str, Any]) -> None:
    """Run the command in the forked process, then exit."""
    descriptor = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(job["environment"])
    sys.argv = ["stylezoo", *job["arguments"]]
    from stylezoo.cli import main

    code = 1
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _bare_environment() -> dict[str, str]:
    """The environment without the variables that stylezoo and huggingface_hub read."""
    read = ("STYLEZOO_", "HF_", "HUGGING")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(read) and not name.lower().endswith("_proxy")
    }


class Zygote:
    """The tests' handle on the process.

    Args:
        folder: where the output of commands is written.

    Attributes:
        environment: variables to set for later commands.
    """

    def __init__(self, folder: Path) -> None:
        self.environment: dict[str, str] = {}
        self.output = folder / "output.txt"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**_bare_environment(), "OMP_NUM_THREADS": "1"},
        )
        assert self._line() == "ready"

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, *arguments: object) -> float:
        """Run a command, which must succeed, and return the seconds it took."""
        started = time.perf_counter()
        code = self._run(arguments, None)
        assert code == 0, f"{arguments}: {code}\n{self.output.read_text()}"
        return time.perf_counter() - started

    def kill(self, after: float, *arguments: object) -> bool:
        """Run a command and kill it after some seconds.

        Returns:
            Whether it was still running; otherwise it has succeeded.
        """
        code = self._run(arguments, after)
        assert code in (0, -signal.SIGKILL), f"{arguments}: {code}\n{self.output.read_text()}"
        return code != 0

    def _run(self, arguments: tuple[object, ...], kill_after: float | None) -> int:
        job = {
            "arguments": [str(argument) for argument in arguments],
            "environment": self.environment,
            "output": str(self.output),
            "kill_after": kill_after,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


if __name__ == "__main__":
    main()
