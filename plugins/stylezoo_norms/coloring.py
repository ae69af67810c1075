"""Instance norm with coloring: normalised channels are mixed, not only scaled.

The scale of a norm is a vector, one number per channel. Coloring replaces it with a matrix, which
gives channels correlation as well as variance (Siarohin, Sangineto, Sebe 2019, arXiv 1806.00420,
section 3.1, there after whitening instead of instance norm). A full matrix for each layer would be
a tenth of the net. As adapters of language models have shown, a low-rank change is enough (Hu
et al. 2021, arXiv 2106.09685, section 4.1): the matrix here is the diagonal of an ordinary scale
plus the product of two thin matrices. With one of them at zero, it starts as instance norm.

A style added to a pack by its norms alone comes closer to one whose net is trained whole, for a few
kilobytes more; docs/training-experiments.md has figures.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylezoo_norms.conditional import ConditionalInstanceNorm
from stylezoo_norms.normalize import normalize_instances

RANK = 4  # mixing in groups of 8 channels, with as many numbers, did about as well


class InstanceColoring(nn.Module):
    """Instance norm, then a matrix and a shift: (B, C, H, W) to the same shape.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.reads = nn.Parameter(torch.randn(RANK, channels) / math.sqrt(channels))
        self.writes = nn.Parameter(torch.zeros(channels, RANK))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each channel of each image, then mix the channels."""
        normalized = normalize_instances(features)
        matrix = torch.diag(self.weight) + self.writes @ self.reads
        return _mix(normalized, matrix, self.bias)


def _mix(features: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Mix the channels of (B, C, H, W) with a matrix (C, C), and add a shift (C)."""
    return F.conv2d(features, matrix[..., None, None].to(features.dtype), shift.to(features.dtype))


class ConditionalInstanceColoring(ConditionalInstanceNorm):
    """Conditional instance norm with a matrix per style instead of a scale."""

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__(channels, styles)
        self.reads = nn.Parameter(torch.randn(styles, RANK, channels) / math.sqrt(channels))
        self.writes = nn.Parameter(torch.zeros(styles, channels, RANK))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Normalise (B, C, H, W), then mix the channels as the shares (B, styles) say."""
        matrices = torch.diag_embed(self.weight) + self.writes @ self.reads
        mixed = torch.einsum("bs,scd->bcd", style, matrices)
        images = normalize_instances(features).split(1)
        shifts = style @ self.bias
        return torch.cat([_mix(*image) for image in zip(images, mixed, shifts, strict=True)])

    def blend(self, style: Tensor) -> nn.Module:
        """Instance norm with the mixture's matrix and shift.

        A mixture has the thin matrices of all its styles side by side: the product of their means
        would multiply each style's by those of the others.
        """
        with torch.device("meta"):  # nothing is drawn at random: all tensors are replaced here
            norm = InstanceColoring(self.weight.shape[1])
        taken = style.nonzero().flatten()
        writes = style[taken, None, None] * self.writes[taken]
        mixture = {
            "weight": style @ self.weight,
            "bias": style @ self.bias,
            "reads": self.reads[taken].flatten(0, 1),
            "writes": writes.permute(1, 0, 2).flatten(1),
        }
        learnt = self.weight.requires_grad
        for name, numbers in mixture.items():
            setattr(norm, name, nn.Parameter(numbers.detach(), requires_grad=learnt))
        return norm

    @property
    def blended(self) -> str:
        """Instance norm with coloring."""
        return "instance-coloring"
