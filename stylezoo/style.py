"""A loaded style: callable on an image."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

from stylezoo.errors import OptionError, PluginError
from stylezoo.registry.record import PackStyle, Record

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from stylezoo.interfaces.net import MultiStyleNet, TransformNet

    Run = Callable[[Tensor], Tensor]


PROBE = 128  # pixels per side, roughly: used to estimate the memory of a larger picture
ANYWHERE = 2_000_000  # pixels up to which memory is not checked: a net takes 300 to 500 bytes each

MOST_PREPARED = 16  # mixtures: a gradual change from one style to another needs hundreds

Shares = str | Mapping[str, float]
"""One style of a pack by name, or several with the share of each."""


class Style:
    """A transform net with its weights, ready for images of any kind and size.

    Args:
        net: the net, in eval mode.
        record: record of the style; None for weights without one.
        prepare: makes a net ready to run, as a runtime does; None to run the net as is.
        shares: for a pack, the style or mixture to use when a call names none.

    Raises:
        OptionError: the shares are not of this pack, or a pack has no record.
    """

    def __init__(
        self,
        *,
        net: TransformNet,
        record: Record | None = None,
        prepare: Callable[[TransformNet], Run] | None = None,
        shares: Shares | None = None,
    ) -> None:
        from stylezoo.interfaces.net import MultiStyleNet

        self.net = net
        self.record = record
        self._prepare = prepare or _run_as_it_is
        self._runs: dict[tuple[float, ...], Run] = {}
        self._lock = threading.Lock()
        self.shares = self._mixture(shares)
        if record is None and isinstance(net, MultiStyleNet) and net.styles > 1:
            raise OptionError(
                f"these weights hold {net.styles} styles but have no record that names "
                "them; load the style folder, which holds style.toml"
            )
        if not self.styles:
            self._run(())

    def __getstate__(self) -> dict[str, Any]:
        """Everything except the runs, which are prepared again on demand, and the lock.

        This lets a style be copied or sent to another process.
        """
        return {name: x for name, x in vars(self).items() if name not in ("_runs", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._runs = {}
        self._lock = threading.Lock()

    @property
    def styles(self) -> tuple[str, ...]:
        """The names of the styles of a pack; empty for a single style."""
        return tuple(style.name for style in self.record.styles) if self.record else ()

    @property
    def pack_style(self) -> PackStyle | None:
        """The single style of a pack that was chosen on loading; None for none or a mixture."""
        named = [style for style, share in zip(self.styles, self.shares, strict=False) if share]
        if self.record is None or len(named) != 1:
            return None
        return next(style for style in self.record.styles if style.name == named[0])

    def __repr__(self) -> str:
        name = f"{self.record.name} {self.record.version}" if self.record else "without a record"
        return f"<Style {name}: {type(self.net).__name__}>"

    def __call__(
        self,
        image: Any,
        *,
        style: Shares | None = None,
        strength: float = 1.0,
        preserve_color: bool = False,
        seed: int = 0,
    ) -> Any:
        """Apply the style to an image and return the same kind in the same size.

        Args:
            image: a path (which returns a PIL image), a PIL image, a Photo, an ndarray (H, W, 3),
                uint8 or float in [0, 1], or a tensor (3, H, W) or (B, 3, H, W) in [0, 1]. The
                images of a batch are styled independently, one by one.
            style: one style of a pack, ``"monet"``, or a mixture, ``{"monet": 0.5,
                "hokusai": 0.5}``, whose shares are normalised by their sum; None for what the
                pack was loaded with.
            strength: from 0, the image itself, to 1, the full style.
            preserve_color: take only the luminance from the style.
            seed: seed for nets that draw random numbers.

        Raises:
            OptionError: an argument or the image's shape, type or range is invalid, or the image
                does not fit into memory.
            ImageError: the path does not lead to a picture.
        """
        from stylezoo.image_kinds import change_image
        from stylezoo.memory import within_memory
        from stylezoo.torch_modes import plain_modes

        if not 0 <= strength <= 1:
            raise OptionError(f"the strength is {strength}; it must be from 0 to 1")
        mixture = self.shares if style is None else self._mixture(style)

        def restyle(pixels: np.ndarray, run: Run) -> np.ndarray:
            height, width = pixels.shape[:2]
            with within_memory(f"{width} × {height} pixels", "choose a smaller size (--size)"):
                return self._restyle(pixels, run, strength, preserve_color, seed)

        with plain_modes():
            return change_image(image, partial(restyle, run=self._run(mixture)))

    def _mixture(self, shares: Shares | None) -> tuple[float, ...]:
        """The share of each style of the net, summing to 1; empty if none is named."""
        if not shares:
            return ()
        named = {shares: 1.0} if isinstance(shares, str) else shares
        if not isinstance(named, Mapping):
            raise OptionError(
                f"the style is {shares!r}; name one ('monet'), or several with the share of each "
                "({'monet': 0.5, 'hokusai': 0.5})"
            )
        if self.record is None:
            raise OptionError(
                f"these weights have no record that names the styles {', '.join(named)}; load the "
                "style folder, which holds style.toml"
            )
        self.record.check_styles(named)
        for name, share in named.items():
            if not (isinstance(share, Real) and math.isfinite(share) and share >= 0):
                raise OptionError(
                    f"the share of {name!r} is {share!r}; it must be 0 or more, and finite"
                )
        largest = max(named.values())
        if not largest:
            raise OptionError(f"the shares of {', '.join(named)} are all 0; give one more than 0")
        # Relative to the largest first: the sum of two huge numbers would be infinite.
        relative = {name: share / largest for name, share in named.items()}
        total = sum(relative.values())
        return tuple(relative.get(name, 0.0) / total for name in self.styles)

    def _run(self, mixture: tuple[float, ...]) -> Run:
        """The function that runs the net for a mixture, prepared on first use."""
        with self._lock:
            if self.styles and not mixture:
                raise OptionError(
                    f"{self.record.name if self.record else 'the net'} holds several styles; "
                    f"name one, or several with shares: {', '.join(self.styles)}"
                )
            if mixture not in self._runs:
                if len(self._runs) >= MOST_PREPARED:
                    del self._runs[next(iter(self._runs))]
                self._runs[mixture] = self._prepare(self._net_of(mixture))
            return self._runs[mixture]

    def _net_of(self, mixture: tuple[float, ...]) -> TransformNet:
        """The single-style net to run for a mixture."""
        if not self.styles:
            return self.net
        # load has checked that the net of a pack can be blended.
        return cast("MultiStyleNet", self.net).blend(mixture).eval()

    def _restyle(
        self, pixels: np.ndarray, run: Run, strength: float, preserve_color: bool, seed: int
    ) -> np.ndarray:
        """Style (H, W, 3) float32 in [0, 1]."""
        import numpy as np
        import torch

        from stylezoo.color import blend, keep_color
        from stylezoo.seeding import seeded

        if strength == 0:
            return pixels
        height, width = pixels.shape[:2]
        padded = np.ascontiguousarray(self._pad(pixels).transpose(2, 0, 1))
        self._check_memory(run, height, width, seed)
        with seeded(seed):
            output = run(torch.from_numpy(padded).unsqueeze(0))
        _check_output(output, padded.shape)
        styled = output[0].clamp(0, 1).numpy().transpose(1, 2, 0)[:height, :width]
        if preserve_color:
            styled = keep_color(styled, pixels)
        return np.ascontiguousarray(blend(pixels, styled, strength))

    def _check_memory(self, run: Run, height: int, width: int, seed: int) -> None:
        """Reject a picture that would not fit into CPU memory.

        The system would kill the process instead of raising an error, as GPUs do.

        Raises:
            OptionError: it does not fit; the message says which size would.
        """
        import torch

        from stylezoo.memory import check_memory, peak_bytes
        from stylezoo.seeding import seeded

        if height * width <= ANYWHERE:
            return
        cpu = torch.device("cpu")
        side = _multiple(max(PROBE, self.net.minimum_size), self.net.stride)
        probe = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
        with seeded(seed):
            peak = peak_bytes(lambda: run(probe), cpu)
        check_memory(peak * height * width // side**2, cpu, size=max(height, width))

    def _pad(self, pixels: np.ndarray) -> np.ndarray:
        """Pad at the bottom and right, by mirroring, to a size that the net accepts."""
        import numpy as np

        least, stride = self.net.minimum_size, self.net.stride
        missing = [(0, _multiple(max(s, least), stride) - s) for s in pixels.shape[:2]]
        # numpy mirrors as often as it takes, down to one pixel.
        return np.pad(pixels, (*missing, (0, 0)), mode="symmetric")


def _multiple(number: int, of: int) -> int:
    """The smallest multiple of ``of`` that is at least ``number``."""
    return -(-number // of) * of


def _check_output(output: Tensor, shape: tuple[int, ...]) -> None:
    """Reject output that is not a valid picture, before it is saved as one.

    Raises:
        PluginError: the net or the runtime gave the wrong shape or values that are not finite.
    """
    import torch

    if not isinstance(output, torch.Tensor) or tuple(output.shape) != (1, *shape):
        found = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise PluginError(
            f"the net or its runtime gave {found} for a picture of {(1, *shape)}; choose another "
            "--runtime, or report it to its authors"
        )
    if not output.isfinite().all():
        raise PluginError(
            "the net or its runtime gave values that are not finite; choose another --runtime, or "
            "report it to its authors"
        )


def _run_as_it_is(net: TransformNet) -> Run:
    import torch

    def run(images: Tensor) -> Tensor:
        place = next(chain(net.parameters(), net.buffers(), [images])).device
        with torch.inference_mode():
            output: Tensor = net(images.to(place))
            return output.cpu()

    return run
