"""Checks for losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stylezoo.catalog import Catalog
from stylezoo.errors import OptionError
from stylezoo.findings import Report
from stylezoo.interfaces.loss import IMAGE, Loss
from stylezoo.seeding import seeded
from stylezoo.testing import modules
from stylezoo.testing.examination import (
    AlreadyReportedError,
    Check,
    Findings,
    check_skipped,
    examine,
    examine_on_grounds,
    names_of,
)
from stylezoo.testing.modules import Probe
from stylezoo.testing.subject import Subject, check_options, make_or_report, subject_of
from stylezoo.testing.tensors import (
    VALUE_FLOOR,
    converted,
    difference,
    random_images,
    shape_text,
    tensors_of,
    unchanged,
)

Features = dict[str, Tensor]

SQUARE = (48, 48)
SIZES = (SQUARE, (47, 61), (96, 53))
PAINTING = (64, 54)
"""The size of the style picture, which differs from the image's."""

SMALL = (16, 16)
"""Deep layers have a single position: relu5_1 of a VGG net is 16 times smaller than the image."""

LARGEST_FACTOR = 4
"""Layers are smaller than the image by a factor of 2, then of this."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A loss's factory, and the channels of the features that it reads.

    Attributes:
        subject: makes the loss.
        channels: of each layer, by name; a layer left out gets a few.
    """

    subject: Subject
    channels: Mapping[str, int]

    def make(self) -> Loss:
        """A new loss."""
        loss: Loss = self.subject.make()
        return loss

    def features(self, loss: Loss, batch: int, size: tuple[int, int], seed: int = 0) -> Features:
        """Features as from a backbone: images differ, channels and sizes depend on the layer.

        Images go slightly outside [0, 1], as in an optimisation.
        """
        features = {IMAGE: random_images(batch, *size, low=-0.2, high=1.2, seed=seed)}
        for index, layer in enumerate(loss.layers):
            factor = min(2 ** (index + 1), LARGEST_FACTOR)
            features[layer] = random_images(
                batch,
                math.ceil(size[0] / factor),
                math.ceil(size[1] / factor),
                channels=self.channels.get(layer, 5 + index),
                low=-0.5,
                high=2.0,
                seed=100 * seed + index + 1,
            )
        return features

    def for_target(self, loss: Loss, batch: int = 1, size: tuple[int, int] = SQUARE) -> Features:
        """Features of a content photo, of the image's size, or of a painting, of another size."""
        return self.features(loss, batch, PAINTING if loss.target_from == "style" else size, seed=7)


class GivenFeatures(dict[str, Tensor]):
    """The features that a loss asked for; records which are read."""

    def __init__(self, features: Mapping[str, Tensor]) -> None:
        super().__init__(features)
        self.read: set[str] = set()

    def __getitem__(self, layer: str) -> Tensor:
        self.read.add(layer)
        return super().__getitem__(layer)

    def __missing__(self, layer: str) -> Tensor:
        named = ", ".join(repr(name) for name in self if name != IMAGE) or "none"
        raise KeyError(
            f"it reads the features of {layer!r}, which are not among its layers ({named}); "
            f"name every layer that it reads in 'layers'"
        )


