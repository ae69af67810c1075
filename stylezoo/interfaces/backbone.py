"""The backbone: the pretrained network whose features a loss compares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """A pretrained feature extractor, the *loss network* of Johnson et al. 2016, section 3.

    A backbone owns its preprocessing: it takes float RGB in [0, 1] and applies the range, channel
    order and mean that its weights were trained with. It is frozen: no parameter requires a
    gradient, but gradients flow through it to the images.
    """

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The names of the layers it can return, shallow to deep (``"relu1_1"``, ...)."""

    @abstractmethod
    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Compute the features of some layers in one pass, no deeper than the deepest of them.

        Args:
            images: (B, 3, H, W), float RGB in [0, 1].
            layers: names from ``self.layers``, in any order.

        Returns:
            A (B, C, h, w) tensor for each name in ``layers``.

        Raises:
            OptionError: a name is not in ``self.layers``.
        """
