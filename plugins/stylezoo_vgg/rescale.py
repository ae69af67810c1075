"""The rescaled VGG of Gatys et al. 2015, section 4: every filter has the mean activation 1.

ReLU and both poolings commute with a positive factor, so a filter can be divided by its mean
activation and the next layer's weights for it multiplied: deeper layers see what they saw before.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from stylezoo import Backbone
from stylezoo.errors import OptionError

# Means over the 902 photos that the curated styles were trained on, at 299 × 299 pixels.
MEANS = Path(__file__).parent / "mean-activations.safetensors"


def mean_activations(net: Backbone, images: Iterable[Tensor]) -> dict[str, Tensor]:
    """The mean activation of each filter after its ReLU, over images and positions.

    Args:
        net: a VGG.
        images: each (B, 3, H, W) in [0, 1].

    Returns:
        (C,) for each layer ``reluB_C``.
    """
    layers = [layer for layer in net.layers if layer.startswith("relu")]
    totals = {layer: torch.zeros(1) for layer in layers}
    count = 0
    with torch.no_grad():
        for image in images:
            for layer, features in net(image, layers).items():
                totals[layer] = totals[layer] + features.float().mean(dim=(2, 3)).sum(dim=0)
            count += len(image)
    return {layer: total / count for layer, total in totals.items()}


def rescale(convolutions: Iterable[nn.Conv2d], means: Iterable[Tensor]) -> None:
    """Divide each convolution's filters by their mean activations, in place.

    A filter that is never active keeps its scale.
    """
    before = torch.ones(3)
    with torch.no_grad():
        for convolution, mean in zip(convolutions, means, strict=True):
            scale = torch.where(mean > 0, mean, 1.0)
            convolution.weight.mul_(before[None, :, None, None] / scale[:, None, None, None])
            assert convolution.bias is not None
            convolution.bias.div_(scale)
            before = scale


def stored_means(architecture: str, weights: str | Path) -> list[Tensor]:
    """The stored means for pretrained weights, shallow to deep.

    Raises:
        OptionError: the weights are not caffe_q8 of vgg19, the only ones with stored means.
    """
    if (architecture, weights) != ("vgg19", "caffe_q8"):
        raise OptionError(
            f"rescaled only works with weights='caffe_q8' of vgg19, not with {str(weights)!r} of "
            f"{architecture}; leave it out"
        )
    from safetensors.torch import load_file

    means = load_file(MEANS)
    return [means[layer].float() for layer in sorted(means)]