def check_loss(
    subject: str | Callable[..., Any],
    *,
    options: Mapping[str, Any] | None = None,
    channels: Mapping[str, int] | None = None,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a loss keeps the promises of ``Loss``.

    Args:
        subject: a registered name, or the class or function itself.
        options: to make it with; None for its defaults.
        channels: of each layer, by name, for a loss that needs those of a certain backbone; None
            for a few.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault found.

    Raises:
        PluginError: no plugin, or several, registered the name, or it cannot be imported.
        OptionError: ``skip`` names an unknown check, or ``subject`` is neither a name nor callable.
    """
    check_skipped(skip, names_of(FIRST, CHECKS))
    chosen = subject_of("loss", subject, options, catalog)
    report = Report(subject=chosen.label)
    examine(report, chosen, FIRST, skip)
    if report.ok:
        examine_on_grounds(report, Bench(chosen, channels or {}), GROUND, COMPARISONS, skip)
    return report


def check_interface(subject: Subject, findings: Findings) -> None:
    """It is a Loss that declares what it reads and where its target comes from."""
    loss = make_or_report(subject, findings, Loss)
    if loss is None:
        return
    origin = getattr(loss, "target_from", "missing")
    if origin not in ("content", "style", None):
        findings.error(
            f"target_from is {origin!r}; set it in the class to 'content', 'style' or None"
        )
    layers = loss.layers
    if isinstance(layers, str) or not all(isinstance(layer, str) for layer in layers):
        findings.error(f"layers is {layers!r}; it must be a tuple of names, such as ('relu1_1',)")
    elif len(set(layers)) != len(layers):
        findings.error(f"layers is {layers!r}; name each layer once")
    elif IMAGE in layers:
        findings.error(f"layers names {IMAGE!r}; leave it out, as the images are always given")
    for flag in ("needs_grid", "own_precision"):
        if not isinstance(getattr(loss, flag), bool):
            findings.error(f"{flag} is {getattr(loss, flag)!r}; it must be True or False")


def value_of(loss: nn.Module, features: Features, of_target: Features) -> Any:
    """The loss against a target made from other features, as an objective computes it."""
    with seeded():
        return _value_of(loss, features, of_target)


def _value_of(loss: nn.Module, features: Features, of_target: Features) -> Any:
    with torch.no_grad():
        target = loss.target(GivenFeatures(of_target))  # type: ignore[operator]
    return loss(GivenFeatures(features), target)


def _copied(features: Features) -> GivenFeatures:
    """A copy, as a loss that writes to its features would spoil them for later calls."""
    return GivenFeatures({layer: tensor.clone() for layer, tensor in features.items()})


def judge(loss: nn.Module, features: Features, of_target: Features) -> Tensor:
    """``value_of`` on copies, if it is a scalar; ``check_value`` reports it if not.

    Raises:
        AlreadyReportedError: it is not.
    """
    value = value_of(loss, _copied(features), _copied(of_target))
    if not isinstance(value, Tensor) or value.ndim:
        raise AlreadyReportedError
    return value


def judge_with_gradient(loss: nn.Module, leaves: Features, of_target: Features) -> Tensor:
    """``judge``, if its value requires a gradient; ``check_value`` reports it if not."""
    value = judge(loss, leaves, of_target)
    if not value.requires_grad:
        raise AlreadyReportedError
    return value


def check_value(bench: Bench, findings: Findings) -> None:
    """The value is a finite, differentiable scalar for all sizes of image and target."""
    loss = bench.make()
    for size in SIZES:
        for batch in (1, 2):
            features = bench.features(loss, batch, size)
            of_target = bench.for_target(loss, size=size)
            images = "1 image" if batch == 1 else f"{batch} images"
            with findings.at(f"{images} of {size[0]} × {size[1]}, {_text(loss, of_target)}"):
                leaves = converted(features, lambda x: x.clone().requires_grad_())
                _check_scalar(value_of(loss, _copied(leaves), of_target), findings)
    _check_one_position(bench, loss, findings)


def _check_one_position(bench: Bench, loss: Loss, findings: Findings) -> None:
    """The same for an image so small that its layers are 1 × 1, unless the loss refuses it."""
    features = _one_position(bench.features(loss, 1, SMALL))
    of_target = bench.for_target(loss, size=SMALL)
    if loss.target_from == "content":
        of_target = _one_position(of_target)
    height, width = SMALL
    where = f"1 image of {height} × {width}, whose layers are 1 × 1"
    with findings.at(where), suppress(OptionError):  # it says that it needs a larger image
        _check_finite(loss, features, of_target, findings)


def _one_position(features: Features) -> Features:
    return {layer: x if layer == IMAGE else x[..., :1, :1] for layer, x in features.items()}


def _check_finite(loss: Loss, features: Features, of_target: Features, findings: Findings) -> None:
    """The value and its gradients are finite."""
    leaves = converted(features, lambda x: x.clone().requires_grad_())
    value = judge(loss, leaves, of_target)
    if not value.isfinite():
        findings.error(
            f"it returns {value.item()} for finite features; one position has no neighbours and "
            f"no sample variance: average only over what exists, and use var with correction=0"
        )
    elif value.requires_grad:
        value.backward()
        _check_gradients_of(leaves, False, findings)


def _text(loss: Loss, of_target: Features) -> str:
    if loss.target_from is None:
        return "no target"
    return f"a {loss.target_from} picture of {' × '.join(map(str, of_target[IMAGE].shape[2:]))}"


def _check_scalar(value: Any, findings: Findings) -> None:
    if not isinstance(value, Tensor):
        findings.error(f"it returns a {type(value).__name__}, not a tensor; do not call .item()")
    elif value.ndim:
        findings.error(
            f"it returns a tensor of shape {shape_text(value)}, not a scalar; take the mean over "
            f"the images"
        )
    elif not value.isfinite():
        findings.error(f"it returns {value.item()} for finite features")
    elif not value.requires_grad:
        findings.error(
            "its value does not depend on the features as far as autograd can tell, so nothing can "
            "be optimised with it; compute it from the features with torch, without .detach(), "
            ".data, .numpy() or torch.no_grad()"
        )


def check_layers(bench: Bench, findings: Findings) -> None:
    """It reads the layers that it names, and no others."""
    loss = bench.make()
    features, of_target = _copied(bench.features(loss, 1, SQUARE)), _copied(bench.for_target(loss))
    target = loss.target(of_target)
    loss(features, target)
    unread = [layer for layer in loss.layers if layer not in features.read | of_target.read]
    if unread and features.read:
        findings.advise(
            f"layers names {', '.join(unread)}, which it never reads; each layer costs a pass of "
            f"the backbone down to that layer"
        )
    if loss.target_from is None and target is not None:
        findings.error("target_from is None, but target() returns something; return None")
    if loss.target_from is not None and target is None:
        findings.advise(
            f"target_from is {loss.target_from!r}, but target() returns None; set target_from to "
            f"None, or compute the target there, as it runs once rather than at each step"
        )


def check_target(bench: Bench, findings: Findings) -> None:
    """A target serves many calls: none changes it."""
    loss = bench.make()
    features = bench.features(loss, 2, SQUARE)
    target = loss.target(GivenFeatures(bench.for_target(loss)))
    before = converted(target, torch.clone)
    with seeded():
        first = loss(_copied(features), target)
    if not isinstance(first, Tensor):
        raise AlreadyReportedError
    with seeded():
        second = loss(_copied(features), target)
    if not unchanged(target, before):
        findings.error("forward changes the target, which later calls need too; work on a copy")
    elif difference(second, first, 1e-6, VALUE_FLOOR):
        findings.error("a second call with the same target gives a different value; keep no state")


def check_batch_mean(bench: Bench, findings: Findings) -> None:
    """A batch's value is the mean over its images, with one target or a target for each."""
    loss = bench.make()
    features = bench.features(loss, 3, SQUARE)
    of_target = bench.for_target(loss)
    cases = {"one target": (of_target, [of_target] * 3)}
    if loss.target_from == "content":
        of_targets = bench.for_target(loss, 3)
        cases["a target for each"] = (of_targets, [_image(of_targets, i) for i in range(3)])
    drawn = modules.draws(_probe(bench))
    for name, (of_all, of_each) in cases.items():
        with findings.at(f"3 images, {name}"):
            alone = [judge(loss, _image(features, i), of_each[i]) for i in range(3)]
            together = judge(loss, features, of_all)
            if not drawn:  # an image alone gets other numbers than in a batch
                _compare_with_mean(together, alone, findings)


def _image(features: Features, index: int) -> Features:
    return {layer: tensor[index : index + 1] for layer, tensor in features.items()}


def _compare_with_mean(together: Tensor, alone: list[Tensor], findings: Findings) -> None:
    mean = torch.stack(alone).mean()
    # Compared along with the images' values, as a mean of both signs may be near 0.
    found, expected = torch.stack([together, *alone]), torch.stack([mean, *alone])
    if difference(found, expected, 1e-3, VALUE_FLOOR):
        findings.error(
            f"the batch gives {together.item():.6g}, but its images one by one give "
            f"{', '.join(f'{value.item():.6g}' for value in alone)}, whose mean is "
            f"{mean.item():.6g}; compute a term for each image, over all dimensions but the "
            f"first, and take the mean of the terms at the end"
        )


def check_gradients(bench: Bench, findings: Findings) -> None:
    """Gradients are finite, even where features are constant, zero or the target's own."""
    loss = bench.make()
    noise = bench.features(loss, 2, SQUARE)
    of_target = bench.for_target(loss)
    own = bench.features(loss, 1, SQUARE)
    zeros = converted(own, torch.zeros_like)
    constant = converted(own, lambda x: torch.full_like(x, 0.5))
    cases = {
        "noise": (noise, of_target),
        "the target's own features": (own, own),
        "zeros, which a ReLU gives": (zeros, of_target if loss.target_from == "style" else own),
        "zeros, and a target of zeros": (zeros, zeros),
        "features that are the same at all positions": (constant, own),
    }
    for name, (features, target_features) in cases.items():
        with findings.at(name):
            leaves = converted(features, lambda x: x.clone().requires_grad_())
            value = judge_with_gradient(loss, leaves, target_features)
            if not value.isfinite():
                findings.error(
                    f"the value is {value.item()}; guard divisions, roots and logarithms"
                )
                continue
            value.backward()
            _check_gradients_of(leaves, name == "noise", findings)


def _check_gradients_of(leaves: Features, must_reach: bool, findings: Findings) -> None:
    broken = [
        layer
        for layer, leaf in leaves.items()
        if leaf.grad is not None and not leaf.grad.isfinite().all()
    ]
    if broken:
        findings.error(
            f"the gradient with respect to {', '.join(broken)} is not finite, and one such step "
            f"ruins the picture; a square root has no finite slope at 0 (add an epsilon inside), "
            f"and neither has a division by a norm that may be 0"
        )
    reached = [leaf.grad for leaf in leaves.values() if leaf.grad is not None]
    if must_reach and not any(bool(grad.any()) for grad in reached):
        findings.error(
            "the gradient is 0 everywhere, so nothing can be optimised with it; rounding, argmax, "
            "comparisons and counts have no slope"
        )


def check_gradcheck(bench: Bench, findings: Findings) -> None:
    """The gradient is the slope: autograd against central differences, in float64."""
    loss = bench.make().double()
    features = converted(bench.features(loss, 1, SQUARE), Tensor.double)
    of_target = converted(bench.for_target(loss), Tensor.double)
    leaves = converted(features, lambda x: x.clone().requires_grad_())
    try:
        judge_with_gradient(loss, leaves, of_target).backward()
    except RuntimeError as error:  # check_dtypes reports it
        raise AlreadyReportedError from error
    for layer, leaf in leaves.items():
        with findings.at(f"with respect to {layer}"):
            gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            found = [
                _slopes(loss, features, of_target, layer, gradient, step)
                # Small steps do not reorder a sort; the large one is for losses that always
                # compute in float32.
                for step in (1e-8, 1e-5, 1e-2)
            ]
            if all(abs(auto - slope) > tolerance for auto, slope, tolerance in found):
                auto, slope, _ = found[0]
                findings.error(
                    f"along a random direction, autograd says the slope is {auto:.6g}, but central "
                    f"differences say {slope:.6g}; look for .detach(), .data, rounding, or a "
                    f"wrong custom backward (skip 'gradcheck' if this is intended)"
                )


def _slopes(
    loss: Loss, features: Features, of_target: Features, layer: str, gradient: Tensor, step: float
) -> tuple[float, float, float]:
    """The slope along a direction by autograd and by differences, and how far they may differ."""
    generator = torch.Generator().manual_seed(3)
    direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)
    values = []
    with torch.no_grad():
        for sign in (1, -1):
            moved = {**features, layer: features[layer] + sign * step * direction}
            values.append(float(judge(loss, moved, of_target)))
    slope = (values[0] - values[1]) / (2 * step)
    auto = float((gradient * direction).sum())
    precision = 1e-3 if step < 1e-3 else 5e-2
    # A slope no larger than the rounding of the values counts as none.
    rounding = 1e-9 * max(map(abs, values))
    scale = max(float(gradient.norm()), abs(slope), rounding)
    return auto, slope, precision * scale


