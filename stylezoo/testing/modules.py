"""Checks shared by all kinds of module: what PyTorch expects of a module."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stylezoo.seeding import seeded
from stylezoo.testing.examination import Findings, describe_error
from stylezoo.testing.subject import Subject
from stylezoo.testing.tensors import (
    FLOOR,
    TOLERANCE,
    converted,
    difference,
    other_devices,
    shape_text,
    tensors_of,
    unchanged,
)

BFLOAT16_TOLERANCE = 0.1
"""The error of eight mantissa bits after a few layers, relative to the largest value."""

PRODUCTS = frozenset(
    {
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose2d",
        "linear",
        "matmul",
        "__matmul__",
        "mm",
        "mv",
        "bmm",
        "addmm",
        "addbmm",
        "baddbmm",
        "inner",
        "tensordot",
        "einsum",
    }
)
"""Operations that silently accept tensors on two devices if one is the meta device."""

MISPLACED = ("is not on the expected device", "Expected all tensors to be on the same device")
"""What torch says about tensors on two devices. Nearly all other failures on the meta device are of
operations that need values, which is no fault."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A module in eval mode, inputs that it must take, and how to run it on them.

    Attributes:
        subject: makes more like it.
        module: the module.
        inputs: nested tensors.
        run: maps module and inputs to nested tensors.
        floor: lower bound on the largest value that differences are relative to.
    """

    subject: Subject
    module: nn.Module
    inputs: Any
    run: Callable[[nn.Module, Any], Any]
    floor: float = FLOOR

    def outputs(self, module: nn.Module | None = None, inputs: Any = None, seed: int = 0) -> Any:
        """Run without gradients, with the global generators seeded."""
        chosen = self.module if module is None else module
        # A copy, as a module that writes to its input would spoil it for later runs.
        given = converted(self.inputs, torch.clone) if inputs is None else inputs
        with torch.no_grad(), seeded(seed):
            return self.run(chosen, given)

    def gap(self, found: Any, expected: Any, tolerance: float) -> str | None:
        """Say how two of its outputs differ; None if they do not."""
        return compare(found, expected, tolerance, self.floor)


class OneDevice(TorchFunctionMode):
    """Refuse products of tensors on two devices, as every accelerator does."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in PRODUCTS:
            tensors = tensors_of([*args, *kwargs.values()])
            devices = sorted({tensor.device.type for tensor in tensors})
            if len(devices) > 1:
                raise RuntimeError(f"{MISPLACED[1]}, but {' and '.join(devices)} were found")
        return func(*args, **kwargs)


def input_text(inputs: Any) -> str:
    """The shapes of inputs, for messages."""
    shapes = list(dict.fromkeys(shape_text(tensor) for tensor in tensors_of(inputs)))
    return "input " + ", ".join(shapes)


def compare(
    found: Any, expected: Any, tolerance: float = TOLERANCE, floor: float = FLOOR
) -> str | None:
    """Say how two nests of tensors differ; None if they do not."""
    ours, theirs = tensors_of(found), tensors_of(expected)
    if len(ours) != len(theirs):
        return f"{len(ours)} tensors and {len(theirs)}"
    gaps = (difference(a, b, tolerance, floor) for a, b in zip(ours, theirs, strict=True))
    return next((gap for gap in gaps if gap), None)


def draws(probe: Probe) -> bool:
    """Whether it draws random numbers, which change with dtype, device, batch and program."""
    return probe.gap(probe.outputs(seed=1), probe.outputs(seed=0), 1e-6) is not None


def check_determinism(probe: Probe, findings: Findings) -> None:
    """The same input gives the same output, given the same state of the global generators."""
    with findings.at(input_text(probe.inputs)):
        first, second = probe.outputs(), probe.outputs()
        gap = probe.gap(second, first, 1e-6)
        if gap:
            findings.error(
                f"the same input twice gives {gap}, despite torch.manual_seed before each; keep no "
                f"state between calls, and draw random numbers from torch's global generators"
            )


def check_inputs_untouched(probe: Probe, findings: Findings) -> None:
    """Inputs are read, not written."""
    with findings.at(input_text(probe.inputs)):
        mine = converted(probe.inputs, torch.clone)
        probe.outputs(inputs=mine)
        if not unchanged(mine, probe.inputs):
            findings.error(
                "it changes its input in place, which the caller still needs; avoid operations "
                "that end in '_' and inplace=True on the input"
            )


def check_state_untouched(probe: Probe, findings: Findings) -> None:
    """Running in eval mode changes no parameter and no buffer."""
    with findings.at(input_text(probe.inputs)):
        module = copy.deepcopy(probe.module).eval()
        before = converted(dict(module.state_dict()), torch.clone)
        probe.outputs(module)
        after = module.state_dict()
        changed = [name for name in before if not unchanged(after[name], before[name])]
        if changed:
            findings.error(
                f"running it in eval mode changes {', '.join(changed[:5])}, so its results depend "
                f"on earlier inputs; change state only where self.training is true"
            )


def check_dtypes(probe: Probe, findings: Findings, low: torch.dtype | None) -> None:
    """``module.to(dtype)`` converts all of it, and its outputs stay the same.

    Args:
        probe: what to check.
        findings: to report to.
        low: a half-precision dtype that it must also run in; None for none.
    """
    if draws(probe):
        return
    expected = probe.outputs()
    for dtype, tolerance in ((torch.float64, 1e-3), (low, BFLOAT16_TOLERANCE)):
        if dtype is None:
            continue
        name = str(dtype).removeprefix("torch.")
        with findings.at(name):
            module = copy.deepcopy(probe.module).to(dtype)
            inputs = converted(probe.inputs, _to_dtype(dtype))
            try:
                found = probe.outputs(module, inputs)
            except RuntimeError as error:
                findings.error(
                    f"after .to(torch.{name}) it raises {describe_error(error)}; keep tensors in "
                    f"parameters or register_buffer, and create new ones in the input's dtype"
                )
                continue
            gap = probe.gap(found, expected, tolerance)
            if gap:
                findings.error(
                    f"after .to(torch.{name}) it gives different values than in float32: {gap}; "
                    f"look for a sum, square or division that exceeds the dtype's range"
                )


