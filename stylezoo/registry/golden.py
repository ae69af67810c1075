"""The golden test: an input made by a formula, and the output that a style's weights must give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.errors import OptionError, WeightsError
from stylezoo.registry.record import GoldenTest, Record
from stylezoo.registry.weights import read_tensors

if TYPE_CHECKING:
    from torch import Tensor

    from stylezoo.interfaces.net import TransformNet

OUTPUT = "output"


def golden_input(name: str, height: int, width: int) -> Tensor:
    """Make the input of a golden test.

    ``"waves"`` is, for the channel c = 0, 1, 2, the row y and the column x,
    ½ + ¼ sin(2π (c + 1) (3 y / height + x / width)) + ¼ cos(2π (5 x / width - (c + 1) y / height)),
    computed in float64: a picture of slopes and stripes that depends on no random number
    generator.

    Args:
        name: of the formula.
        height: in pixels.
        width: in pixels.

    Returns:
        (1, 3, height, width), float32 in [0, 1].

    Raises:
        OptionError: there is no such formula.
    """
    import torch

    if name != "waves":
        raise OptionError(f"there is no golden input {name!r}; there is only 'waves'")
    y = torch.arange(height, dtype=torch.float64).view(1, height, 1) / height
    x = torch.arange(width, dtype=torch.float64).view(1, 1, width) / width
    c = torch.arange(1, 4, dtype=torch.float64).view(3, 1, 1)
    turn = 2 * torch.pi
    waves = 0.5 + (turn * c * (3 * y + x)).sin() / 4 + (turn * (5 * x - c * y)).cos() / 4
    return waves.float().unsqueeze(0)


def golden_run(net: TransformNet) -> Callable[[Tensor], Tensor]:
    """The function that the golden test runs: the net, with equal shares of several styles.

    It runs as styles do: without gradients, and with seeded random numbers.
    """
    import torch

    from stylezoo.interfaces.net import MultiStyleNet
    from stylezoo.seeding import seeded

    if isinstance(net, MultiStyleNet) and net.styles > 1:
        net = net.blend([1 / net.styles] * net.styles).eval()

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode(), seeded():
            output: Tensor = net(images)
            return output

    return run


def golden_difference(run: Callable[[Tensor], Tensor], folder: Path, record: Record) -> float:
    """Run the golden input and compare the result with the stored output.

    Args:
        run: the net.
        folder: the style folder.
        record: its record.

    Returns:
        The largest absolute difference.

    Raises:
        WeightsError: the stored output is broken, or differs by more than the record allows.
    """
    try:
        return golden_output_difference(run, folder, record.test)
    except WeightsError as error:
        raise WeightsError(f"{record.name} {record.version}: {error}") from error


def golden_output_difference(
    run: Callable[[Tensor], Tensor], folder: Path, test: GoldenTest
) -> float:
    """The same without a whole record, as its golden test may be all that can be read.

    Raises:
        WeightsError: as ``golden_difference``.
    """
    path = folder / test.output
    expected = read_tensors(path).get(OUTPUT)
    output = run(golden_input(test.input, test.height, test.width))
    if expected is None or expected.shape != output.shape:
        raise WeightsError(f"{path} holds no tensor {OUTPUT!r} of shape {list(output.shape)}")
    difference = float((output - expected.to(output.dtype)).abs().max())
    # Written so that a difference of NaN fails too.
    if not difference <= test.tolerance:
        raise WeightsError(
            f"the style does not reproduce its golden output here: it differs by {difference:.2g}, "
            f"but at most {test.tolerance:.2g} is allowed"
        )
    return difference