def check_positions(bench: Bench, findings: Findings) -> None:
    """A loss that needs no grid takes positions in any order, and those of a region alone."""
    loss = bench.make()
    features = bench.features(loss, 2, SQUARE)
    of_target = bench.for_target(loss)
    with torch.no_grad():
        on_grid = judge(loss, features, of_target)
        if loss.needs_grid:
            _advise_on_grid(loss, features, of_target, on_grid, findings)
            return
        with findings.at("features as (B, C, 1, K)"):
            as_set = judge(loss, _shuffled(features), _shuffled(of_target))
            differs = difference(as_set, on_grid, 1e-3, VALUE_FLOOR)
            # Numbers are drawn by position, whatever is there.
            if differs and not modules.draws(_probe(bench)):
                findings.error(
                    f"the same positions in another order, in one row, give {as_set.item():.6g} "
                    f"instead of {on_grid.item():.6g}, so the arrangement of positions matters: "
                    f"set needs_grid = True in the class"
                )
    if loss.target_from == "content":
        return
    for text, count in {"37 positions": 37, "one position": 1}.items():
        with findings.at(f"a region of {text}"):
            region = {layer: x[..., :count] for layer, x in _shuffled(features).items()}
            _check_finite(loss, region, _shuffled(of_target), findings)


def _advise_on_grid(
    loss: Loss, features: Features, of_target: Features, on_grid: Tensor, findings: Findings
) -> None:
    try:
        as_set = judge(loss, _shuffled(features), _shuffled(of_target))
    except Exception:  # it says that it needs the grid, so it may fail without one
        return
    if not difference(as_set, on_grid, floor=VALUE_FLOOR):
        findings.advise(
            "needs_grid is True, but the order of positions changes nothing; with False, the loss "
            "could be restricted to a region"
        )


