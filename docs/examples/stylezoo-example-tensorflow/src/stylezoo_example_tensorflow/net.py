"""The net of fast-style-transfer for TensorFlow (github.com/lengstrom/fast-style-transfer).

It differs from ``johnson`` in what makes its weights useless there: convolutions pad with zeros,
by TensorFlow's rule "SAME"; the size comes back by transposed convolutions; no convolution has a
bias; the last is normalised too, with an epsilon of a thousandth in all norms; and the output is a
scaled tanh. Source: src/transform.py of that project, followed here in other words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from stylezoo import TransformNet
from stylezoo.errors import OptionError

LEVELS = 255  # the net computes in levels, 0 to 255
REACH = 150  # of the tanh to either side of the middle, in levels
EPSILON = 1e-3


@dataclass(frozen=True, kw_only=True)
class TensorFlowArguments:
    """What the net is built from.

    Attributes:
        width: channels of the first convolution; the trunk has four times as many. From 1 to 256.
        residual_blocks: from 0 to 64.
    """

    width: int = 32
    residual_blocks: int = 5

    def __post_init__(self) -> None:
        # Records come from others: nothing may be allocated before it is checked.
        for name, low, high in (("width", 1, 256), ("residual_blocks", 0, 64)):
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise OptionError(
                    f"{name} is {value!r}; it must be an integer from {low} to {high}"
                )


class TensorFlowNet(TransformNet):
    """The net: (B, 3, H, W) in [0, 1] to the same."""

    Arguments = TensorFlowArguments
    stride = 4
    minimum_size = 8  # at 4 × 4 the trunk is one pixel, which has no variance to divide by

    def __init__(self, arguments: TensorFlowArguments) -> None:
        super().__init__()
        width = arguments.width
        trunk = 4 * width
        self.encoder = nn.ModuleList(
            [
                SameConvolution(3, width, 9),
                SameConvolution(width, 2 * width, 3, stride=2),
                SameConvolution(2 * width, trunk, 3, stride=2),
            ]
        )
        self.residuals = nn.ModuleList(
            nn.ModuleList([SameConvolution(trunk, trunk, 3), SameConvolution(trunk, trunk, 3)])
            for _ in range(arguments.residual_blocks)
        )
        self.decoder = nn.ModuleList(
            [
                TransposedConvolution(trunk, 2 * width),
                TransposedConvolution(2 * width, width),
                SameConvolution(width, 3, 9),
            ]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Stylise; see ``TransformNet.forward``."""
        features = images * LEVELS
        for layer in self.encoder:
            features = layer(features).relu()
        for first, second in self.residuals:
            features = features + second(first(features).relu())
        enlarge, enlarge_again, last = self.decoder
        features = enlarge_again(enlarge(features).relu()).relu()
        levels = last(features).tanh() * REACH + LEVELS / 2
        images = levels / LEVELS
        return images if self.training else images.clamp(0, 1)


class SameConvolution(nn.Module):
    """A convolution with TensorFlow's SAME padding, and instance norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        # As many zeros as the output's size needs; an odd one goes below and to the right. For
        # even sizes, which the net's stride sees to, that is known beforehand.
        zeros = kernel - stride
        self.padding = (zeros // 2, zeros - zeros // 2) * 2
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, bias=False)
        self.norm = nn.InstanceNorm2d(out_channels, eps=EPSILON, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        output: Tensor = self.norm(self.conv(F.pad(features, self.padding)))
        return output


class TransposedConvolution(nn.Module):
    """A transposed convolution of stride 2 with SAME padding, and instance norm."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, bias=False)
        self.norm = nn.InstanceNorm2d(out_channels, eps=EPSILON, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, h, w) to (B, out_channels, 2h, 2w)."""
        height, width = features.shape[-2:]
        # The gradient of a convolution that padded below and to the right: cut off there.
        enlarged = self.conv(features)[..., : 2 * height, : 2 * width]
        output: Tensor = self.norm(enlarged)
        return output
