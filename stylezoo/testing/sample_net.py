"""A small net that needs no plugin, for testing runtimes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from stylezoo.interfaces.net import TransformNet
from stylezoo.seeding import seeded


@dataclass(frozen=True, kw_only=True)
class SampleArguments:
    """None are needed."""


class SampleNet(TransformNet):
    """A strided convolution, a resize back, and another convolution, added to the images."""

    Arguments = SampleArguments
    stride = 4
    minimum_size = 16

    def __init__(self, arguments: Any) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.up = nn.Conv2d(8, 3, 3, padding=1, padding_mode="reflect")

    def forward(self, images: Tensor) -> Tensor:
        """Stylise; see ``TransformNet.forward``."""
        features: Tensor = self.norm(self.down(images)).relu()
        features = nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")
        styled: Tensor = 0.3 * self.up(features) + images
        return styled if self.training else styled.clamp(0, 1)


def sample_net() -> SampleNet:
    """The net in eval mode, the same each time."""
    with seeded():
        return SampleNet(SampleArguments()).eval().requires_grad_(False)