def _shuffled(features: Features) -> Features:
    """All positions in one row, shuffled, in the same order for all layers of one size."""
    shuffled = {}
    for layer, tensor in features.items():
        flat = tensor.flatten(2)
        order = torch.randperm(flat.shape[2], generator=torch.Generator().manual_seed(5))
        shuffled[layer] = flat[:, :, order].unsqueeze(2)
    return shuffled


def _probe(bench: Bench) -> Probe:
    loss = bench.make()
    inputs = {
        "images": bench.features(loss, 2, SQUARE),
        "target": bench.for_target(loss),
    }
    return Probe(
        bench.subject,
        loss.eval(),
        inputs,
        lambda m, x: _value_of(m, x["images"], x["target"]),
        VALUE_FLOOR,
    )


def check_dtypes(bench: Bench, findings: Findings) -> None:
    """It moves between dtypes; with ``own_precision`` it also takes bfloat16 features."""
    probe = _probe(bench)
    modules.check_dtypes(probe, findings, None)
    if not getattr(probe.module, "own_precision", False):
        return
    with findings.at("bfloat16"):
        halves = converted(probe.inputs, lambda x: x.to(torch.bfloat16))
        found, expected = probe.outputs(inputs=halves), probe.outputs()
        (value,) = tensors_of(found)
        if value.dtype in (torch.bfloat16, torch.float16):
            findings.error(
                f"own_precision is True, but it returns {value.dtype}, in which a sum over all "
                f"positions is noise; sum in float32, or leave own_precision out to get float32"
            )
        elif probe.gap(found, expected, modules.BFLOAT16_TOLERANCE):
            findings.error(
                f"own_precision is True, but features in bfloat16 give {value.item():.6g} instead "
                f"of {expected.item():.6g}; compute in float32, or leave own_precision out"
            )


