import numpy as np
import pytest
from PIL import Image

import stylezoo


@pytest.fixture(scope="module")
def material(tmp_path_factory, astronaut):
    """A painting and a folder of photos, some of them broken, tiny, grey or CMYK."""
    folder = tmp_path_factory.mktemp("material")
    y, x = np.mgrid[0:96, 0:128] / 8
    waves = np.stack([np.sin(x + y), np.sin(2 * x), np.cos(y)], axis=-1) / 2 + 0.5
    Image.fromarray((waves * 255).astype(np.uint8)).save(folder / "waves.png")
    photos = folder / "photos"
    photos.mkdir()
    with Image.open(astronaut) as photo:
        for number in range(4):
            photo.crop((90 * number, 0, 90 * number + 150, 200)).save(photos / f"{number}.jpg")
        photo.resize((90, 60)).convert("L").save(photos / "grey.png")
        photo.resize((90, 60)).convert("CMYK").save(photos / "cmyk.jpg")
        photo.resize((7, 5)).save(photos / "tiny.png")
    (photos / "broken.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def vgg_file(material):
    from safetensors.torch import save_file

    backbone = stylezoo.create_backbone("vgg16", weights="random")
    save_file(backbone.state_dict(), material / "vgg.safetensors")
