"""The objective as published: its formulas in float64, and its gradients."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

import stylezoo
from stylezoo import OptimizationConfig, open_photo
from stylezoo.catalog import default_catalog
from tests.tiny_optimization import small


def features_in_float64(image, backbone, layers):
    """Functional VGG19 with average pooling in float64: what the backbone should compute."""
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
        # Each filter is the same up to its own factor...
        scaled = after[layer] * ratio.nan_to_num()[:, None, None]
        assert torch.allclose(scaled, before[layer], rtol=1e-3, atol=1e-3 * before[layer].max())
        # ... which makes the mean 1, but on other, larger photos.
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
