"""Inputs of an optimisation: starts, shares, colours, regions, and unusable pictures."""

import dataclasses

import numpy as np
import pytest
import torch

import stylezoo
from stylezoo import OptimizationConfig, StyleInput
from stylezoo.errors import OptionError
from stylezoo.images import Photo
from stylezoo.optimization import optimize
from stylezoo.optimization.inputs import parse_share
from tests.tiny_optimization import small, stripes


def test_starts(photo, painting, tmp_path):
    styles = [StyleInput(painting=painting)]
    photo.resized(30).to_pil().save(tmp_path / "start.png")
    first = {
        start: optimize(photo, styles, small(start=start, iterations=1)).iterations[0]
        for start in ("content", "noise", str(tmp_path / "start.png"), "style:great-wave")
    }
    content, noise, file, warm = first.values()
    assert content.terms["content"] == 0
    assert 0 < file.terms["content"] < noise.terms["content"]
    assert 0 < warm.terms["content"] < noise.terms["content"]


def test_shares_weigh_the_styles(photo, painting, tmp_path):
    painting.to_pil().save(tmp_path / "a.png")
    photo.to_pil().save(tmp_path / "b.png")
    given = [str(tmp_path / "a.png"), f"{tmp_path / 'b.png'}:0.25"]
    result = optimize(photo, given, small(iterations=1))
    assert result.weights == pytest.approx({"content": 1.0, "style-1": 4.0, "style-2": 1.0})


def test_a_painting_without_a_share_is_left_out(photo, painting):
    mask = Photo(rgb=np.ones((60, 72, 3), dtype=np.float32))
    left_out = StyleInput(painting=painting, share=0.0, content_mask=mask)
    result = optimize(photo, [StyleInput(painting=painting), left_out], small(iterations=1))
    assert result.weights == {"content": 1.0, "style-1": 5.0}


def test_a_colon_may_be_part_of_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:2").touch()
    assert parse_share("a:2")[1] == 1.0
    assert (parse_share("b:2")[0].name, parse_share("b:2")[1]) == ("b", 2.0)
    assert parse_share("c:d")[0].name == "c:d"


@pytest.mark.parametrize("how", ["luminance", "covariance", "histogram"])
def test_colours_of_the_photo_are_kept(how, painting):
    rng = np.random.default_rng(0)
    # A reddish photo, whereas the painting is blue and yellow.
    given = Photo(rgb=(rng.random((48, 48, 3)) * (0.6, 0.1, 0.1)).astype(np.float32) + 0.2)
    config = small(preserve_color=how, iterations=25, clip=True, start="noise", content_weight=0.2)
    kept = optimize(given, [StyleInput(painting=painting)], config).photo.rgb
    config = dataclasses.replace(config, preserve_color=None)
    free = optimize(given, [StyleInput(painting=painting)], config).photo.rgb
    wanted = given.rgb.mean(axis=(0, 1))
    assert np.abs(kept.mean(axis=(0, 1)) - wanted).max() < 0.1
    assert np.abs(free.mean(axis=(0, 1)) - wanted).max() > 0.1


def test_two_styles_in_two_regions_give_what_each_gives_alone():
    """Gram distances by the real VGG19 for each half, away from the border."""
    rng = np.random.default_rng(0)
    half = rng.random((64, 32, 3)).astype(np.float32) * 0.2 + 0.4
    content = Photo(rgb=np.concatenate([half, half], axis=1))
    paintings = [
        stripes("down", [(0.1, 0.2, 0.9), (0.9, 0.9, 0.6)], 64),
        stripes("across", [(0.8, 0.1, 0.1), (0.1, 0.4, 0.1)], 64),
    ]
    left = np.zeros((64, 64, 3), dtype=np.float32)
    left[:, :32] = 1
    masks = [Photo(rgb=left), Photo(rgb=1 - left)]
    config = OptimizationConfig.preset(
        "best",
        size=64,
        levels=1,
        iterations=50,
        style_layers=("relu1_1", "relu2_1", "relu3_1"),
        style_weight=200.0,
        tv_weight=0.0,
        precision="fp32",
    )
    both = optimize(
        content,
        [StyleInput(painting=p, content_mask=m) for p, m in zip(paintings, masks, strict=True)],
        config,
    )
    alone = [optimize(content, [StyleInput(painting=p)], config) for p in paintings]
    vgg = stylezoo.create_backbone("vgg19", weights="caffe_q8", pooling="average")
    gram = stylezoo.create_loss("gram", layers=("relu1_1", "relu2_1"), normalization="relative")

    def distance(picture, number, other):
        """Return the distance from the inside of one style's region to another's painting."""
        columns = slice(4, 28) if number == 0 else slice(36, 60)
        region = torch.from_numpy(picture.photo.rgb[4:60, columns]).permute(2, 0, 1)[None]
        painted = torch.from_numpy(paintings[other].rgb).permute(2, 0, 1)[None]
        return gram(vgg(region, gram.layers), gram.target(vgg(painted, gram.layers))).item()

    for number in (0, 1):
        own = distance(both, number, number)
        assert own < 1.5 * distance(alone[number], number, number) + 0.02
        assert own < 0.3 * distance(both, number, 1 - number)


