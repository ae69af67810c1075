"""The transform net: the feed-forward network that applies a style."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from stylezoo.errors import OptionError


class TransformNet(nn.Module, ABC):
    """A feed-forward image transformation network (Johnson et al. 2016, section 3.1).

    A net is built from one frozen dataclass of JSON-able fields, ``Arguments``, so that a record
    can say how to build it. ``Arguments.__post_init__`` checks its ranges and raises OptionError
    before anything is allocated.

    Attributes:
        Arguments: the dataclass; ``create_net("johnson", width=16)`` calls
            ``Johnson(Johnson.Arguments(width=16))``.
        stride: H and W must be multiples of it. The caller pads and crops.
        minimum_size: H and W must be at least this.
    """

    Arguments: ClassVar[type[Any]]
    stride: int
    minimum_size: int

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Stylise (B, 3, H, W) RGB in [0, 1] to the same shape and range.

        In training mode values may leave [0, 1], so that a loss can pull them back; in eval mode
        they are clamped.
        """


class MultiStyleNet(TransformNet):
    """A transform net that may hold several styles, and their mixtures.

    A training of several paintings, and a pack of styles, are built from these fields of
    ``Arguments``: ``styles``, the number of them, and ``norm``, if there is one, the name of a
    registered norm. A net of one style with the norm ``"instance"`` becomes one of several with
    ``"conditional-instance"``.

    The state dict has the same names for any number of styles. A tensor that styles share has one
    shape; of any other, the first dimension is the styles, and the net that ``blend`` returns has
    it without that dimension: (styles, 8) becomes (8). So the states of several such nets, stacked,
    are that of a net that holds them all.

    Attributes:
        styles: how many it holds. With one it is like any other net.
    """

    styles: int

    @abstractmethod
    def forward(self, images: Tensor, style: Tensor | None = None) -> Tensor:
        """Stylise each image in its own mixture of styles; see ``TransformNet.forward``.

        Args:
            images: (B, 3, H, W) RGB in [0, 1].
            style: (B, styles), the share of each style in each image; needed where there are
                several.
        """

    @abstractmethod
    def blend(self, style: Sequence[float]) -> MultiStyleNet:
        """The net of one style that this net is for one mixture.

        Args:
            style: the share of each style.

        Returns:
            A net that holds one style. It shares with this one the parameters that all styles
            have in common, and no others; a net of one style may return itself.
        """

    def widen(self, width: int) -> MultiStyleNet:
        """A net of more channels that draws what this one draws, to start a training from.

        Args:
            width: of the new net, as ``arguments`` has it.

        Raises:
            OptionError: the net is wider, or is not one that can be widened.
        """
        raise OptionError(f"{type(self).__name__} cannot be widened to {width}; keep its width")

    def with_norm(self, norm: str) -> MultiStyleNet:
        """This net with norms of another kind, which take over what its own have learnt.

        Args:
            norm: a registered norm.

        Returns:
            A net that draws the same and shares all else with this one. One that leaves no choice
            returns itself.

        Raises:
            OptionError: with norms of that kind it would not draw the same.
        """
        return self

    @property
    @abstractmethod
    def arguments(self) -> Any:
        """What this net was built from: an instance of ``Arguments``."""
