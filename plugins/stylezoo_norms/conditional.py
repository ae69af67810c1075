"""Conditional instance norm: many styles in one net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stylezoo import ConditionalNorm
from stylezoo_norms.normalize import normalize_instances
from stylezoo_norms.norms import InstanceNorm


class ConditionalInstanceNorm(ConditionalNorm):
    """Instance norm with a scale and a shift for each style and channel.

    Source: Dumoulin, Shlens, Kudlur 2017 (arXiv 1610.07629), "N-styles feedforward style transfer
    networks": the styles of a net share all convolutions and only differ in these two rows of
    numbers per layer. A mixture of styles is a mixture of their rows ("arbitrarily combine painting
    styles").

    Args:
        channels: C.
        styles: how many.
    """

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__(channels, styles)
        self.weight = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Normalise (B, C, H, W) with the rows mixed by the shares (B, styles)."""
        return normalize_instances(features, style @ self.weight, style @ self.bias)

    def blend(self, style: Tensor) -> nn.Module:
        """Instance norm with the mixture's scale and shift."""
        norm = InstanceNorm(self.weight.shape[1])
        learnt = self.weight.requires_grad
        norm.weight = nn.Parameter((style @ self.weight).detach(), requires_grad=learnt)
        norm.bias = nn.Parameter((style @ self.bias).detach(), requires_grad=learnt)
        return norm

    @property
    def blended(self) -> str:
        """Instance norm."""
        return "instance"
