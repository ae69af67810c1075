"""The transform net ``new-name``."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

import stylezoo
from stylezoo.errors import OptionError

MAX_WIDTH = 256


@dataclass(frozen=True, kw_only=True)
class NewNameArguments:
    """The arguments that the net is built from; the record of a style stores them.

    Attributes:
        width: number of channels of the first convolution, from 1 to 256.
        norm: a registered norm, such as ``"instance"`` or ``"batch"``.
    """

    width: int = 16
    norm: str = "instance"

    def __post_init__(self) -> None:
        # Records come from other people: check values before allocating anything.
        if not isinstance(self.width, int) or not 1 <= self.width <= MAX_WIDTH:
            raise OptionError(
                f"width is {self.width!r}; it must be an integer from 1 to {MAX_WIDTH}"
            )
        if not isinstance(self.norm, str):
            raise OptionError(f"norm is {self.norm!r}; it must be the name of a registered norm")


class NewNameNet(stylezoo.TransformNet):
    """Halves the size and doubles the channels, then back again. CHANGE THIS to your layers."""

    Arguments = NewNameArguments
    stride = 2  # H and W must be multiples of it: the caller pads and crops
    minimum_size = 8

    def __init__(self, arguments: NewNameArguments) -> None:
        super().__init__()
        width, norm = arguments.width, stylezoo.get_norm(arguments.norm)
        self.encode = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2, padding_mode="reflect"),
            norm(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, padding_mode="reflect"),
            norm(2 * width),
            nn.ReLU(),
        )
        self.shrink = nn.Conv2d(2 * width, width, 3, padding=1, padding_mode="reflect")
        self.decode = nn.Conv2d(width, 3, 5, padding=2, padding_mode="reflect")

    def forward(self, images: Tensor) -> Tensor:
        """Stylise; see ``TransformNet.forward``."""
        features = self.encode(images * 2 - 1)
        # Resize, then convolve: a transposed convolution would leave a checkerboard pattern.
        features = F.interpolate(features, scale_factor=2, mode="nearest")
        images = self.decode(self.shrink(features).relu()) * 0.5 + 0.5
        return images if self.training else images.clamp(0, 1)
