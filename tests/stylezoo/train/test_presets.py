"""The presets: Johnson's exact recipe, and what an option replaces."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylezoo.catalog import default_catalog
from stylezoo.cli import train
from stylezoo.errors import OptionError
from stylezoo.train.config import TrainingConfig
from stylezoo.train.start import starting_net


def test_the_paper_preset_is_the_papers_recipe(material):
    """Johnson et al. 2016, section 4.1, before Ulyanov's instance norm."""
    paper = TrainingConfig.preset(
        "paper", style_images={"x": material / "waves.png"}, photos=material
    )
    assert (paper.steps, paper.batch_size, paper.crop_sizes) == (40_000, 4, (256,))
    assert (paper.optimizer, paper.learning_rate, paper.norm_learning_rate) == ("adam", 1e-3, 1e-3)
    assert (paper.schedule, paper.gradient_clip) == ("constant", None)
    assert (paper.backbone, paper.content_layer) == ("vgg16", "relu3_3")
    assert paper.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    assert paper.net_arguments == {"width": 32, "norm": "batch"}
    assert (paper.content_weight, paper.tv_norm) == (1.0, "l2")
    assert (paper.half_crops, paper.average_part, paper.precision) == (0, 0, "fp32")
    with pytest.raises(OptionError, match="there is no preset 'best'; use one of quick, standard"):
        TrainingConfig.preset("best", style_images={}, photos=material)


def test_the_paper_preset_weighs_its_terms_as_the_authors_program(material):
    """Their terms by their own formulas, on features of a VGG16 for pixels up to 255.

    https://github.com/jcjohnson/fast-neural-style: ContentLoss.lua, StyleLoss.lua, GramMatrix.lua,
    TotalVariation.lua. The last adds to the gradient of each picture, the others to that of the
    mean of 4.
    """
    paper = TrainingConfig.preset(
        "paper", style_images={"x": material / "waves.png"}, photos=material
    )
    random = torch.Generator().manual_seed(0)
    shapes = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512}
    ours, theirs, content, style = {}, {}, {}, {}
    for layer, channels in shapes.items():
        for kind in (ours, content, style):
            kind[layer] = torch.rand(1, channels, 8, 8, generator=random)
    image = torch.rand(1, 3, 256, 256, generator=random)
    terms = {term.name: term for term in paper.objective(paper.style_weight).terms}
    catalog = default_catalog()

    def weighted(name, features, target):
        loss = catalog.create_loss(terms[name].loss, **terms[name].options)
        target = None if target is None else loss.target(target)
        return terms[name].weight * loss(features, target).item()

    found = np.array(
        [
            weighted("content", ours, content),
            weighted("style", ours, style),
            weighted("tv", {"image": image}, None),
        ]
    )
    scale = 255 * np.mean([0.229, 0.224, 0.225])  # torchvision's deviations
    caffe = [{k: scale * v.double() for k, v in kind.items()} for kind in (ours, content, style)]
    theirs = [F.mse_loss(caffe[0]["relu3_3"], caffe[1]["relu3_3"]).item(), 0.0, 0.0]
    for layer in shapes:
        grams = []
        for features in (caffe[0], caffe[2]):
            flat = features[layer][0].flatten(1)
            grams.append(flat @ flat.T / flat.numel())
        theirs[1] += 5.0 * F.mse_loss(*grams).item()
    pixels = 255 * image.double()
    for dim in (2, 3):
        theirs[2] += 4 * 1e-6 * pixels.diff(dim=dim).square().sum().item() / 2
    np.testing.assert_allclose(found / found[0], np.array(theirs) / theirs[0], rtol=0.01)


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "museum"),
        ({"base": "none"}, None),
        ({"base": "great-wave"}, "great-wave"),
        ({"width": 8}, None),
        ({"norm": "batch", "base": "none"}, None),
    ],
)
def test_a_net_that_is_described_is_a_fresh_one(material, options, base):
    asked = dict.fromkeys(parameter.name for parameter in train.command.params) | options
    given = train._given(asked, None, options.get("base"))
    paintings = {"x": material / "waves.png"}
    found = TrainingConfig.preset("standard", **given, style_images=paintings, photos=material)
    assert found.base == base
    if base is None:
        start = starting_net(found, default_catalog())
        assert start.net_arguments["width"] == options.get("width", 24)


def test_the_backbones_weights_may_be_a_path(material):
    paintings = {"style_images": {"x": "x.png"}, "photos": material}
    path, text = (
        TrainingConfig(**paintings, backbone_options={"weights": weights})
        for weights in (material / "vgg.safetensors", str(material / "vgg.safetensors"))
    )
    assert json.dumps(path.fingerprint()) == json.dumps(text.fingerprint())


def test_numbers_of_numpy_are_numbers(material):
    """A recipe search may pass numpy values, which are stored as JSON."""
    values = {"style_images": {"x": material / "waves.png"}, "photos": material}
    numpys = TrainingConfig(
        **values,
        steps=np.int64(3),
        batch_size=np.int32(2),
        crop_sizes=tuple(np.array([64, 128])),
        style_weight=np.float32(0.5),
        learning_rate=np.geomspace(1e-3, 1e-2, 3)[0],
    )
    ours = TrainingConfig(
        **values,
        steps=3,
        batch_size=2,
        crop_sizes=(64, 128),
        style_weight=0.5,
        learning_rate=1e-3,
    )
    assert json.dumps(numpys.fingerprint()) == json.dumps(ours.fingerprint())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 2.5, "steps is 2.5; it must be a whole number"),
        ("crop_sizes", ("64",), "crop_sizes is '64'; it must be a whole number"),
        ("crop_sizes", 64, "crop_sizes is 64; write one size as (256,)"),
        (
            "style_images",
            ["a.png"],
            "style_images is ['a.png']; it must map the name of each style to its painting, as in "
            "{'monet': 'lilies.jpg'}",
        ),
        ("learning_rate", "fast", "learning_rate is 'fast'; it must be a number"),
    ],
)
def test_what_is_of_another_type_is_named(material, name, value, message):
    values = {"style_images": {"x": material / "waves.png"}, "photos": material, name: value}
    with pytest.raises(OptionError) as caught:
        TrainingConfig(**values)
    assert str(caught.value) == message
