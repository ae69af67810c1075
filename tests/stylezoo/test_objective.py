"""The perceptual objective: terms, targets and passes."""

import pytest
import torch
from torch import nn

import stylezoo
from stylezoo import (
    Backbone,
    Loss,
    ObjectiveConfig,
    PerceptualObjective,
    Region,
    Term,
    TermConfig,
)
from stylezoo.errors import OptionError, PluginError
from stylezoo.memory import is_out_of_memory
from stylezoo.objective import build_objective
from tests.catalogs import catalog_with


class Halves(Backbone):
    """Halves values at each layer; records passes."""

    layers = ("a", "b")

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.passes = []

    def forward(self, images, layers):
        self.passes.append(sorted(layers))
        return {
            name: images * self.scale ** (1 + index)
            for index, name in enumerate(self.layers)
            if name in layers
        }


class Mean(Loss):
    """The mean of a layer less that of the target."""

    def __init__(self, layer, origin):
        super().__init__()
        self.layer = layer
        self.target_from = origin

    @property
    def layers(self):
        return (self.layer,)

    def target(self, features):
        return features[self.layer].mean()

    def forward(self, features, target):
        return features[self.layer].mean() - target


class Flawed(Mean):
    """Returns a given value."""

    def __init__(self, value):
        super().__init__("a", None)
        self.value = value

    def forward(self, features, target):
        return self.value


@pytest.mark.parametrize(
    ("value", "found"),
    [(torch.zeros(2, 1), "a tensor of shape 2 × 1"), (0.5, "a float"), (None, "a NoneType")],
)
def test_a_loss_that_returns_no_scalar_is_named(value, found):
    objective = PerceptualObjective(Halves(), [Term("mine", Flawed(value), 1.0)])
    with pytest.raises(PluginError, match=f"the loss 'mine' returns {found}"):
        objective(torch.rand(1, 3, 8, 8), {})


class Failing(Mean):
    """Divides by zero, in its target or in its value."""

    def __init__(self, where):
        super().__init__("a", "style")
        self.where = where

    def target(self, features):
        return 1 / 0 if self.where == "target" else features["a"].mean()

    def forward(self, features, target):
        return 1 / 0


def test_a_loss_for_which_memory_does_not_suffice_has_not_failed():
    class Vast(Loss):
        target_from = None
        layers = ()

        def forward(self, features, target):
            return torch.empty(1 << 50, dtype=torch.uint8).sum()

    objective = PerceptualObjective(Halves(), [Term("mine", Vast(), 1.0)])
    with pytest.raises(RuntimeError) as caught:
        objective(torch.rand(1, 3, 8, 8), {})
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("where", ["target", "value"])
def test_a_loss_that_fails_is_named(where):
    objective = PerceptualObjective(Halves(), [Term("mine", Failing(where), 1.0)])
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(PluginError, match="the loss 'mine' failed with ZeroDivisionError"):
        objective(image, objective.targets(image, "style"))


class Buffered(Halves):
    """Has its tensor as a buffer."""

    def __init__(self):
        super().__init__()
        del self.scale
        self.register_buffer("scale", torch.tensor(0.5))


class Bare(Halves):
    """Has no tensors."""

    def __init__(self):
        super().__init__()
        del self.scale
        self.scale = 0.5


@pytest.mark.parametrize("backbone", [Buffered, Bare])
def test_it_is_where_it_was_moved(backbone):
    terms = [Term("tv", stylezoo.create_loss("total-variation"), 1.0)]
    objective = PerceptualObjective(backbone(), terms)
    assert objective.device.type == "cpu"
    assert objective.to("meta").device.type == "meta"


@pytest.mark.parametrize("backbone", [Buffered, Bare])
def test_it_is_built_where_it_was_asked_for(backbone):
    catalog = catalog_with("backbones", "mine", backbone)
    term = TermConfig(name="tv", loss="total-variation", weight=1.0)
    config = ObjectiveConfig(backbone="mine", terms=(term,))
    built = build_objective(config, catalog, device=torch.device("meta"), dtype=torch.float32)
    assert built.device.type == "meta"
    image = torch.rand(1, 3, 16, 16).to(built.device)
    assert built(image, {}).total.device.type == "meta"


