"""An optimisation run: it descends, keeps the best picture, and survives bad luck."""

import dataclasses
import gc
import math
import weakref
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import stylezoo
from stylezoo import Loss, OptimizationConfig, StyleInput
from stylezoo.errors import OptionError
from stylezoo.images import Photo
from stylezoo.optimization import optimize
from tests.catalogs import catalog_with
from tests.tiny_optimization import same, small
from tests.vast import catalog_with_vast


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


def test_an_optimisation_leaves_the_global_generator_alone(photo, painting):
    before = torch.random.get_rng_state()
    optimize(photo, [StyleInput(painting=painting)], small(iterations=1, start="noise"))
    assert torch.equal(torch.random.get_rng_state(), before)


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


@pytest.mark.parametrize(
    ("size", "levels", "sizes"),
    [
        (64, 1, [64]),
        (64, 3, [16, 32, 64]),
        (64, 6, [16, 32, 64]),
        (100, 9, [25, 50, 100]),
        (16, 4, [16]),
    ],
)
def test_a_pyramid_has_no_level_twice(size, levels, sizes):
    assert small(size=size, levels=levels).level_sizes == sizes


def test_fine_detail_of_the_photo_survives_the_pyramid(painting):
    # One-pixel noise is lost at half the size, and restored at a level that starts from the photo.
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


def test_the_terms_told_are_those_of_the_objective_told(photo, painting):
    result = optimize(photo, [StyleInput(painting=painting)], small(iterations=6))
    total = sum(result.weights[name] * term for name, term in result.terms.items())
    assert total == pytest.approx(result.total, rel=1e-5)


class Cliff(Loss):
    """Falls for a while, then goes over the edge."""

    target_from = None
    layers = ()

    def __init__(self, ground=5, beyond=math.nan):
        super().__init__()
        self.calls = 0
        self.ground = ground
        self.beyond = beyond

    def forward(self, features, target):
        self.calls += 1
        value = features["image"].square().mean()
        return value * 1.0 if self.calls <= self.ground else value + self.beyond


def over_the_cliff(photo, painting, **options):
    catalog = catalog_with("losses", "cliff", partial(Cliff, **options))
    config = small(further_terms={"cliff": 1.0}, iterations=50)
    return optimize(photo, [StyleInput(painting=painting)], config, catalog=catalog)


def test_an_objective_that_runs_away_is_stopped_and_the_best_picture_kept(photo, painting):
    result = over_the_cliff(photo, painting)
    totals = [iteration.total for iteration in result.iterations]
    assert result.diverged
    assert len(totals) < 50
    assert result.total == min(total for total in totals if math.isfinite(total))
    assert np.isfinite(result.photo.rgb).all()


def test_an_objective_that_is_infinite_from_the_start_is_stopped(photo, painting):
    result = over_the_cliff(photo, painting, ground=0, beyond=math.inf)
    assert result.diverged
    assert len(result.iterations) < 50


def test_adam_with_a_senseless_rate_is_stopped(photo, painting):
    config = small(method="adam", learning_rate=1e6, iterations=50)
    result = optimize(photo, [StyleInput(painting=painting)], config)
    assert result.diverged
    assert len(result.iterations) < 50
    assert result.total == result.iterations[0].total  # that of the photo: nothing better was found


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
        ({}, [1.0, -1.0], "each must be 0 or more, and finite"),
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


def test_a_forward_pass_that_was_counted_is_freed():
    from stylezoo.memory import kept_bytes

    outputs = []

    def forward():
        # A ReLU keeps its own output.
        outputs.append(weakref.ref(torch.relu(torch.ones(9, requires_grad=True))))

    kept_bytes(forward)
    gc.collect()
    assert outputs[0]() is None


def test_what_does_not_fit_into_memory_is_refused_with_its_size(photo, painting):
    config = small(backbone="vast", backbone_options={})
    with pytest.raises(OptionError, match="48 pixels do not fit into memory; choose a smaller"):
        optimize(photo, painting, config, catalog=catalog_with_vast())


def test_an_unknown_kind_of_reconstruction(photo):
    with pytest.raises(OptionError, match="the kind is 'styl'; it must be 'content' or 'style'"):
        stylezoo.reconstruct(photo, "styl", ["relu1_1"], small(iterations=1))
