"""The image transform net of Johnson, Alahi, Fei-Fei 2016 (arXiv 1603.08155, supplement, table 1).

The net keeps the paper's layers and channels (of the table's two versions, the one whose residual
blocks are padded: 256 → 128 → 64 → 128 → 256), with the changes that the field has made since,
each against a visible fault: every convolution pads by reflection (zero padding draws a frame),
upsampling is a resize followed by a convolution (a transposed convolution draws a checkerboard;
Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard), and the norm is chosen by name:
instance norm by default (Ulyanov et al. 2016), or conditional instance norm for several styles in
one net (Dumoulin et al. 2017). The output is affine, kept in range by training and clamped in use,
instead of the paper's scaled tanh, which flattens strong colours.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylezoo import ConditionalNorm, MultiStyleNet, Norm, get_norm
from stylezoo.errors import OptionError

MAX_WIDTH = 256
MAX_RESIDUAL_BLOCKS = 64
MAX_STYLES = 256


@dataclass(frozen=True, kw_only=True)
class JohnsonArguments:
    """What a Johnson net is built from.

    Attributes:
        width: channels of the first convolution; the trunk has four times as many. 32 is the
            paper's 32-64-128. From 1 to 256.
        residual_blocks: the paper has 5. From 0 to 64.
        norm: name of a registered norm, such as ``"instance"`` or ``"batch"``.
        styles: how many the net holds; more than one needs a conditional norm. From 1 to 256.
    """

    width: int = 32
    residual_blocks: int = 5
    norm: str = "instance"
    styles: int = 1

    def __post_init__(self) -> None:
        _check_integer("width", self.width, 1, MAX_WIDTH)
        _check_integer("residual_blocks", self.residual_blocks, 0, MAX_RESIDUAL_BLOCKS)
        _check_integer("styles", self.styles, 1, MAX_STYLES)
        if not isinstance(self.norm, str):
            raise OptionError(f"norm is {self.norm!r}; it must be the name of a registered norm")


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise OptionError(f"{name} is {value!r}; it must be an integer from {low} to {high}")


MARGIN = 2  # pixels of padding on each side of Upsample's output


class Johnson(MultiStyleNet):
    """Maps (B, 3, H, W) in [0, 1] to the same. H and W are multiples of 4, at least 16."""

    Arguments = JohnsonArguments
    stride = 4
    minimum_size = 16

    def __init__(self, arguments: JohnsonArguments) -> None:
        super().__init__()
        self._arguments = arguments
        self.styles = arguments.styles
        norm = _norm_factory(arguments)
        width = arguments.width
        self.encoder = nn.ModuleList(
            [
                ConvolutionBlock(3, width, 9, norm),
                ConvolutionBlock(width, 2 * width, 3, norm, stride=2),
                ConvolutionBlock(2 * width, 4 * width, 3, norm, stride=2),
            ]
        )
        self.residuals = nn.ModuleList(
            ResidualBlock(4 * width, norm) for _ in range(arguments.residual_blocks)
        )
        self.decoder = nn.ModuleList(
            [
                Upsample(),
                ConvolutionBlock(4 * width, 2 * width, 3, norm, margin=MARGIN),
                Upsample(),
                ConvolutionBlock(2 * width, width, 3, norm, margin=MARGIN),
                Convolution(width, 3, 9),
            ]
        )

    @property
    def arguments(self) -> JohnsonArguments:
        """What this net was built from."""
        return self._arguments

    def forward(self, images: Tensor, style: Tensor | None = None) -> Tensor:
        """Stylise; see ``MultiStyleNet.forward``."""
        if style is None:
            if self.styles > 1:
                raise OptionError(
                    f"the net holds {self.styles} styles; give the style of each image"
                )
            style = images.new_ones(len(images), 1)
        # The trunk sees values around zero and starts near mid-grey; both speed up training.
        features = images * 2 - 1
        for block in (*self.encoder, *self.residuals, *self.decoder):
            features = block(features, style)
        images = features * 0.5 + 0.5
        return images if self.training else images.clamp(0, 1)

    def blend(self, style: Sequence[float]) -> Johnson:
        """The net of one style that equals this one for a mixture; it shares the convolutions."""
        norms = [(n, m) for n, m in self.named_modules() if isinstance(m, ConditionalNorm)]
        if not norms:
            return self
        arguments = replace(self.arguments, norm=norms[0][1].blended, styles=1)
        with torch.device("meta"):  # nothing is drawn at random: all tensors are replaced here
            net = Johnson(arguments).train(self.training)
        self._share_convolutions(net)
        with _without_autocast(self):
            for name, norm in norms:
                like = next(norm.parameters())
                shares = torch.tensor(style, dtype=like.dtype, device=like.device)
                net.set_submodule(name, norm.blend(shares))
        return net

    def with_norm(self, norm: str) -> Johnson:
        """The net with norms of another kind; see ``MultiStyleNet.with_norm``."""
        if norm == self.arguments.norm:
            return self
        net = Johnson(replace(self.arguments, norm=norm)).train(self.training)
        net = net.to(next(self.parameters()))
        learnt, state = self.state_dict(), net.state_dict()
        if lost := sorted(key for key in learnt if key not in state):
            raise OptionError(
                f"norms {norm!r} cannot replace {self.arguments.norm!r}: they "
                f"have no {lost[0].rpartition('.')[2]}; keep the norms of the net"
            )
        net.load_state_dict({**state, **learnt})
        self._share_convolutions(net)
        if not _draw_the_same(self, net):
            raise OptionError(
                f"norms {norm!r} cannot replace {self.arguments.norm!r}: with "
                "the same parameters they draw something else; keep the norms of the net"
            )
        return net

    def _share_convolutions(self, net: Johnson) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                net.set_submodule(name, module)

    def widen(self, width: int) -> Johnson:
        """The same function with more channels; see ``stylezoo_johnson.widen``."""
        from stylezoo_johnson.widen import widened

        return widened(self, width)


def _without_autocast(net: Johnson) -> AbstractContextManager[object]:
    """Compute in a net's own dtype, whatever the calling program does."""
    kind = next(net.parameters()).device.type
    if not torch.amp.is_autocast_available(kind):  # such as "meta"
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def _draw_the_same(first: Johnson, second: Johnson) -> bool:
    size = (1, 3, Johnson.minimum_size, Johnson.minimum_size)
    images = torch.rand(size, generator=torch.Generator().manual_seed(0))
    images = images.to(next(first.parameters()).device)
    style = images.new_full((1, first.styles), 1 / first.styles)
    with torch.no_grad(), _without_autocast(first):
        # In float32: half precision rounds by more than the tolerance.
        one, other = (copy.deepcopy(net).eval().float()(images, style) for net in (first, second))
    return torch.allclose(one, other, atol=1e-3)