def _to_dtype(dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor


def _to_device(device: str) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor.to(device)


def check_layout(probe: Probe, findings: Findings) -> None:
    """Channels-last layout, in which convolutions are fastest, changes no value.

    Training, objectives and runtimes use it for nets, backbones and their inputs, so norms and
    losses get it too.
    """
    advice = "use reshape instead of view, and do not read strides"
    module = copy.deepcopy(probe.module).to(memory_format=torch.channels_last)
    try:
        found = probe.outputs(module, converted(probe.inputs, _channels_last))
    except RuntimeError as error:
        findings.error(f"in channels-last layout it raises {describe_error(error)}; {advice}")
        return
    # Random numbers are drawn in memory order.
    gap = None if draws(probe) else probe.gap(found, probe.outputs(), 1e-3)
    if gap:
        findings.error(f"channels-last layout gives {gap}; {advice}")


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.clone(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def check_devices(probe: Probe, findings: Findings) -> None:
    """``module.to(device)`` moves all of it."""
    expected = probe.outputs()
    for device in other_devices():
        with findings.at(device):
            module = copy.deepcopy(probe.module).to(device)
            inputs = converted(probe.inputs, _to_device(device))
            try:
                with OneDevice():
                    found = probe.outputs(module, inputs)
            except Exception as error:  # third-party code may raise anything
                if device != "meta" or any(text in str(error) for text in MISPLACED):
                    findings.error(
                        f"after .to({device!r}) it raises {describe_error(error)}; keep tensors in "
                        f"parameters or register_buffer, and create new ones on the input's device"
                    )
                continue
            stayed = [t for t in tensors_of(found) if t.device.type != torch.device(device).type]
            if stayed:
                findings.error(
                    f"its output is on {stayed[0].device}, but its input on {device}; create new "
                    f"tensors on the input's device"
                )
            elif device != "meta" and not draws(probe):
                gap = probe.gap(found, expected, 1e-2)
                if gap:
                    findings.error(f"on {device} it gives different values than on the CPU: {gap}")


def check_state(probe: Probe, findings: Findings) -> None:
    """A new instance with the tensors saved by safetensors is the same module.

    Without tensors, its options alone make it the same.
    """
    from safetensors.torch import load, save

    expected = probe.outputs()
    fresh = probe.subject.make(seed=1).train(probe.module.training)
    state = probe.module.state_dict()
    if state:
        try:
            stored = load(save({name: tensor.contiguous() for name, tensor in state.items()}))
        except RuntimeError as error:
            findings.error(
                f"safetensors cannot hold its state dict: {describe_error(error)}; no two of its "
                f"entries may share memory, and there must be no extra state"
            )
            return
        try:
            fresh.load_state_dict(stored)
        except RuntimeError as error:
            findings.error(
                f"a second instance with the same options cannot load its state dict: "
                f"{describe_error(error)}; names and shapes must depend only on the options"
            )
            return
    gap = probe.gap(probe.outputs(fresh), expected, 1e-6)
    if not gap:
        return
    if state:
        findings.error(
            f"a second instance with its saved state dict gives {gap}; something that matters "
            f"is not in the state dict: keep it in a parameter or a persistent buffer"
        )
    else:
        findings.error(
            f"a second instance with the same options gives {gap}; it draws random numbers when it "
            f"is made: draw them from a generator of its own, seeded by an option"
        )


def check_export(probe: Probe, findings: Findings) -> None:
    """torch.export accepts it, and the exported program gives the same output."""
    inputs = tuple(tensors_of(probe.inputs))
    with findings.at(input_text(probe.inputs)), _silence():
        expected = probe.module(*inputs)
        try:
            program = torch.export.export(copy.deepcopy(probe.module), inputs, strict=False)
        except Exception as error:  # torch.export may raise anything
            findings.advise(
                f"torch.export cannot export it: {describe_error(error)}; it runs in PyTorch, but "
                f"cannot be exported to other runtimes: let no shape or branch depend on values"
            )
            return
        gap = None if draws(probe) else compare(program.module()(*inputs), expected)
        if gap:
            findings.error(f"the program from torch.export gives {gap}; it depends on Python state")


@contextmanager
def _silence() -> Iterator[None]:
    """Hide what torch.export logs and warns about; what matters, it raises."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def check_batch(
    probe: Probe, findings: Findings, images: Tensor, run: Callable[[Tensor], Any]
) -> None:
    """Each image of a batch is treated as if it came alone."""
    if draws(probe):
        return
    # Contrasts differ, so that the batch's statistics match those of no image.
    images = images * torch.linspace(1, 0.2, len(images)).view(-1, 1, 1, 1)
    with findings.at(f"input {shape_text(images)}"), torch.no_grad():
        with seeded():
            together = tensors_of(run(images.clone()))
        for index in range(len(images)):
            with seeded():
                alone = tensors_of(run(images[index : index + 1].clone()))
            gaps = (
                difference(a[index : index + 1], b) for a, b in zip(together, alone, strict=True)
            )
            gap = next((gap for gap in gaps if gap), None)
            if gap:
                findings.error(
                    f"compared with the image alone, in eval mode, image {index} of the batch "
                    f"gives {gap}; compute statistics over dim=(-2, -1) of each image, not over "
                    f"the batch"
                )
                return
