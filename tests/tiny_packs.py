"""Packs and adapters that train in seconds, and their configs."""

import numpy as np

import stylezoo
from stylezoo.train.description import PackDescription
from tests import tiny_training
from tests.catalogs import catalog_with

COLORS = {"reds": (0.9, 0.2, 0.1), "blues": (0.1, 0.2, 0.9)}
MIXED = PackDescription(
    name="mixed", version="1.0.0", summary="Mixed", tags=("pack",), author="tests", command="none"
)


def config(material, *names, **changes):
    options = {
        "style_images": {name: material / f"{name}.png" for name in names},
        "steps": 40,
        "style_weight": 20.0,
        "learning_rate": 0.02,
        "average_part": 0.05,
    }
    return tiny_training.config(material, **{**options, **changes})


def description(name, *styles):
    return tiny_training.description("CC0-1.0", name=name, styles=styles)


def catalog_of(root):
    """The installed plugins plus a source for a folder."""
    return catalog_with("sources", "tests", lambda: stylezoo.FolderSource(root))


def photo():
    return np.random.default_rng(0).random((40, 48, 3)).astype(np.float32)
