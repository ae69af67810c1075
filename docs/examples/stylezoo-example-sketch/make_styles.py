"""Compute the weights of the two styles, and have ``stylezoo record make`` write their records.

Run it where the plugin is installed with ``pip install -e .``: ``python make_styles.py``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from stylezoo_example_sketch.net import difference_of_gaussians

STYLES = Path(__file__).parent / "src" / "stylezoo_example_sketch" / "styles"

KERNELS = {"example-pencil": 9, "example-charcoal": 21}

WEIGHTS = {
    "example-pencil": {
        "filter.weight": difference_of_gaussians(9, 1.0, 0.98),
        "threshold": 0.01,
        "sharpness": 60.0,
        "ink": [0.18, 0.18, 0.2],
        "paper": [0.98, 0.97, 0.94],
    },
    "example-charcoal": {
        "filter.weight": difference_of_gaussians(21, 2.2, 0.9),
        "threshold": 0.05,
        "sharpness": 25.0,
        "ink": [0.06, 0.05, 0.05],
        "paper": [0.93, 0.9, 0.84],
    },
}

SUMMARIES = {
    "example-pencil": "Fine lines on white paper",
    "example-charcoal": "Broad dark strokes on toned paper",
}


def make(name: str) -> None:
    """Make one style anew."""
    folder = STYLES / name / "1.0.0"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary) / "weights.safetensors"
        tensors = {key: torch.as_tensor(value) for key, value in WEIGHTS[name].items()}
        tensors["filter.weight"] = tensors["filter.weight"][None, None]
        save_file(tensors, weights)
        options = {
            "--net": "sketch",
            "--net-arguments": f"kernel={KERNELS[name]}",
            "--name": name,
            "--version": "1.0.0",
            "--summary": SUMMARIES[name],
            "--title": "none: a drawing by formula",
            "--artist": "none",
            "--year": "2026",
            "--source": "none",
            "--author": "The stylezoo authors",
            "--created": "2026-11-25",
            "--recipe": "none: the weights are those of Winnemöller et al. 2012",
            "--data": "none",
            "--command": "python make_styles.py",
            "--weights-licence": "CC0-1.0",
            "--image-licence": "unknown",
            "--data-licence": "unknown",
            "--tag": "drawing",
            "-o": str(folder),
        }
        words = [word for pair in options.items() for word in pair]
        command = [sys.executable, "-m", "stylezoo", "record", "make", str(weights), *words]
        subprocess.run(command, check=True)


for style in WEIGHTS:
    make(style)
