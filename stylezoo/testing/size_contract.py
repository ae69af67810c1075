"""The sizes that a net takes: what it declares, tried out, and what it should declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylezoo.testing.examination import Findings, describe_error
from stylezoo.testing.tensors import random_images, shape_text

LARGEST_STRIDE = 64
LONGEST_SIDE = 2 * LARGEST_STRIDE
MULTIPLES_TRIED = 4
RUN = 3
"""How many multiples in a row must work for a suggestion."""


@dataclass(frozen=True, slots=True)
class SizeContract:
    """H and W are multiples of ``stride`` and at least ``minimum``."""

    stride: int
    minimum: int

    @property
    def smallest(self) -> int:
        """The smallest allowed side."""
        return -(-self.minimum // self.stride) * self.stride

    def __str__(self) -> str:
        return f"stride = {self.stride}, minimum_size = {self.minimum}"


Run = Callable[[nn.Module, Tensor], Tensor]


def check_size_contract(
    net: nn.Module, declared: SizeContract, run: Run, findings: Findings
) -> None:
    """Try the sizes that a net declares; where they fail or could be looser, suggest others.

    Args:
        net: in eval mode.
        declared: its contract.
        run: runs it on images.
        findings: to report to.
    """
    sides = [declared.smallest + i * declared.stride for i in range(MULTIPLES_TRIED)]
    sizes = [(side, side) for side in sides]
    sizes += [(sides[0], sides[-1]), (sides[-1], sides[0]), (sides[1], sides[2])]
    faults = [(size, fault) for size in sizes if (fault := _fault(net, size, run))]
    if faults:
        (height, width), fault = faults[0]
        more = f" (and {len(faults) - 1} more of {len(sizes)} sizes)" if faults[1:] else ""
        with findings.at(f"input 1 × 3 × {height} × {width}"):
            findings.error(f"{fault}{more}, although it declares {declared}; {_advice(net, run)}")
        return
    found = suggest(net, run, longest=max(48, 3 * declared.stride))
    if found is None:
        return
    if found.stride < declared.stride:
        findings.advise(
            f"it declares {declared}, but takes every multiple of {found.stride} from "
            f"{found.smallest}; with stride = {found.stride}, less is padded"
        )
    elif found.smallest * 2 < declared.smallest:
        findings.advise(
            f"it declares {declared}, but takes sizes from {found.smallest}; with minimum_size = "
            f"{found.smallest}, smaller pictures need no padding"
        )


def _advice(net: nn.Module, run: Run) -> str:
    found = suggest(net, run)
    if found is None:
        return (
            f"no regular series of sizes up to {LONGEST_SIDE} works; the output must have the size "
            f"of the input"
        )
    return f"the sizes that work are those with {found}: declare that in the class"


def suggest(net: nn.Module, run: Run, longest: int = LONGEST_SIDE) -> SizeContract | None:
    """Find the loosest contract that holds, by trying squares and, for each stride, a rectangle.

    Returns:
        None if none holds with a stride up to a third of the longest side.
    """
    works = {side for side in range(1, longest + 1) if not _fault(net, (side, side), run)}
    for stride in range(1, longest // RUN + 1):
        multiples = range(stride, longest + 1, stride)
        failing = [side for side in multiples if side not in works]
        minimum = failing[-1] + stride if failing else stride
        enough = minimum + (RUN - 1) * stride <= longest
        if enough and not _fault(net, (minimum, minimum + stride), run):
            return SizeContract(stride, minimum)
    return None


def _fault(net: nn.Module, size: tuple[int, int], run: Run) -> str | None:
    """What is wrong with the output for a size; None if nothing is."""
    images = random_images(1, *size)
    try:
        with torch.no_grad():
            output = run(net, images)
    except Exception as error:  # third-party code may raise anything
        return f"it raises {describe_error(error)}"
    if not isinstance(output, Tensor):
        return f"it returns a {type(output).__name__}, not a tensor"
    if output.shape != images.shape:
        return f"the output is {shape_text(output)}, which is not the input's shape"
    if not output.isfinite().all():
        return "the output has values that are not finite"
    return None