def _norm_factory(arguments: JohnsonArguments) -> Norm:
    norm = get_norm(arguments.norm)
    if isinstance(norm, type) and issubclass(norm, ConditionalNorm):
        return partial(norm, styles=arguments.styles)
    if arguments.styles > 1:
        raise OptionError(
            f"{arguments.norm!r} cannot tell {arguments.styles} styles apart; "
            "choose a conditional norm, such as 'conditional-instance'"
        )
    return norm


class Convolution(nn.Conv2d):
    """A convolution that pads by reflection, for any style.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel: side of the kernel.
        stride: of the convolution.
        margin: pixels on each side of the input that are padding already. Missing padding is
            added, excess is cropped from the output.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, margin: int = 0
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=kernel // 2,
            padding_mode="reflect",
        )
        self.missing = kernel // 2 - margin

    def forward(self, features: Tensor, style: Tensor | None = None) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        if self.missing > 0:
            features = _pad(features, self.missing, "reflect")
        output = F.conv2d(features, self.weight, self.bias, self.stride)
        return output if self.missing >= 0 else F.pad(output, (self.missing,) * 4)


def _pad(features: Tensor, margin: int, mode: str) -> Tensor:
    """Pad (B, C, H, W) on each side, in its own dtype.

    Autocast on CPUs would pad in float32, and the convolution would convert that back: a fifth of
    the time of a pass through the net in training.
    """
    padding = (margin, margin, margin, margin)
    if not torch.is_autocast_enabled("cpu"):  # so that exported graphs have no trace of it
        return F.pad(features, padding, mode=mode)
    with torch.autocast("cpu", enabled=False):
        return F.pad(features, padding, mode=mode)


class ConvolutionBlock(nn.Module):
    """A convolution, a norm and a ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        norm: Norm,
        stride: int = 1,
        margin: int = 0,
    ) -> None:
        super().__init__()
        self.conv = Convolution(in_channels, out_channels, kernel, stride, margin)
        self.norm = norm(out_channels)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        return F.relu(normalize(self.norm, self.conv(features), style))


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with a skip connection and no ReLU after the sum.

    Source: the supplement of Johnson et al. 2016, figure 1, after Gross and Wilber 2016.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.block = nn.ModuleList(
            [
                ConvolutionBlock(channels, channels, 3, norm),
                Convolution(channels, channels, 3),
                norm(channels),
            ]
        )

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        first, convolution, norm = self.block
        return features + normalize(norm, convolution(first(features, style)), style)


def normalize(norm: nn.Module, features: Tensor, style: Tensor) -> Tensor:
    """Apply a norm, conditional or not: (B, C, h, w) to the same shape."""
    normalized: Tensor
    normalized = norm(features, style) if isinstance(norm, ConditionalNorm) else norm(features)
    return normalized


class Upsample(nn.Module):
    """Nearest-neighbour upsampling by two: the first half of a resize-convolution.

    It includes the padding of the following convolution: next to a border, reflection repeats the
    border pixel, and so does upsampling. Padding the small features saves a copy of the large
    ones, the largest of the net: a fifth of its memory, and of its time on a CPU.
    """

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, 2 h + 2 MARGIN, 2 w + 2 MARGIN)."""
        padded = _pad(features, MARGIN // 2, "replicate")
        return F.interpolate(padded, scale_factor=2.0, mode="nearest")
