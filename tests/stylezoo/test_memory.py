"""Memory: how much is available and used, and that it is released."""

import json
import platform
import re
import subprocess
import sys

import psutil
import pytest
import torch

import stylezoo
from stylezoo.errors import OptionError
from stylezoo.memory import available_bytes, available_in_cgroup, peak_bytes
from stylezoo.optimization import optimize
from tests.tiny_optimization import small, stripes

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")

PAINTING = stripes("down", [(0.1, 0.2, 0.9), (0.9, 0.9, 0.6)])


def resident():
    """Resident memory, in MB."""
    return psutil.Process().memory_info().rss / 1e6


# In a process of its own: after a failed malloc, which other tests cause, glibc serves a thread
# from another arena, which keeps less.
KEPT_AND_GIVEN_BACK = """
import contextlib, json, numpy as np, psutil
from stylezoo.allocator import reuse_freed_memory

resident = lambda: psutil.Process().memory_info().rss / 1e6
before = resident()
with contextlib.suppress(ZeroDivisionError), reuse_freed_memory():
    with reuse_freed_memory():
        blocks = [np.ones(10_000_000, np.uint8) for _ in range(20)]
        last = np.ones(1_000_000, np.uint8)  # above them on the heap
        del blocks
    kept = resident() - before
    1 / 0
print(json.dumps([kept, resident() - before]))
"""


@glibc
def test_freed_memory_is_kept_for_the_next_pass_and_given_back_at_the_end():
    command = [sys.executable, "-c", KEPT_AND_GIVEN_BACK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, left = json.loads(done.stdout)
    assert kept > 150
    assert left < 50


@glibc
def test_an_optimisation_gives_its_working_memory_back():
    during = []
    optimize(PAINTING, PAINTING, small(size=16, iterations=1))  # loads libraries
    before = resident()
    optimize(
        PAINTING,
        PAINTING,
        small(size=512, iterations=2),
        on_iteration=lambda *_: during.append(resident() - before),
    )
    assert max(during) > 200
    assert resident() - before < 0.3 * max(during)


def test_the_most_memory_that_a_computation_takes_at_a_time():
    x = torch.rand(10, 100)
    cpu = torch.device("cpu")
    assert peak_bytes(lambda: x.exp().sqrt().sum(), cpu) == 2 * x.nbytes
    assert peak_bytes(lambda: [x + n for n in range(5)], cpu) == 5 * x.nbytes
    assert peak_bytes(lambda: x.view(-1)[:50], cpu) == 0
    assert peak_bytes(lambda: torch.relu_(x.clone()), cpu) == x.nbytes
    assert peak_bytes(lambda: [x + 1, x.to("meta") + 1], cpu) == x.nbytes


def test_a_painting_that_does_not_fit_is_refused_before_the_work(monkeypatch):
    monkeypatch.setattr(stylezoo.memory, "available_bytes", lambda _: 200_000_000)
    optimize(PAINTING, PAINTING, small(iterations=1))
    with pytest.raises(OptionError, match=r"48 pixels need about .* choose a size of"):
        optimize(PAINTING, PAINTING, small(style_scale=16.0, iterations=1))


@pytest.mark.parametrize(
    ("limit", "available"),
    [("1000000\n", 1000000 - 700000 + 400000), ("max\n", None)],
)
def test_what_files_take_in_a_container_can_be_had_back(limit, available, tmp_path):
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("active_file 7\ninactive_file 400000\nslab 9\n")
    assert available_in_cgroup(tmp_path) == available


def test_a_machine_without_control_groups_sets_no_limit(tmp_path):
    assert available_in_cgroup(tmp_path) is None


def test_what_torch_keeps_of_a_gpu_can_be_had_back(monkeypatch):
    for name, value in {
        "mem_get_info": (1000, 9000),
        "memory_reserved": 700,
        "memory_allocated": 300,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda _, value=value: value)
    assert available_bytes(torch.device("cuda", 0)) == 1000 + 700 - 300


# In a process of its own, so that the peak is this picture's.
FORETOLD_AND_TAKEN = """
import json, re, numpy as np, psutil, stylezoo, stylezoo.memory
from stylezoo.errors import OptionError

style = stylezoo.load("great-wave", device="cpu", runtime="torch")
pixels = np.zeros((2400, 2400, 3), np.uint8)
style(pixels[:64])  # loads libraries
before = psutil.Process().memory_info().rss
free, stylezoo.memory.available_bytes = stylezoo.memory.available_bytes, lambda device: 10**8
try:
    style(pixels)
except OptionError as error:
    said = str(error)
stylezoo.memory.available_bytes = free
style(pixels)
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if "VmHWM" in line)
print(json.dumps([said, (peak * 1024 - before) / 1e9]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_picture_that_would_not_fit_is_refused_with_the_size_that_would():
    command = [sys.executable, "-c", FORETOLD_AND_TAKEN]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, taken = json.loads(done.stdout)
    found = re.fullmatch(
        r"2400 pixels need about ([\d.]+) GB of memory, but only 0\.1 GB is free; choose a size of "
        r"(\d+) or less \(--size\)",
        said,
    )
    assert float(found[1]) == pytest.approx(taken, rel=0.2)
    assert int(found[2]) == pytest.approx(2400 * (0.1 / taken) ** 0.5, rel=0.15)
