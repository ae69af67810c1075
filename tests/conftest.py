"""Fixtures shared by all tests, which never touch the user's cache.

At the end of a run, reports how many faults of the catalogue (tests/faults) are covered.
"""

import os
import re
from pathlib import Path

import pytest

# There is one worker per core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
FAULTS = 56


def pytest_terminal_summary(terminalreporter):
    """Print how many faults have a passing test and none that failed or was skipped."""
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


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache folder for this test run; subprocesses inherit it."""
    os.environ["STYLEZOO_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def astronaut():
    """A photo: scikit-image's astronaut, public domain."""
    return ROOT / "docs" / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def toy_style(tmp_path_factory):
    """A small, complete style folder with random weights. Do not modify it."""
    import torch
    from PIL import Image

    import stylezoo
    from stylezoo.registry.publish import StyleDraft, write_style
    from stylezoo.registry.record import (
        Licence,
        Provenance,
        Quality,
        SizeQuality,
        StyleImage,
        Training,
    )

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("styles") / "toy" / "1.0.0"
    draft = StyleDraft(
        name="toy",
        version="1.0.0",
        status="experimental",
        summary="Random weights, for tests",
        tags=("test",),
        net_name="johnson",
        net_plugin="stylezoo",
        net_arguments={"width": 4, "norm": "instance"},
        style=StyleImage(title="None", artist="nobody", year="2026", source="none"),
        training=Training(recipe="none", seed=0, command="none", data="none"),
        provenance=Provenance(author="tests", created="2026-01-02", software="stylezoo"),
        licence=Licence(
            weights="CC0-1.0", code="Apache-2.0", style_image="unknown", training_data="unknown"
        ),
        quality=Quality(
            command="none",
            machine="none",
            sizes=(
                SizeQuality(
                    size=256,
                    photos=13,
                    objective=1.5,
                    terms={"content": 0.5, "style": 0.2},
                    untrained=3.0,
                    unstyled=2.0,
                    worst=0.8,
                    iterations_from_noise=30.0,
                    iterations_from_content=20.0,
                    optimized=2,
                    capped=False,
                    seconds=0.1,
                    iteration_seconds=0.2,
                    speedup=1000.0,
                    ssim=0.4,
                    shift=0.05,
                    noise=0.02,
                ),
            ),
        ),
        preview="nothing",
    )
    net = stylezoo.create_net("johnson", **draft.net_arguments)
    write_style(folder, net=net, draft=draft, preview=Image.new("RGB", (8, 8)))
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty local Hub; the environment points to it and to a cache of its own."""
    from tests.hub.server import Hub

    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("HF_", "HUGGING")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("STYLEZOO_OFFLINE", raising=False)
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "cache"))
        yield hub


@pytest.fixture
def ink(hub, toy_style):
    """The toy style in the Hub repository alice/ink, tagged v1.0.0: its files by path."""
    files = {path.name: path.read_bytes() for path in toy_style.iterdir()}
    hub.add("alice/ink", files, tag="v1.0.0")
    return files


@pytest.fixture
def web(registry, tmp_path, monkeypatch):
    """A web server process that serves the ``registry`` of the test's module."""
    from tests.kept_registry import WebServer

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = WebServer(registry.folder, tmp_path / "web.log")
    yield server
    server.stop()


@pytest.fixture(params=["folder", "http"])
def location(request, registry):
    """The location of that registry, as a user gives it: a folder, and a URL."""
    return str(registry.folder) if request.param == "folder" else request.getfixturevalue("web").url
