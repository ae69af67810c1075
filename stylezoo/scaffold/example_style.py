"""The style that a new style pack starts with: complete, but with random weights."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import torch
from PIL import Image

from stylezoo import __version__
from stylezoo.catalog import default_catalog
from stylezoo.objective_config import Scalar
from stylezoo.registry.golden import golden_input
from stylezoo.registry.publish import StyleDraft, write_style
from stylezoo.registry.record import Licence, Provenance, StyleImage, Training
from stylezoo.registry.record_text import UNKNOWN
from stylezoo.seeding import seeded

NET = "johnson"
ARGUMENTS: dict[str, Scalar] = {"width": 4, "residual_blocks": 1, "norm": "instance"}
PREVIEW_SIDE = 256  # pixels


def write_example_style(styles: Path, name: str) -> None:
    """Write ``<styles>/<name>/0.1.0``.

    Args:
        styles: the folder of all styles of the pack.
        name: the style's.
    """
    catalog = default_catalog()
    with seeded():
        net = catalog.create_net(NET, **ARGUMENTS).eval()
    none = "none: the weights are random"
    draft = StyleDraft(
        name=name,
        version="0.1.0",
        status="experimental",
        summary="An example with random weights",
        tags=("example",),
        net_name=NET,
        net_plugin=catalog.find("net", NET).distribution,
        net_arguments=ARGUMENTS,
        style=StyleImage(title=none, artist=UNKNOWN, year=UNKNOWN, source=UNKNOWN),
        training=Training(recipe=none, seed=0, command=none, data=none),
        provenance=Provenance(
            author=UNKNOWN,
            created=datetime.now(UTC).date().isoformat(),
            software=f"stylezoo {__version__}",
        ),
        licence=Licence(
            weights="CC0-1.0", code="Apache-2.0", style_image=UNKNOWN, training_data=UNKNOWN
        ),
        preview="the test pattern of golden outputs",
    )
    with torch.inference_mode():
        output = net(golden_input("waves", PREVIEW_SIDE, PREVIEW_SIDE))[0]
    pixels = (output * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    write_style(styles / name / "0.1.0", net=net, draft=draft, preview=Image.fromarray(pixels))