def check_parameters(bench: Bench, findings: Findings) -> None:
    """It has no parameters to train."""
    learnt = [name for name, p in bench.make().named_parameters() if p.requires_grad]
    if learnt:
        findings.advise(
            f"its parameters {', '.join(learnt[:5])} require gradients, which are never used; "
            f"requires_grad_(False) avoids computing them"
        )


def _of_probe(check: Callable[[Probe, Findings], None]) -> Callable[[Bench, Findings], None]:
    return lambda bench, findings: check(_probe(bench), findings)


FIRST = (Check("interface", check_interface),)

GROUND: tuple[Check[Bench], ...] = (
    Check("options", lambda bench, findings: check_options(bench.subject, findings)),
    Check("value", check_value),
    Check("layers", check_layers),
    Check("target", check_target),
    Check("determinism", _of_probe(modules.check_determinism)),
    Check("inputs", _of_probe(modules.check_inputs_untouched)),
    Check("parameters", check_parameters),
)

COMPARISONS: tuple[Check[Bench], ...] = (
    Check("batch-mean", check_batch_mean),
    Check("gradients", check_gradients),
    Check("gradcheck", check_gradcheck),
    Check("positions", check_positions),
    Check("layout", _of_probe(modules.check_layout)),
    Check("dtypes", check_dtypes),
    Check("devices", _of_probe(modules.check_devices)),
    Check("state", _of_probe(modules.check_state)),
)

CHECKS = (*GROUND, *COMPARISONS)
