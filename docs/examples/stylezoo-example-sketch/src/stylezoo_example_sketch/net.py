"""The net ``sketch``: extended differences of Gaussians as a net with weights.

Source: Winnemöller, Kyprianidis, Olsen 2012 ("XDoG: An eXtended difference-of-Gaussians compendium
including advanced image stylization", Computers & Graphics 36), equations 5 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylezoo import TransformNet
from stylezoo.errors import OptionError

LARGEST_KERNEL = 63
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, kw_only=True)
class SketchArguments:
    """What the net is built from.

    Attributes:
        kernel: side of its filter in pixels, odd, from 3 to 63.
    """

    kernel: int = 9

    def __post_init__(self) -> None:
        integer = isinstance(self.kernel, int) and not isinstance(self.kernel, bool)
        if not integer or not 3 <= self.kernel <= LARGEST_KERNEL or self.kernel % 2 == 0:
            raise OptionError(
                f"kernel is {self.kernel!r}; it must be an odd integer from 3 to {LARGEST_KERNEL}"
            )


class Sketch(TransformNet):
    """Ink where the filter's response falls below a threshold, paper elsewhere.

    As built, it holds the weights of a plain difference of Gaussians.
    """

    Arguments = SketchArguments
    stride = 1

    def __init__(self, arguments: SketchArguments) -> None:
        super().__init__()
        side = arguments.kernel
        self.minimum_size = side // 2 + 1  # the least that reflects
        self.filter = nn.Conv2d(1, 1, side, padding=side // 2, padding_mode="reflect", bias=False)
        with torch.no_grad():
            self.filter.weight.copy_(difference_of_gaussians(side, side / 9)[None, None])
        self.threshold = nn.Parameter(torch.tensor(0.0))
        self.sharpness = nn.Parameter(torch.tensor(20.0))
        self.ink = nn.Parameter(torch.zeros(3))
        self.paper = nn.Parameter(torch.ones(3))

    def forward(self, images: Tensor) -> Tensor:
        """Draw; see ``TransformNet.forward``."""
        weights = images.new_tensor(LUMINANCE)[:, None, None]
        response = self.filter((images * weights).sum(dim=1, keepdim=True))
        below = (response - self.threshold).clamp(max=0)
        tone = 1 + torch.tanh(self.sharpness * below)  # 1 is paper, 0 is ink
        images = self.paper[:, None, None] * tone + self.ink[:, None, None] * (1 - tone)
        return images if self.training else images.clamp(0, 1)


def difference_of_gaussians(side: int, deviation: float, share: float = 0.98) -> Tensor:
    """A Gaussian less a share of one that is 1.6 times as wide, (side, side).

    Args:
        side: of the filter, pixels.
        deviation: of the narrower one, pixels.
        share: of the wider one that is taken away; 1 takes all of a flat picture.
    """
    offsets = torch.arange(side, dtype=torch.float64) - side // 2
    squares = offsets.square()[:, None] + offsets.square()
    narrow, wide = (torch.exp(-squares / (2 * d**2)) for d in (deviation, 1.6 * deviation))
    return (narrow / narrow.sum() - share * wide / wide.sum()).float()
