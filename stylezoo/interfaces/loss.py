"""The loss: one term of a perceptual objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

IMAGE = "image"
"""The key of the images themselves in the features passed to a loss."""


class Loss(nn.Module, ABC):
    """A term that compares features of an image with a target computed once.

    ``features`` maps every layer in ``self.layers`` to a (B, C, h, w) tensor, and ``"image"`` to
    the images themselves, (B, 3, H, W) RGB in [0, 1]; a loss on pixels names no layer and reads
    only that.

    Attributes:
        target_from: the image whose features make the target: the content photo, the style
            picture, or none (a regulariser such as total variation).
        needs_grid: whether it depends on which positions are neighbours. Otherwise it treats
            features as a set of positions, can be restricted to a region, and then receives
            (B, C, 1, K) for the K positions of the region.
        own_precision: whether it takes features in the dtype of the backbone, which may be
            bfloat16, and manages precision itself. Others receive float32 or higher.
    """

    target_from: ClassVar[Literal["content", "style"] | None]
    needs_grid: ClassVar[bool] = False
    own_precision: ClassVar[bool] = False

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The backbone layers this loss reads; empty if it needs only the image."""

    def target(self, features: Mapping[str, Tensor]) -> Any:
        """Compute the target of ``forward`` from the features of the content or style image.

        It runs once per image, without gradients. A loss without a target returns None.
        """
        return None

    @abstractmethod
    def forward(self, features: Mapping[str, Tensor], target: Any) -> Tensor:
        """Return a scalar: the mean of the term over the B images.

        Args:
            features: features of the images to judge.
            target: what ``self.target`` returned. A target made from one image serves any B.
        """
