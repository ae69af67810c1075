"""Image optimisation: the published objective, stops and resumes, regions, starts, bad luck."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import stylezoo
from stylezoo import Catalog, Loss, OptimizationConfig, StyleInput, open_photo
from stylezoo.catalog import default_catalog
from stylezoo.errors import CheckpointError, OptionError
from stylezoo.images import Photo
from stylezoo.optimization import optimize
from stylezoo.optimization.inputs import parse_share

RANDOM = {"weights": "random"}


@pytest.fixture(scope="module")
def photo(astronaut):
    with Image.open(astronaut) as image:
        return open_photo(image.resize((72, 60)))


def stripes(direction, colours, size=72):
    """A painting of stripes of two colours."""
    steps = np.arange(size) // 4 % 2
    pattern = steps[None, :] if direction == "down" else steps[:, None]
    rgb = np.where(np.broadcast_to(pattern, (size, size))[..., None], *np.array(colours))
    return Photo(rgb=rgb.astype(np.float32))


@pytest.fixture(scope="module")
def painting():
    return stripes("down", [(0.1, 0.2, 0.9), (0.9, 0.9, 0.6)])


def small(**changes):
    """Quick, and sure to be the same on every machine: a random VGG16, its first two blocks."""
    options = {
        "backbone": "vgg16",
        "backbone_options": RANDOM,
        "content_layers": ("relu2_2",),
        "style_layers": ("relu1_1", "relu2_1"),
        "normalization": "relative",
        "style_weight": 5.0,
        "size": 48,
        "iterations": 10,
        "precision": "fp32",
        "device": "cpu",
        "start": "content",
    }
    return OptimizationConfig(**{**options, **changes})


def same(first, second):
    return np.array_equal(first.photo.rgb, second.photo.rgb)


# The objective as published


def features_in_float64(image, backbone, layers):
    """VGG19 with average pooling by functions, in float64: what the backbone is to compute."""
    weights = {k: v.double() for k, v in backbone.state_dict().items()}
    mean = torch.tensor([103.939, 116.779, 123.68], dtype=torch.float64).view(1, 3, 1, 1)
    x = image.double().flip(1) * 255 - mean
    found, index = {}, 0
    for block, count in enumerate((2, 2, 4, 4, 4), 1):
        for number in range(1, count + 1):
            x = F.conv2d(
                x, weights[f"features.{index}.weight"], weights[f"features.{index}.bias"], padding=1
            )
            x = x.clamp(min=0)
            index += 2
            if (name := f"relu{block}_{number}") in layers:
                found[name] = x[0].reshape(x.shape[1], -1)
        x = F.avg_pool2d(x, 2)
        index += 1
    return found


@pytest.mark.parametrize("normalization", ["gatys", "gatys-program"])
def test_the_published_objective_equals_its_formula_in_float64(normalization, photo, astronaut):
    config = OptimizationConfig.preset("gatys", normalization=normalization)
    if normalization == "gatys":
        options = {**config.backbone_options, "rescaled": True}
        config = dataclasses.replace(config, backbone_options=options)
    objective = stylezoo.build_objective(
        config.objective([1.0]),
        default_catalog(),
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 64, 64, generator=generator)
    content = torch.from_numpy(open_photo(astronaut).resized(64).rgb).permute(2, 0, 1)[None]
    style = torch.rand(1, 3, 64, 64, generator=generator)
    targets = objective.targets(content, "content") | objective.targets(style, "style")
    value = objective(image, targets).total.item()

    layers = [f"relu{block}_1" for block in range(1, 6)]
    f, p, s = (
        features_in_float64(x, objective.backbone, [*layers, "relu4_2"])
        for x in (image, content, style)
    )
    squares = (f["relu4_2"] - p["relu4_2"]) ** 2
    # Gatys et al. 2015, equation 1; their program takes the mean.
    expected = squares.sum() / 2 if normalization == "gatys" else squares.mean()
    for layer in layers:
        n, m = f[layer].shape
        difference = ((f[layer] @ f[layer].T - s[layer] @ s[layer].T) ** 2).sum()
        if normalization == "gatys":  # equations 4 and 5, w = 1/5
            expected += 1000 * difference / (4 * n**2 * m**2) / 5
        else:
            expected += 1000 / n**2 * difference / m**2 / n**2
    assert value == pytest.approx(expected.item(), rel=1e-4)


def test_the_rescaled_vgg_has_filters_of_mean_activation_1_and_sees_the_same(astronaut):
    plain, rescaled = (
        stylezoo.create_backbone("vgg19", weights="caffe_q8", rescaled=r) for r in (False, True)
    )
    image = torch.from_numpy(open_photo(astronaut).resized(128).rgb).permute(2, 0, 1)[None]
    layers = [layer for layer in plain.layers if layer.startswith("relu")]
    before, after = plain(image, layers), rescaled(image, layers)
    for layer in layers:
        ratio = before[layer].sum(dim=(0, 2, 3)) / after[layer].sum(dim=(0, 2, 3))
        # Each filter is the same up to a factor of its own...
        scaled = after[layer] * ratio.nan_to_num()[:, None, None]
        assert torch.allclose(scaled, before[layer], rtol=1e-3, atol=1e-3 * before[layer].max())
        # ... which makes the mean 1, on other photos than this one and larger.
        assert 1 / 3 < after[layer].mean() < 3


def test_gradients_of_the_objective():
    config = small(
        content_layers=("relu1_2",),
        style_layers=("relu1_1",),
        tv_weight=0.1,
        further_terms={"laplacian": 1.0},
    )
    objective = stylezoo.build_objective(
        config.objective([1.0]), default_catalog(), device=torch.device("cpu"), dtype=torch.float64
    )
    generator = torch.Generator().manual_seed(1)
    image, content, style = (
        torch.rand(1, 3, 6, 6, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    targets = objective.targets(content, "content") | objective.targets(style, "style")
    image.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: objective(x, targets).total, (image,))


# The course


def test_the_objective_falls_and_the_best_picture_comes_back(photo, painting):
    result = optimize(photo, [StyleInput(painting=painting)], small(iterations=30))
    totals = [iteration.total for iteration in result.iterations]
    assert totals[-1] < 0.5 * totals[0]
    assert result.total <= min(totals)
    assert [iteration.number for iteration in result.iterations] == list(range(1, 31))
    assert result.photo.size == (48, 40)
    assert not result.diverged
    last = result.iterations[-1]
    assert sum(result.weights[n] * v for n, v in last.terms.items()) == pytest.approx(last.total)


@pytest.mark.parametrize("method", ["lbfgs", "preconditioned-lbfgs", "adam"])
def test_pixels_stay_in_range_and_the_seed_decides(method, photo, painting):
    styles = [StyleInput(painting=painting)]
    config = small(start="noise", method=method, clip=True)
    first, second = optimize(photo, styles, config), optimize(photo, styles, config)
    other = optimize(photo, styles, dataclasses.replace(config, seed=1))
    assert same(first, second)
    assert not same(first, other)
    assert first.photo.rgb.min() >= 0
    assert first.photo.rgb.max() <= 1


@pytest.mark.parametrize("method", ["lbfgs", "preconditioned-lbfgs", "adam"])
def test_the_size_of_the_weights_does_not_matter_only_their_ratio(method, photo, painting):
    weighted = [
        optimize(
            photo,
            [StyleInput(painting=painting)],
            small(method=method, content_weight=factor, style_weight=5 * factor),
        )
        for factor in (1.0, 2.0**-20)
    ]
    ours, tiny = (result.photo.rgb.astype(float) for result in weighted)
    assert np.abs(ours - tiny).mean() < 1e-3


def test_levels_double_the_size_and_start_from_the_one_before(photo, painting):
    result = optimize(photo, [StyleInput(painting=painting)], small(size=64, levels=3))
    # 16 px would leave the photo's shorter side with 13.
    assert [iteration.size for iteration in result.iterations] == [32] * 10 + [64] * 10
    first_of_level = result.iterations[10].total
    alone = optimize(photo, [StyleInput(painting=painting)], small(size=64, start="noise"))
    assert first_of_level < alone.iterations[0].total
    assert result.photo.size == (64, 53)


def test_fine_detail_of_the_photo_survives_the_pyramid(painting):
    # Noise a pixel wide is lost at half the size; a level that starts from the photo has it again.
    rgb = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    starts = {}

    def watch(iteration, picture):
        starts.setdefault(iteration.size, picture().rgb)

    config = small(size=64, levels=2, start="content", iterations=3)
    optimize(
        Photo(rgb=rgb, alpha=None), [StyleInput(painting=painting)], config, on_iteration=watch
    )
    assert np.corrcoef(starts[64].ravel(), rgb.ravel())[0, 1] > 0.8


def test_alpha_and_exif_are_kept(painting):
    y, x = np.mgrid[0:60, 0:72] / 72
    exif = Image.Exif()
    exif[315] = "somebody"
    given = Photo(
        rgb=np.stack([x, y, x], axis=-1).astype(np.float32),
        alpha=x.astype(np.float32),
        exif=exif.tobytes(),
    )
    result = optimize(given, [StyleInput(painting=painting)], small(iterations=1))
    assert result.photo.exif == given.exif
    assert np.array_equal(result.photo.alpha, given.resized(48).alpha)
    assert result.picture.mode == "RGBA"


class StopError(Exception):
    pass


@pytest.mark.parametrize(
    "changes",
    [
        {"iterations": 12},
        {"method": "adam", "average": 0.5, "iterations": 12},
        {"method": "preconditioned-lbfgs", "iterations": 12, "clip": True},
        {"size": 64, "levels": 2, "iterations": 6, "clip": True, "average": 0.9},
    ],
    ids=["lbfgs", "adam", "preconditioned-lbfgs", "levels"],
)
def test_a_resumed_optimisation_gives_the_same_picture(changes, photo, painting, tmp_path):
    config = small(**changes)
    styles = [StyleInput(painting=painting)]
    whole = optimize(photo, styles, config)
    checkpoint = tmp_path / "checkpoint"

    def stop(iteration, _):
        if iteration.number == 8:
            raise StopError

    options = {"checkpoint": checkpoint, "checkpoint_every": 5}
    with pytest.raises(StopError):
        optimize(photo, styles, config, on_iteration=stop, **options)
    resumed = optimize(photo, styles, config, resume=True, **options)
    assert same(resumed, whole)
    assert [i.total for i in resumed.iterations] == [i.total for i in whole.iterations]
    # Who could not save the picture gets it again, without another iteration.
    again = optimize(photo, styles, config, resume=True, on_iteration=stop, **options)
    assert same(again, whole)
    assert again.terms == whole.terms


def test_a_run_resumed_at_a_restart_is_as_careful(photo, painting, tmp_path):
    """A start that is better than what a first step makes of it: L-BFGS begins anew from it."""
    config = small(start="content", style_weight=0.01, iterations=8)
    styles = [StyleInput(painting=painting)]
    whole = optimize(photo, styles, config)
    for stopped_at in range(1, 8):
        checkpoint = tmp_path / str(stopped_at)

        def stop(iteration, _, last=stopped_at):
            if iteration.number == last:
                raise StopError

        options = {"checkpoint": checkpoint, "checkpoint_every": 1}
        with pytest.raises(StopError):
            optimize(photo, styles, config, on_iteration=stop, **options)
        resumed = optimize(photo, styles, config, resume=True, **options)
        assert [i.total for i in resumed.iterations] == [i.total for i in whole.iterations]


def test_the_terms_told_are_those_of_the_objective_told(photo, painting):
    result = optimize(photo, [StyleInput(painting=painting)], small(iterations=6))
    total = sum(result.weights[name] * term for name, term in result.terms.items())
    assert total == pytest.approx(result.total, rel=1e-5)


def test_a_checkpoint_of_another_run_is_refused(photo, painting, tmp_path):
    checkpoint = tmp_path / "checkpoint"

    def stop(*_):
        raise StopError

    with pytest.raises(StopError):
        optimize(
            photo,
            [StyleInput(painting=painting)],
            small(),
            checkpoint=checkpoint,
            checkpoint_every=1,
            on_iteration=stop,
        )
    again = {"checkpoint": checkpoint, "resume": True}
    with pytest.raises(CheckpointError, match="a run with other options"):
        optimize(photo, [StyleInput(painting=painting)], small(seed=1), **again)
    with pytest.raises(CheckpointError, match="a run with other options"):
        optimize(photo, [StyleInput(painting=photo)], small(), **again)
    checkpoint.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        optimize(photo, [StyleInput(painting=painting)], small(), **again)


class Cliff(Loss):
    """Falls for a while, then there is no ground."""

    target_from = None
    layers = ()

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, features, target):
        self.calls += 1
        value = features["image"].square().mean()
        return value * (1.0 if self.calls < 6 else math.nan)


def test_an_objective_that_runs_away_is_stopped_and_the_best_picture_kept(photo, painting):
    catalog = Catalog.discover()

    class Plugin:
        @staticmethod
        @stylezoo.hookimpl
        def register_losses(register):
            register("cliff", Cliff)

    catalog.add(Plugin, "cliff")
    config = small(further_terms={"cliff": 1.0}, iterations=50)
    result = optimize(photo, [StyleInput(painting=painting)], config, catalog=catalog)
    totals = [iteration.total for iteration in result.iterations]
    assert result.diverged
    assert len(totals) < 50
    assert result.total == min(total for total in totals if math.isfinite(total))
    assert np.isfinite(result.photo.rgb).all()


def test_adam_with_a_senseless_rate_is_stopped(photo, painting):
    config = small(method="adam", learning_rate=1e6, iterations=50)
    result = optimize(photo, [StyleInput(painting=painting)], config)
    assert result.diverged
    assert len(result.iterations) < 50
    assert result.total == result.iterations[0].total  # the photo: nothing better was seen


# What goes in


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


def test_a_colon_may_be_part_of_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:2").touch()
    assert parse_share("a:2")[1] == 1.0
    assert (parse_share("b:2")[0].name, parse_share("b:2")[1]) == ("b", 2.0)
    assert parse_share("c:d")[0].name == "c:d"


@pytest.mark.parametrize("how", ["luminance", "covariance", "histogram"])
def test_colours_of_the_photo_are_kept(how, painting):
    rng = np.random.default_rng(0)
    # A reddish photo: the painting is blue and yellow.
    given = Photo(rgb=(rng.random((48, 48, 3)) * (0.6, 0.1, 0.1)).astype(np.float32) + 0.2)
    config = small(preserve_color=how, iterations=25, clip=True, start="noise", content_weight=0.2)
    kept = optimize(given, [StyleInput(painting=painting)], config).photo.rgb
    config = dataclasses.replace(config, preserve_color=None)
    free = optimize(given, [StyleInput(painting=painting)], config).photo.rgb
    wanted = given.rgb.mean(axis=(0, 1))
    assert np.abs(kept.mean(axis=(0, 1)) - wanted).max() < 0.1
    assert np.abs(free.mean(axis=(0, 1)) - wanted).max() > 0.1


def test_two_styles_in_two_regions_give_what_each_gives_alone():
    """By the real VGG19: the Gram distances of each half, away from the border."""
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
        """Of the inner part of the region of one style to the painting of another."""
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
    with pytest.raises(OptionError, match=r"a mask has 50 × 50 pixels, its photo 72 × 60"):
        optimize(photo, [StyleInput(painting=painting, content_mask=square)], small())
    tall = Photo(rgb=np.ones((50, 20, 3), dtype=np.float32))
    with pytest.raises(OptionError, match=r"a mask has 20 × 50 pixels, its painting 72 × 72"):
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


def test_any_registered_loss_and_backbone_will_do(photo, painting):
    config = small(
        backbone="torchvision:resnet18",
        content_layers=("layer2",),
        style_layers=("relu", "layer1"),
        style_loss="sliced-wasserstein",
        iterations=5,
    )
    result = optimize(photo, [StyleInput(painting=painting)], config)
    assert result.total < result.iterations[0].total


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iterations": 0}, "iterations is 0"),
        ({"levels": 0}, "levels is 0"),
        ({"size": 8}, "the size is 8; it must be 16 or more"),
        ({"style_scale": 0.0}, "style_scale is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"average": 1.0}, "average is 1.0"),
        ({"method": "sgd"}, "method is 'sgd'; it must be one of lbfgs, preconditioned-lbfgs, adam"),
        ({"preserve_color": "all"}, "preserve_color is 'all'"),
    ],
)
def test_options_out_of_range(changes, message):
    with pytest.raises(OptionError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "shares", "message"),
    [
        ({"content_weight": math.nan}, [1.0], "the weight of 'content' is nan"),
        ({"style_weight": -1.0}, [1.0], "the weight of 'style' is -1.0"),
        ({"content_weight": 0.0, "style_weight": 0.0}, [1.0], "every weight of the objective is 0"),
        ({}, [0.0, 0.0], "every style has the share 0"),
        ({}, [1.0, -1.0], "each must be 0 or more"),
    ],
)
def test_weights_out_of_range(changes, shares, message):
    with pytest.raises(OptionError, match=message):
        small(**changes).objective(shares)


def test_an_unknown_preset():
    with pytest.raises(OptionError, match="preset is 'fast'; it must be one of gatys, best"):
        OptimizationConfig.preset("fast")


def test_a_layer_that_does_not_exist(photo, painting):
    with pytest.raises(OptionError, match=r"'relu9_9', which the backbone does not have; it has"):
        optimize(photo, [StyleInput(painting=painting)], small(content_layers=("relu9_9",)))


def test_kept_bytes_counts_what_the_backward_pass_needs():
    from stylezoo.memory import kept_bytes

    x = torch.rand(10, 20, requires_grad=True)
    net = nn.Sigmoid()  # keeps its output, 200 floats
    assert kept_bytes(lambda: net(x)) == 200 * 4
    # The square keeps its input, the sigmoid its output: two different tensors.
    assert kept_bytes(lambda: net(x).square()) == 200 * 4
    assert kept_bytes(lambda: net(x * 1).exp()) == 2 * 200 * 4