@pytest.fixture
def objective():
    terms = [
        Term("content", Mean("a", "content"), 1.0),
        Term("style", Mean("b", "style"), 10.0),
        Term("more", Mean("a", "style"), 0.0),
        Term("tv", stylezoo.create_loss("total-variation"), 2.0),
    ]
    return PerceptualObjective(Halves(), terms)


def test_the_total_is_the_weighted_sum_of_the_terms(objective):
    content, style = torch.full((1, 3, 4, 4), 0.8), torch.full((1, 3, 8, 2), 0.4)
    targets = objective.targets(content, "content") | objective.targets(style, "style")
    value = objective(torch.full((2, 3, 4, 4), 1.0), targets)
    # a halves, b quarters: 0.5 - 0.4, 0.25 - 0.1, 0.5 - 0.2.
    assert {name: term.item() for name, term in value.terms.items()} == pytest.approx(
        {"content": 0.1, "style": 0.15, "more": 0.3, "tv": 0.0}
    )
    assert value.total.item() == pytest.approx(0.1 + 10 * 0.15)


def test_a_backbone_that_draws_weights_leaves_the_global_generator_alone():
    class Drawing(Halves):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.rand(()))

    catalog = catalog_with("backbones", "drawing", Drawing)
    term = TermConfig(name="content", loss="content", weight=1.0, options={"layers": ("a",)})
    before = torch.random.get_rng_state()
    stylezoo.build_objective(
        ObjectiveConfig(backbone="drawing", terms=(term,)),
        catalog,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    assert torch.equal(torch.random.get_rng_state(), before)


def test_one_pass_an_image_over_the_layers_it_needs(objective):
    image = torch.rand(1, 3, 4, 4)
    targets = objective.targets(image, "content")
    assert objective.backbone.passes == [["a"]]
    targets |= objective.targets(image, "style")
    objective(image, targets)
    assert objective.backbone.passes == [["a"], ["a", "b"], ["a", "b"]]


def test_gradients_reach_the_image_and_no_target(objective):
    image = torch.rand(1, 3, 4, 4, requires_grad=True)
    targets = objective.targets(image, "content") | objective.targets(image, "style")
    assert not any(target.requires_grad for target in targets.values())
    objective(image, targets).total.backward()
    assert image.grad.abs().sum() > 0


def test_losses_see_float32_whatever_the_backbone_runs_in():
    backbone = stylezoo.create_backbone("vgg16", weights="random").to(torch.bfloat16)
    gram = stylezoo.create_loss("gram", layers=("relu1_1",))
    objective = PerceptualObjective(backbone, [Term("style", gram, 1.0)])
    targets = objective.targets(torch.rand(1, 3, 32, 32), "style")
    assert targets["style"]["relu1_1"].dtype == torch.float32


def test_mistakes_are_named(objective):
    tv = stylezoo.create_loss("total-variation")
    with pytest.raises(OptionError, match=r"\['tv', 'tv'\]"):
        PerceptualObjective(Halves(), [Term("tv", tv, 1.0), Term("tv", tv, 1.0)])
    with pytest.raises(OptionError, match=r"not \[\]"):
        PerceptualObjective(Halves(), [])
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="the weight of 'tv'"):
            PerceptualObjective(Halves(), [Term("tv", tv, weight)])
    with pytest.raises(OptionError, match=r"needs the layer 'c'.* it has: a, b"):
        PerceptualObjective(Halves(), [Term("content", Mean("c", "content"), 1.0)])


def test_names_of_no_term_are_refused(objective):
    image = torch.rand(1, 3, 4, 4)
    targets = objective.targets(image, "content") | objective.targets(image, "style")
    unknown = r"no term 'styl' \(did you mean 'style'\?\); it has: content, style, more, tv"
    with pytest.raises(OptionError, match=unknown):
        objective.targets(image, "style", terms=["styl"])
    with pytest.raises(OptionError, match=unknown):
        objective(image, targets, weights={"styl": 5.0})
    with pytest.raises(OptionError, match=unknown):
        objective(image, targets, regions={"styl": Region(torch.ones(4, 4))})
    with pytest.raises(OptionError, match="the origin is 'contnt'; it must be"):
        objective.targets(image, "contnt")


def test_a_target_that_is_missing_is_named(objective):
    image = torch.rand(1, 3, 4, 4)
    with pytest.raises(OptionError, match=r"'content' has no target.*targets\(image, 'content'\)"):
        objective(image, objective.targets(image, "style"))
