"""The long fuzzing run: many inputs, only declared errors, little memory.

Run it with ``python tests/fuzz/run.py --inputs 200000``. Exit code 1 means that another error was
raised, memory went over the limit, or torch or numpy was imported.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from hypothesis import HealthCheck, given, seed, settings

from tests.fuzz.inputs import TARGETS, feed

BATCH = 1000  # Hypothesis remembers a run's inputs: short runs keep memory low
LIMIT = 200  # MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    each = -(-options.inputs // len(TARGETS))
    total = 0
    for name in TARGETS:
        started = time.perf_counter()
        counts = fuzz(name, each, options.seed)
        total += sum(counts.values())
        print(
            f"{name:20} {sum(counts.values()):7} inputs, {counts[True]} taken, "
            f"{counts[False]} refused, {time.perf_counter() - started:.0f} s, {peak():.0f} MB",
            flush=True,
        )
    print(f"{total} inputs; peak memory {peak():.0f} MB, the limit is {LIMIT}")
    heavy = {"torch", "numpy"} & set(sys.modules)
    if peak() > LIMIT or heavy:
        sys.exit(1)


def fuzz(name: str, inputs: int, first_seed: int) -> Counter[bool]:
    """Feed a target, letting any error it should not raise propagate."""
    target = TARGETS[name]
    counts: Counter[bool] = Counter()
    batch = 0
    while sum(counts.values()) < inputs:

        @seed(first_seed * 1_000_000 + batch)
        @settings(
            max_examples=BATCH,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(target.inputs)
        def run(value: object) -> None:
            counts[feed(target, value)] += 1

        run()
        batch += 1
    return counts


def peak() -> float:
    """Return the peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