def test_masks_that_do_not_fit(photo, painting):
    square = Photo(rgb=np.ones((50, 50, 3), dtype=np.float32))
    with pytest.raises(OptionError, match=r"a mask has 50 × 50 pixels, but its photo has 72 × 60"):
        optimize(photo, [StyleInput(painting=painting, content_mask=square)], small())
    tall = Photo(rgb=np.ones((50, 20, 3), dtype=np.float32))
    message = "a mask has 20 × 50 pixels, but its painting has 72 × 72"
    with pytest.raises(OptionError, match=message):
        StyleInput(painting=painting, painting_mask=tall)
    black = Photo(rgb=np.zeros((60, 72, 3), dtype=np.float32))
    with pytest.raises(OptionError, match="black all over"):
        optimize(photo, [StyleInput(painting=painting, content_mask=black)], small())
    point = Photo(rgb=np.pad(np.ones((1, 1, 3), dtype=np.float32), ((0, 59), (0, 71), (0, 0))))
    with pytest.raises(OptionError, match="too small for a layer of 48 × 40 positions"):
        optimize(photo, [StyleInput(painting=painting, content_mask=point)], small())
    white = Photo(rgb=np.ones((60, 72, 3), dtype=np.float32))
    config = small(style_loss="mrf", style_layers=("relu2_1",))
    with pytest.raises(OptionError, match="cannot be restricted to a region"):
        optimize(photo, [StyleInput(painting=painting, content_mask=white)], config)


def test_too_large_a_picture_is_refused_before_the_work(photo, painting):
    with pytest.raises(OptionError, match=r"100000 pixels need about .* choose a size of \d+ or"):
        optimize(photo, [StyleInput(painting=painting)], small(size=100_000))


def test_too_thin_a_picture_is_refused(photo, painting):
    thin = Photo(rgb=np.ones((3, 300, 3), dtype=np.float32))
    with pytest.raises(OptionError, match=r"the photo has 300 × 3 pixels; at a size of 48"):
        optimize(thin, [StyleInput(painting=painting)], small())
    with pytest.raises(OptionError, match=r"a painting has 300 × 3 pixels"):
        optimize(photo, [StyleInput(painting=thin)], small())
    pixel = Photo(rgb=np.full((1, 1, 3), 0.5, dtype=np.float32))
    assert optimize(pixel, [StyleInput(painting=painting)], small()).photo.size == (48, 48)


def test_a_painting_of_any_kind_alone_or_in_a_list(photo, tmp_path):
    file = tmp_path / "painting.png"
    stripes("down", [(0, 0, 1), (1, 1, 0)]).to_pil().save(file)
    opened = stylezoo.open_photo(file)
    kinds = [str(file), file, opened, opened.to_pil(), StyleInput(painting=opened)]
    config = small(iterations=1)
    (total,) = {optimize(photo, given, config).total for kind in kinds for given in (kind, [kind])}
    assert total > 0
    again = {stylezoo.reconstruct(kind, "style", ["relu1_1"], config).total for kind in kinds[:-1]}
    assert len(again) == 1


@pytest.mark.parametrize("painting", [np.zeros((32, 32, 3)), None, 3, {"a.png": 0.5}])
def test_what_is_no_painting_is_refused_by_its_type(photo, painting):
    message = f"an open file or a PIL image, not {type(painting).__name__}"
    for given in ((photo, painting), (photo, [painting]), (painting, photo)):
        with pytest.raises(OptionError, match=message):
            optimize(*given, small())


def test_a_seed_and_a_device_of_other_libraries(photo, painting, tmp_path):
    config = small(start="noise", iterations=1, seed=np.int64(3), device=torch.device("cpu"))
    result = optimize(photo, painting, config, checkpoint=tmp_path / "checkpoint")
    plain = small(start="noise", iterations=1, seed=3)
    assert result.total == optimize(photo, painting, plain).total
    with pytest.raises(OptionError, match=f"the seed is {2**70}; it must be an integer from 0"):
        small(seed=2**70)
