"""The plugin keeps every promise of its interfaces; backbone and loss do what they are for."""

import math

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import stylezoo
from stylezoo.testing import PluginConformance
from stylezoo_example_texture.command import orientations
from stylezoo_example_texture.diary import Diary


class TestPlugin(PluginConformance):
    """Runs the conformance kit on all that the plugin registers."""

    plugin = "stylezoo-example-texture"


def waves(angle, side=64):
    """A grating of the wavelength that the finest scale is tuned to."""
    offsets = torch.arange(side, dtype=torch.float32)
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    wave = torch.cos(2 * math.pi / 4 * (x * math.cos(angle) + y * math.sin(angle)))
    return (wave / 4 + 0.5).expand(1, 3, side, side)


@pytest.mark.parametrize("number", range(4))
def test_each_orientation_answers_to_its_own_grating(number):
    backbone = stylezoo.create_backbone("gabor")
    features = backbone(waves(math.pi * number / 4), ["scale1"])["scale1"]
    energy = features.square().mean(dim=(0, 2, 3)).reshape(3, 4, 4).sum(dim=(0, 2))
    assert energy.argmax() == number


def test_a_flat_picture_gives_nothing():
    backbone = stylezoo.create_backbone("gabor")
    features = backbone(torch.full((1, 3, 40, 40), 0.7), backbone.layers)
    assert max(float(layer.max()) for layer in features.values()) < 1e-5


def test_the_loss_sees_a_period_that_the_gram_loss_does_not():
    """Stripes and shuffled columns have one Gram matrix; at a distance they differ."""
    stripes = (torch.arange(32) % 8 < 4).float().expand(1, 1, 32, 32)
    shuffled = stripes[..., torch.randperm(32, generator=torch.Generator().manual_seed(0))]
    shifted = stylezoo.create_loss("shifted-gram", layers=("x",), shift=8)
    gram = stylezoo.create_loss("gram", layers=("x",))
    for loss, differs in ((gram, False), (shifted, True)):
        target = loss.target({"x": stripes})
        assert (loss({"x": shuffled}, target).item() > 1e-4) == differs
        assert loss({"x": stripes}, target).item() == 0


def test_a_shift_of_0_is_refused():
    with pytest.raises(stylezoo.StyleZooError, match="shift is 0"):
        stylezoo.create_loss("shifted-gram", shift=0)


@pytest.mark.parametrize("number", range(4))
def test_the_hue_is_the_direction(number, tmp_path):
    grating = waves(math.pi * number / 4)[0].permute(1, 2, 0)
    Image.fromarray((grating * 255).byte().numpy()).save(tmp_path / "grating.png")
    out = tmp_path / "out.png"
    done = CliRunner().invoke(orientations, [str(tmp_path / "grating.png"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    with Image.open(out) as picture:
        hue, _, brightness = picture.convert("HSV").getpixel((32, 32))
    assert brightness > 128
    assert abs((hue / 256 - number / 4 + 0.5) % 1 - 0.5) < 0.03


def test_the_diary_tells_the_best_and_the_time(tmp_path):
    diary = Diary()
    for step, total in enumerate((3.0, 1.5, 2.0), start=1):
        diary.on_step_end(
            stylezoo.StepReport(
                step=step, steps=3, total=total, terms={}, learning_rate=0.1, seconds=2.0
            )
        )
    diary.on_checkpoint(3, tmp_path / "checkpoint.pt")
    told = (tmp_path / "diary.txt").read_text()
    assert told == "step 3: best objective 1.5, 6 s of training\n"
