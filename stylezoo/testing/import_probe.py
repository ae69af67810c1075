"""Run in its own process: imports a module, and reports which heavy ones come along, and why.

It reads its task as JSON from stdin and writes the result as JSON to stdout. It must not itself
import any module that it looks for.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEAVY = (
    "aiohttp",
    "boto3",
    "cv2",
    "httpx",
    "huggingface_hub",
    "jax",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "requests",
    "scipy",
    "sklearn",
    "tensorflow",
    "torch",
    "torchvision",
    "transformers",
    "urllib3",
)
"""Modules that take a tenth of a second or more to import, and network libraries."""

OURS = str(Path(__file__).parents[1]) + os.sep
MACHINERY = (__file__, str(Path(importlib.__file__).parent))


class Watch:
    """An import hook that finds nothing, but records who imports a heavy module."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        """Called by the import system before any finder."""
        if name in HEAVY and name not in self.seen:
            frames = [
                frame
                for frame in traceback.extract_stack()[:-1]
                if not frame.filename.startswith(("<", *MACHINERY))
            ]
            if any(self.seen.keys() & set(Path(frame.filename).parts) for frame in frames):
                return  # another heavy module brings it along
            # "from stylezoo import Loss" imports torch: the place to name is that line.
            others = [frame for frame in frames if not frame.filename.startswith(OURS)]
            self.seen[name] = _place((others or frames)[-1]) if frames else "the import itself"


def _place(frame: traceback.FrameSummary) -> str:
    path = Path(frame.filename)
    return f"{path.parent.name}/{path.name}, line {frame.lineno}"


def probe(task: dict[str, Any]) -> dict[str, Any]:
    """Import a module and, if an attribute is named, make that source and list its names."""
    sys.path[:] = task["path"]
    watch = Watch()
    sys.meta_path.insert(0, watch)
    started = time.perf_counter()
    error = ""
    try:
        # Anything the module prints would be taken for the result.
        with contextlib.redirect_stdout(io.StringIO()):
            module = importlib.import_module(task["module"])
            if task["attribute"]:
                source = getattr(module, task["attribute"])()
                source.names()
    except (Exception, SystemExit) as caught:  # third-party code may raise anything
        error = f"{type(caught).__name__}: {caught}"
    seconds = time.perf_counter() - started
    heavy = {name: place for name, place in watch.seen.items() if name in sys.modules}
    return {"heavy": heavy, "error": error, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(probe(json.load(sys.stdin))))  # noqa: T201
