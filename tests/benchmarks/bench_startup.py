"""Time of ``stylezoo list`` against an empty Python, measured by turns in one run.

Run it with ``python tests/benchmarks/bench_startup.py``. The aim: at most three times the empty
Python plus 60 ms.
"""

import os
import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import stylezoo": [sys.executable, "-c", "import stylezoo"],
    "stylezoo list": [sys.executable, "-m", "stylezoo", "list"],
}


def main():
    # Keep bytecode from a first run, as after pip, which compiles what it installs.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for command in COMMANDS.values():
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    seconds = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:16} {1000 * median:6.1f} ms")
    budget = 3 * medians["python -c pass"] + 0.060
    print(f"{'budget':16} {1000 * budget:6.1f} ms")
    print(f"list / budget    {medians['stylezoo list'] / budget:6.2f}")


if __name__ == "__main__":
    main()
