"""The runtime: what executes a transform net."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from stylezoo.interfaces.net import TransformNet


class Runtime(ABC):
    """Executes built nets. ``torch`` is the reference that others are checked against.

    Attributes:
        tolerance: how far its values may be from the reference's, for images in [0, 1]. Half
            precision needs more than float32 rounding does.
    """

    tolerance: float = 1e-3

    @abstractmethod
    def prepare(self, net: TransformNet, device: str | None) -> Callable[[Tensor], Tensor]:
        """Make a net ready to run and return the function that runs it.

        Args:
            net: in eval mode, with its weights loaded. It must stay on its device, as the nets of
                a pack's styles share parameters.
            device: such as ``"cpu"`` or ``"cuda:0"``; None for the best this runtime finds.

        Returns:
            A function from float32 (B, 3, H, W) RGB in [0, 1] on the CPU to the same. H and W are
            multiples of ``net.stride`` and at least ``net.minimum_size``.

        Raises:
            OptionError: the device is not available.
        """
