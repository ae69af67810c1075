"""The transform net: the feed-forward network that applies a style."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from stylezoo.errors import OptionError


class TransformNet(nn.Module, ABC):
    """A feed-forward image transformation network (Johnson et al. 2016, section 3.1).

    A net is built from ``Arguments``, a frozen dataclass of JSON-serialisable fields, so that a
    record can say how to build it. ``Arguments.__post_init__`` checks ranges and raises OptionError
    before anything is allocated.

    Attributes:
        Arguments: the dataclass; ``create_net("johnson", width=16)`` calls
            ``Johnson(Johnson.Arguments(width=16))``.
        stride: H and W must be multiples of this. The caller pads and crops.
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
    """A transform net that may hold several styles, and can mix them.

    Training on several paintings and building a pack both set these fields of ``Arguments``:
    ``styles``, the number of styles, and, if it exists, ``norm``, the name of a registered norm.
    A net of one style with the norm ``"instance"`` becomes one of several with
    ``"conditional-instance"``.

    The state dict has the same names for any number of styles. A tensor shared by all styles has
    the same shape everywhere; in any other, the first dimension is the style, and the net returned
    by ``blend`` lacks that dimension: (styles, 8) becomes (8). Stacking the states of several such
    nets therefore gives the state of a net that holds them all.

    Attributes:
        styles: the number of styles it holds. With one it behaves like any other net.
    """

    styles: int

    @abstractmethod
    def forward(self, images: Tensor, style: Tensor | None = None) -> Tensor:
        """Stylise each image in its own mixture of styles; see ``TransformNet.forward``.

        Args:
            images: (B, 3, H, W) RGB in [0, 1].
            style: (B, styles), the share of each style in each image; required with several
                styles.
        """

    @abstractmethod
    def blend(self, style: Sequence[float]) -> MultiStyleNet:
        """Return a single-style net equivalent to this one for one mixture.

        Args:
            style: the share of each style.

        Returns:
            A net that holds one style. It shares with this one only the parameters that all
            styles have in common; a net of one style may return itself.
        """

    def widen(self, width: int) -> MultiStyleNet:
        """Return a net with more channels and the same output, to start training from.

        Args:
            width: the ``width`` argument of the new net.

        Raises:
            OptionError: this net is wider, or cannot be widened.
        """
        raise OptionError(f"{type(self).__name__} cannot be widened to {width}; keep its width")

    def with_norm(self, norm: str) -> MultiStyleNet:
        """Return this net with norms of another kind, which inherit what its own have learnt.

        Args:
            norm: a registered norm.

        Returns:
            A net with the same output that shares everything else with this one. A net whose norm
            is fixed returns itself.

        Raises:
            OptionError: with norms of that kind its output would differ.
        """
        return self

    @property
    @abstractmethod
    def arguments(self) -> Any:
        """What this net was built from: an instance of ``Arguments``."""
