"""Winograd's minimal filtering for frozen 3×3 convolutions in bfloat16 on CPUs.

F(2×2, 3×3) of Lavin & Gray 2015 (arXiv 1509.09308, section 4.1): tiles of 4×4 inputs, overlapping
by two, give 2×2 outputs with 16 multiplications per pair of channels instead of 36. The products
over the channels are 16 matrix products; the sums around them cost memory traffic, which pays off
from 256 channels on, unless the CPU multiplies matrices so fast (Intel's AMX) that the direct
convolution takes a third of the time of the sums. The outputs' error in bfloat16 is about two and a
half times that of the direct convolution, 0.6 % against 0.24 %.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

MINIMUM_CHANNELS = 256

# The matrix G of Lavin & Gray 2015: a row of three taps to four.
_TAPS = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


@cache
def has_amx() -> bool:
    """Whether the CPU has Intel's matrix unit, AMX, for bfloat16."""
    return bool(torch.cpu.get_capabilities().get("amx_bf16", False))


class FrozenConvolution(nn.Conv2d):
    """A 3×3 convolution with padding 1 and frozen weights, by Winograd where that is faster.

    Elsewhere (CPUs with AMX, other dtypes, devices and layouts, few channels, odd sizes) it is a
    plain ``nn.Conv2d``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, device=device, dtype=dtype)
        self._transformed: tuple[tuple[int, int], Tensor, Tensor] | None = None

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        if not self._pays_off(features):
            return super().forward(features)
        forwards, backwards = self._filters()
        output: Tensor = _Winograd.apply(features, forwards, backwards)  # type: ignore[no-untyped-call]
        return output if self.bias is None else output + self.bias.view(-1, 1, 1)

    def _pays_off(self, features: Tensor) -> bool:
        return (
            features.dtype == self.weight.dtype == torch.bfloat16
            and features.device.type == "cpu"
            and not self.weight.requires_grad
            and self.in_channels >= MINIMUM_CHANNELS
            and features.shape[2] % 2 == 0
            and features.shape[3] % 2 == 0
            and features.is_contiguous(memory_format=torch.channels_last)
            and not has_amx()
        )

    def _filters(self) -> tuple[Tensor, Tensor]:
        """The transformed filters for output and gradient, cached until the weights change."""
        state = (self.weight.data_ptr(), self.weight._version)
        if self._transformed is None or self._transformed[0] != state:
            weight = self.weight.detach().float()
            # The gradient is a convolution too, with the filters rotated by 180 degrees.
            turned = weight.flip(2, 3).transpose(0, 1)
            self._transformed = (state, _transform_filters(weight), _transform_filters(turned))
        return self._transformed[1:]


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, forwards: Tensor, backwards: Tensor) -> Tensor:
        ctx.backwards = backwards
        return _convolve(features, forwards)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _convolve(grad, ctx.backwards), None, None


def _transform_filters(weight: Tensor) -> Tensor:
    """G g Gᵀ of each filter: (O, I, 3, 3) to (16, I, O) in bfloat16."""
    taps = torch.tensor(_TAPS)
    filters = torch.einsum("ai,ocij,bj->abco", taps, weight, taps)
    return filters.flatten(0, 1).to(torch.bfloat16).contiguous()


def _convolve(features: Tensor, filters: Tensor) -> Tensor:
    """Convolve (B, I, H, W) with transformed filters (16, I, O): (B, O, H, W), channels-last."""
    pixels = features.permute(0, 2, 3, 1)
    batch, height, width, channels = pixels.shape
    pixels = F.pad(pixels, (0, 0, 1, 1, 1, 1))
    # Bᵀ d B: first the tiles' four rows, each half the image's height, then their columns.
    rows = pixels.new_empty(4, batch, height // 2, width + 2, channels)
    _transform([pixels[:, i : i + height - 1 : 2] for i in range(4)], list(rows))
    tiles = pixels.new_empty(4, 4, batch, height // 2, width // 2, channels)
    _transform([rows[:, :, :, i : i + width - 1 : 2] for i in range(4)], list(tiles.unbind(1)))
    products = torch.bmm(tiles.view(16, -1, channels), filters)
    products = products.view(4, 4, batch, height // 2, width // 2, -1)
    # Aᵀ m A, the same way back.
    lines = products.new_empty(4, batch, height // 2, width // 2, 2, products.shape[-1])
    _restore(products.unbind(1), lines.unbind(4))
    output = products.new_empty(batch, height // 2, 2, width // 2, 2, products.shape[-1])
    _restore(lines, output.unbind(2))
    return output.view(batch, height, width, -1).permute(0, 3, 1, 2)


def _transform(d: Any, out: Any) -> None:
    """Bᵀ: four values to four."""
    torch.sub(d[0], d[2], out=out[0])
    torch.add(d[1], d[2], out=out[1])
    torch.sub(d[2], d[1], out=out[2])
    torch.sub(d[1], d[3], out=out[3])


def _restore(m: Any, out: Any) -> None:
    """Aᵀ: four values to two."""
    torch.add(m[0], m[1] + m[2], out=out[0])
    torch.sub(m[1] - m[2], m[3], out=out[1])
