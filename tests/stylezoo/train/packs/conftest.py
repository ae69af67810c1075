import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

import stylezoo
from stylezoo.train.style import TrainingFolders
from tests.tiny_packs import COLORS, catalog_of, config, description


@pytest.fixture(scope="module")
def material(tmp_path_factory, astronaut):
    """Photos, and paintings that differ in colour and direction."""
    folder = tmp_path_factory.mktemp("pack-material")
    y, x = np.mgrid[0:96, 0:96] / 4
    waves = {"reds": np.sin(x), "blues": np.sin(y), "greens": np.sin(x + y)}
    colors = {**COLORS, "greens": (0.1, 0.8, 0.2)}
    for name, wave in waves.items():
        pixels = np.array(colors[name]) * (wave[..., None] / 4 + 0.75)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / f"{name}.png")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(astronaut) as photo:
        for number in range(4):
            photo.crop((90 * number, 0, 90 * number + 150, 200)).save(photos / f"{number}.jpg")
    return folder


@pytest.fixture(scope="module")
def registry(material, tmp_path_factory):
    """A source folder with a pack of two and an adapter on it."""
    root = tmp_path_factory.mktemp("registry")
    stylezoo.train_style(
        config(material, "reds", "blues"),
        description("colours", "reds", "blues"),
        TrainingFolders(output=root / "colours" / "1.0.0"),
    )
    catalog = catalog_of(root)
    stylezoo.train_style(
        config(
            material,
            "greens",
            base="colours",
            only_norm=True,
            steps=80,
        ),
        description("greens", "greens"),
        TrainingFolders(output=root / "greens" / "1.0.0"),
        catalog=catalog,
    )
    return root


@pytest.fixture
def shadow(material, tmp_path):
    """A folder with another pack of the name and version of the registry's."""
    stylezoo.train_style(
        config(material, "reds", "blues", steps=1, seed=5),
        description("colours", "reds", "blues"),
        TrainingFolders(output=tmp_path / "shadow" / "colours" / "1.0.0"),
    )
    return tmp_path / "shadow"


@pytest.fixture
def newer(registry, material, tmp_path):
    """The registry with a later version of the pack, with other weights, added."""
    root = shutil.copytree(registry, tmp_path / "newer")
    stylezoo.train_style(
        config(material, "reds", "blues", steps=1, seed=1),
        dataclasses.replace(description("colours", "reds", "blues"), version="2.0.0"),
        TrainingFolders(output=root / "colours" / "2.0.0"),
    )
    return root
