"""Speed of the supply line, against huggingface_hub where the two do the same.

Run it with ``python tests/benchmarks/bench_registry.py``. The aims: fetching a file of 100 MB takes
at most 15 % longer than ``hf_hub_download``, although it also checks the hash; a cached style of
1 MB loads in 40 ms once torch is imported; 1000 cached resolves take half a second; an index of
10,000 styles is read and searched in 100 ms.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import tomli_w
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LARGE = 100_000_000
RUNS = 5
TIMES = 1000
STYLES = 10_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        os.environ["STYLEZOO_CACHE"] = str(work / "cache")
        os.environ["STYLEZOO_CONFIG"] = str(work / "registries.toml")
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        fetching(work)
        loading(work)
        resolving()
        searching(work)


def show(what: str, value: float, aim: float, unit: str) -> None:
    print(f"{what:44} {value:8.2f} {unit:3}  (aim: at most {aim:g})", flush=True)


def style_of_size(source: Path, target: Path, size: int) -> Path:
    """Make a style folder whose weights are random bytes, which fetching does not inspect."""
    shutil.copytree(source, target)
    content = os.urandom(size)
    (target / "model.safetensors").write_bytes(content)
    record = target / "style.toml"
    table = tomllib.loads(record.read_text())
    weights = next(file for file in table["files"] if file["role"] == "weights")
    weights.update(size=size, sha256=hashlib.sha256(content).hexdigest())
    record.write_text(tomli_w.dumps(table))
    return target


def embedded(name: str) -> Path:
    (folder,) = (ROOT / "registry" / "stylezoo_styles" / "styles" / name).iterdir()
    return folder


def serve(folder: str, address: multiprocessing.SimpleQueue[str]) -> None:
    """Serve a Hub, in its own process."""
    sys.path.insert(0, str(ROOT))
    from tests.hub.server import Hub

    files = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}
    with Hub() as hub:
        hub.add("alice/large", files, tag="v1.0.0")
        address.put(hub.url)
        time.sleep(3600)


def fetching(work: Path) -> None:
    style = style_of_size(embedded("great-wave"), work / "large", LARGE)
    context = multiprocessing.get_context("spawn")
    address = context.SimpleQueue()
    server = context.Process(target=serve, args=(str(style), address), daemon=True)
    server.start()
    os.environ["HF_ENDPOINT"] = address.get()
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    from huggingface_hub import hf_hub_download

    from stylezoo.registry.hub_repository import HubRepository
    from stylezoo.registry.store import Store

    theirs, ours = [], []
    for run in range(RUNS + 1):
        started = time.perf_counter()
        hf_hub_download(
            "alice/large", "model.safetensors", revision="v1.0.0", cache_dir=work / f"hf{run}"
        )
        theirs.append(time.perf_counter() - started)
        started = time.perf_counter()
        source = HubRepository("alice/large", Store(work / f"store{run}"))
        (version,) = source.versions("alice/large")
        source.fetch("alice/large", version)
        ours.append(time.perf_counter() - started)
        shutil.rmtree(work / f"hf{run}")
        shutil.rmtree(work / f"store{run}")
    server.terminate()
    # The first run of each includes imports.
    mine, peers = statistics.median(ours[1:]), statistics.median(theirs[1:])
    print(f"fetch: {mine:.3f} s, hf_hub_download: {peers:.3f} s")
    show("fetch of 100 MB / hf_hub_download", mine / peers, 1.15, "")


def loading(work: Path) -> None:
    import torch

    import stylezoo

    # One thread does so little work just as fast; with more threads than free cores, the time
    # they wait for each other would be measured.
    torch.set_num_threads(1)
    source = one_megabyte_style(work)
    os.environ["STYLEZOO_REGISTRIES"] = f"mine={source}"
    stylezoo.load("medium")(torch.zeros(3, 64, 64))
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        stylezoo.load("medium")
        seconds.append(time.perf_counter() - started)
    show("load of a cached style of 1 MB", 1000 * statistics.median(seconds), 40, "ms")


def one_megabyte_style(work: Path) -> Path:
    """Make a folder with one style, whose net has about 500,000 half-precision parameters."""
    import stylezoo
    from stylezoo.registry.weights import save_weights

    folder = work / "zoo" / "medium" / "1.0.0"
    shutil.copytree(embedded("great-wave"), folder)
    record = folder / "style.toml"
    table = tomllib.loads(record.read_text())
    arguments = {**table["net"]["arguments"], "width": 18}
    net = stylezoo.create_net("johnson", **arguments)
    import torch

    path = folder / "model.safetensors"
    save_weights(
        path, net.state_dict(), dtype=torch.float16, net_name="johnson", net_arguments=arguments
    )
    weights = next(file for file in table["files"] if file["role"] == "weights")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    weights.update(size=path.stat().st_size, sha256=digest)
    print(f"weights: {path.stat().st_size / 1e6:.2f} MB")
    table.update(name="medium", version="1.0.0", net={**table["net"], "arguments": arguments})
    record.write_text(tomli_w.dumps(table))
    return work / "zoo"


def resolving() -> None:
    from stylezoo.catalog import default_catalog
    from stylezoo.registry.resolve import resolve
    from stylezoo.registry.sources import all_sources
    from stylezoo.registry.spec import StyleSpec

    sources = all_sources(default_catalog())
    resolve(StyleSpec.parse("medium@1"), sources)
    started = time.perf_counter()
    for _ in range(TIMES):
        resolve(StyleSpec.parse("medium@1"), sources)
    show("1000 cached resolves", time.perf_counter() - started, 0.5, "s")


def searching(work: Path) -> None:
    from stylezoo.registry.index import Index, IndexEntry
    from stylezoo.registry.index_io import read_copy, write_copy
    from stylezoo.registry.listing import ListedStyle
    from stylezoo.registry.search import search_styles

    now = datetime.now(UTC)
    subjects = ("the sea", "a night", "a garden")
    entries = {
        f"style-{number}": (
            IndexEntry(
                name=f"style-{number}",
                version=Version("1.0.0"),
                status="stable",
                summary=f"A painting of {subjects[number % 3]}, no {number}",
                tags=("oil", ("blue", "green", "red")[number % 3]),
                licence="CC0-1.0",
                net="johnson",
                sha256=f"{number:064x}",
                size=5000,
                total_size=300_000,
            ),
        )
        for number in range(STYLES)
    }
    write_copy(
        work / "index.json", Index(entries=entries, expires=now + timedelta(days=9), refreshed=now)
    )
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        index = read_copy(work / "index.json")
        assert index is not None
        styles = (ListedStyle(entry=entry, source="a", taken_from="a") for entry in index.newest())
        found = search_styles(styles, ["night", "no 77"], tags=["green"])
        seconds.append(time.perf_counter() - started)
    assert found
    show("10,000 styles read and searched", 1000 * statistics.median(seconds), 100, "ms")


if __name__ == "__main__":
    main()
