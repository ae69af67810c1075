"""The image transform net of Johnson, Alahi, Fei-Fei 2016 (arXiv 1603.08155, supplement, table 1).

The net keeps the paper's layers and channels (of the table's two versions, the one whose residual
blocks are padded: 256 → 128 → 64 → 128 → 256), and takes the changes that the field made since,
each against a visible fault: every convolution pads by reflection (zero padding draws a frame),
upsampling
is a resize followed by a convolution (a transposed convolution draws a checkerboard; Odena et al.
2016, https://distill.pub/2016/deconv-checkerboard), and the norm is chosen by name, instance norm
by default (Ulyanov et al. 2016). The output is affine with the range pulled in by training and
clamped in use, in place of the paper's scaled tanh, which flattens strong colours.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylezoo import Norm, TransformNet, get_norm
from stylezoo.errors import OptionError

MAX_WIDTH = 256
MAX_RESIDUAL_BLOCKS = 64


@dataclass(frozen=True, kw_only=True)
class JohnsonArguments:
    """What a Johnson net is built from.

    Attributes:
        width: channels of the first convolution; the trunk has four times as many. 32 is the
            paper's 32-64-128. From 1 to 256.
        residual_blocks: the paper has 5. From 0 to 64.
        norm: a registered norm, such as ``"instance"`` or ``"batch"``.
    """

    width: int = 32
    residual_blocks: int = 5
    norm: str = "instance"

    def __post_init__(self) -> None:
        _check_integer("width", self.width, 1, MAX_WIDTH)
        _check_integer("residual_blocks", self.residual_blocks, 0, MAX_RESIDUAL_BLOCKS)
        if not isinstance(self.norm, str):
            raise OptionError(f"norm is {self.norm!r}; it must be the name of a registered norm")


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise OptionError(f"{name} is {value!r}; it must be an integer from {low} to {high}")


class Johnson(TransformNet):
    """The net: (B, 3, H, W) in [0, 1] to the same. H and W are multiples of 4, at least 16."""

    Arguments = JohnsonArguments
    stride = 4
    minimum_size = 16

    def __init__(self, arguments: JohnsonArguments) -> None:
        super().__init__()
        norm = get_norm(arguments.norm)
        width = arguments.width
        self.encoder = nn.Sequential(
            _convolution_block(3, width, 9, norm),
            _convolution_block(width, 2 * width, 3, norm, stride=2),
            _convolution_block(2 * width, 4 * width, 3, norm, stride=2),
        )
        self.residuals = nn.Sequential(
            *(ResidualBlock(4 * width, norm) for _ in range(arguments.residual_blocks))
        )
        self.decoder = nn.Sequential(
            Upsample(),
            _convolution_block(4 * width, 2 * width, 3, norm),
            Upsample(),
            _convolution_block(2 * width, width, 3, norm),
            _convolution(width, 3, 9),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Stylise; see ``TransformNet.forward``."""
        # The trunk sees values around zero, and starts near mid-grey: both speed up training.
        images = images * 2 - 1
        images = self.decoder(self.residuals(self.encoder(images)))
        images = images * 0.5 + 0.5
        return images if self.training else images.clamp(0, 1)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a skip connection and no ReLU after the sum.

    Source: the supplement of Johnson et al. 2016, figure 1, after Gross and Wilber 2016.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.block = nn.Sequential(
            _convolution_block(channels, channels, 3, norm),
            _convolution(channels, channels, 3),
            norm(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        result: Tensor = features + self.block(features)
        return result


class Upsample(nn.Module):
    """Nearest-neighbour upsampling by two: the first half of a resize-convolution."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, 2h, 2w)."""
        return F.interpolate(features, scale_factor=2.0, mode="nearest")


def _convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride,
        padding=kernel // 2,
        padding_mode="reflect",
    )


def _convolution_block(
    in_channels: int, out_channels: int, kernel: int, norm: Norm, stride: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=_convolution(in_channels, out_channels, kernel, stride),
            norm=norm(out_channels),
            relu=nn.ReLU(),
        )
    )


def from_pytorch_example(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Map the state dict of PyTorch's ``fast_neural_style`` example to this net's names.

    That net (github.com/pytorch/examples, fast_neural_style, ``TransformerNet``) has the same
    layers at width 32 with instance norm. Old checkpoints carry running statistics, which that
    net never used, and a ``module.`` prefix; both are dropped. Its values run over [0, 255] at
    both ends, while this net maps [0, 1] to [-1, 1] inside and back by a half: the first
    convolution and the last take the change of scale.

    Args:
        state_dict: as the example saves it.

    Returns:
        A state dict for ``Johnson(JohnsonArguments(width=32, norm="instance"))``.
    """
    prefixes = dict(_pytorch_example_prefixes())
    mapped = {}
    for name, tensor in state_dict.items():
        prefix, _, leaf = name.removeprefix("module.").rpartition(".")
        if leaf not in ("weight", "bias"):
            continue
        mapped[f"{prefixes[prefix]}.{leaf}"] = tensor.clone()
    first, last = "encoder.0.conv", "decoder.4"
    # conv(255 x) with x = (y + 1) / 2 is a convolution of y and a constant. Reflection padding
    # keeps the constant whole at the borders.
    weight = mapped[f"{first}.weight"] * 127.5
    mapped[f"{first}.weight"] = weight
    mapped[f"{first}.bias"] = mapped[f"{first}.bias"] + weight.sum(dim=(1, 2, 3))
    mapped[f"{last}.weight"] = mapped[f"{last}.weight"] / 127.5
    mapped[f"{last}.bias"] = mapped[f"{last}.bias"] / 127.5 - torch.ones(())
    return mapped


def _pytorch_example_prefixes() -> list[tuple[str, str]]:
    pairs = []
    for number in range(3):
        pairs.append((f"conv{number + 1}.conv2d", f"encoder.{number}.conv"))
        pairs.append((f"in{number + 1}", f"encoder.{number}.norm"))
    for number in range(5):
        theirs, ours = f"res{number + 1}", f"residuals.{number}.block"
        pairs.append((f"{theirs}.conv1.conv2d", f"{ours}.0.conv"))
        pairs.append((f"{theirs}.in1", f"{ours}.0.norm"))
        pairs.append((f"{theirs}.conv2.conv2d", f"{ours}.1"))
        pairs.append((f"{theirs}.in2", f"{ours}.2"))
    for number, index in ((1, 1), (2, 3)):
        pairs.append((f"deconv{number}.conv2d", f"decoder.{index}.conv"))
        pairs.append((f"in{number + 3}", f"decoder.{index}.norm"))
    pairs.append(("deconv3.conv2d", "decoder.4"))
    return pairs
