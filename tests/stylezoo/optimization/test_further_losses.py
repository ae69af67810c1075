"""A third-party loss as a further term: it applies to each painting, by its share."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import stylezoo
from stylezoo import Catalog, Loss, OptimizationConfig, StyleInput, hookimpl
from stylezoo.cli.optimize import WeightedName
from stylezoo.errors import OptionError
from stylezoo.images import open_photo


class MeanColor(Loss):
    """Squared distance between the mean colours."""

    target_from = "style"
    layers = ()

    def target(self, features):
        return features["image"].mean(dim=(-2, -1))

    def forward(self, features, target):
        return (features["image"].mean(dim=(-2, -1)) - target).square().sum(dim=1).mean()


class Plugin:
    @hookimpl
    def register_losses(self, register):
        register("mean-color", MeanColor, summary="from outside")


@pytest.fixture
def catalog():
    catalog = Catalog.discover()
    catalog.add(Plugin(), "mine", distribution="dist-a")
    return catalog


def painting(color, share):
    return StyleInput(painting=open_photo(Image.new("RGB", (32, 32), color)), share=share)


CONFIG = {
    "backbone_options": {"weights": "random"},
    "content_weight": 0.0,
    "style_weight": 0.0,
    "start": "content",
    "size": 32,
    "iterations": 30,
}


@pytest.mark.parametrize("name", ["mean-color", "dist-a:mean-color"])
def test_the_mean_colour_becomes_the_mean_of_the_paintings_by_their_shares(catalog, name):
    """The minimum of a weighted sum of squared distances is the weighted mean."""
    result = stylezoo.optimize(
        open_photo(Image.new("RGB", (32, 32), (90, 110, 130))),
        [painting((200, 40, 80), 3.0), painting((40, 80, 160), 1.0)],
        OptimizationConfig(**CONFIG, further_terms={name: 2.0}),
        catalog=catalog,
    )
    assert result.weights == {f"{name}-1": 1.5, f"{name}-2": 0.5}
    mean = np.asarray(result.picture).mean(axis=(0, 1))
    assert mean == pytest.approx([160, 50, 100], abs=1)


def test_one_painting_needs_no_number(catalog):
    result = stylezoo.optimize(
        open_photo(Image.new("RGB", (32, 32), (90, 110, 130))),
        [painting((200, 40, 80), 1.0)],
        OptimizationConfig(**CONFIG, further_terms={"mean-color": 2.0}),
        catalog=catalog,
    )
    assert result.weights == {"mean-color": 2.0}
    mean = np.asarray(result.picture).mean(axis=(0, 1))
    assert mean == pytest.approx([200, 40, 80], abs=1)


@pytest.mark.parametrize(
    ("changes", "paintings", "message"),
    [
        ({"further_terms": {"content": 1.0}}, 1, "a term 'content' already.* set content_weight"),
        ({"further_terms": {"tv": 1.0}, "tv_weight": 1.0}, 1, "'tv' already.* set tv_weight to"),
        ({"further_terms": {"style": 1.0}}, 2, "a term 'style-1' already, .* set style_weight to"),
    ],
)
def test_a_name_that_a_term_has_already_is_refused(changes, paintings, message):
    with pytest.raises(OptionError, match=message):
        OptimizationConfig(**changes).objective([1.0] * paintings, ["style"])


def test_a_loss_may_stand_in_the_place_of_a_term_that_is_left_out():
    config = OptimizationConfig(content_weight=0.0, further_terms={"content": 2.0, "tv": 0.0})
    terms = config.objective([1.0]).terms
    assert [(term.name, term.weight) for term in terms] == [("style", 1000.0), ("content", 2.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mine", ("mine", 1.0)),
        ("mine:10", ("mine", 10.0)),
        ("stylezoo-mine:mine", ("stylezoo-mine:mine", 1.0)),
        ("stylezoo-mine:mine:1e-3", ("stylezoo-mine:mine", 0.001)),
        ("family:b:2", ("family:b", 2.0)),
    ],
)
def test_names_and_weights_of_the_option(text, expected):
    assert WeightedName().convert(text, None, None) == expected


def test_a_loss_nobody_has_is_named(astronaut, tmp_path):
    from stylezoo.cli import cli
    from stylezoo.errors import ComponentNotFoundError

    done = CliRunner().invoke(
        cli,
        [
            *("optimize", str(astronaut), "--style", str(astronaut), "--loss", "laplacain:3"),
            *("-o", str(tmp_path / "out.png"), "--size", "32"),
        ],
    )
    assert isinstance(done.exception, ComponentNotFoundError)
    assert "did you mean 'laplacian'?" in str(done.exception)
