"""Photo crops: of the requested size, each photo in turn, bad ones named."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

import stylezoo
from stylezoo.errors import OptionError
from stylezoo.images import open_photo
from stylezoo.train.crops import PhotoCrops
from stylezoo.train.trainer import Trainer
from tests.catalogs import catalog_with
from tests.tiny_training import config


def test_crops_of_bare_sky_are_drawn_again(tmp_path):
    pixels = np.full((300, 60, 3), 250, np.uint8)
    pixels[200:] = np.random.default_rng(0).integers(0, 255, (100, 60, 3))
    for number in range(2):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    crops = PhotoCrops(tmp_path, crop_sizes=(32,), batch_size=2, seed=0)
    contrast = torch.cat([crops.batch(number) for number in range(50)]).std(dim=(2, 3)).amax(1)
    assert (contrast < 0.01).sum() <= 5  # 2 in 3 would be without redrawing


def test_crops_are_of_the_size_asked_and_bad_photos_are_named(material):
    crops = PhotoCrops(material / "photos", crop_sizes=(64,), batch_size=8, seed=0, half_until=3)
    assert crops.batch(2).shape == (8, 3, 32, 32)
    batch = crops.batch(3)  # one whole epoch
    assert batch.shape == (8, 3, 64, 64)
    assert 0 <= batch.min() <= batch.max() <= 1
    reasons = {path.name: reason for path, reason in crops.skipped.items()}
    assert "is tiny: 7 × 5 pixels" in reasons.pop("tiny.png")
    assert "is grey" in reasons.pop("grey.png")
    assert "is CMYK" in reasons.pop("cmyk.jpg")
    assert "cannot be read as a picture" in reasons.pop("broken.jpg")
    assert not reasons
    assert torch.equal(batch, crops.batch(3))
    assert not torch.equal(batch, crops.batch(4))


def test_a_large_photo_is_read_small_and_gives_the_same_crops(astronaut, tmp_path):
    """A JPEG can be read at quarter size, a TIFF cannot."""
    with Image.open(astronaut) as photo:
        large = photo.resize((2000, 2000))
    batches = []
    for suffix in (".jpg", ".tif"):
        folder = tmp_path / suffix
        folder.mkdir()
        large.save(folder / f"0{suffix}", quality=95)
        batches.append(PhotoCrops(folder, crop_sizes=(192,), batch_size=1, seed=0).batch(0))
    assert (batches[0] - batches[1]).abs().mean() < 0.01
    assert open_photo(tmp_path / ".jpg" / "0.jpg", least_side=449).size == (500, 500)
    assert open_photo(tmp_path / ".jpg" / "0.jpg", least_side=501).size == (1000, 1000)


def test_batches_take_turns_by_size(material):
    crops = PhotoCrops(material / "photos", crop_sizes=(64, 96), batch_size=2, seed=0, half_until=2)
    assert [crops.batch(number).shape[-1] for number in range(5)] == [32, 48, 64, 96, 64]


def test_an_epoch_shows_every_photo_once(tmp_path):
    for number in range(6):
        Image.new("RGB", (40, 40), (40 * number,) * 3).save(tmp_path / f"{number}.png")
    crops = PhotoCrops(tmp_path, crop_sizes=(32,), batch_size=2, seed=3)
    for epoch in (0, 3, 6):
        shown = torch.cat([crops.batch(epoch + step) for step in range(3)])
        levels = sorted((shown[:, 0, 0, 0] * 255).round().int().tolist())
        assert levels == [0, 40, 80, 120, 160, 200]


def test_crops_that_a_net_does_not_take_are_refused_before_the_first_step(material):
    for crops, half, side in (((48, 40), 0.0, 40), ((64, 32), 0.5, 16)):
        with pytest.raises(OptionError, match=f"a crop has {side} pixels, .* at least 32; choose"):
            Trainer(
                config(material, net="coarse", net_arguments={}, crop_sizes=crops, half_crops=half),
                catalog_with_a_coarse_net(),
            )


def catalog_with_a_coarse_net():
    class Coarse(stylezoo.TransformNet):
        Arguments = dataclasses.make_dataclass("Arguments", [])
        stride, minimum_size = 16, 32

        def __init__(self, arguments):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, images):
            return images * self.scale

    return catalog_with("nets", "coarse", Coarse)
