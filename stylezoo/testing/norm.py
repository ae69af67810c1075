"""Checks for norms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylezoo.catalog import Catalog
from stylezoo.errors import StyleZooError
from stylezoo.findings import Report
from stylezoo.interfaces.norm import ConditionalNorm
from stylezoo.seeding import seeded
from stylezoo.testing import modules
from stylezoo.testing.examination import (
    Check,
    Findings,
    check_skipped,
    describe_error,
    examine,
    examine_on_grounds,
    names_of,
)
from stylezoo.testing.modules import Probe
from stylezoo.testing.subject import Subject, subject_of
from stylezoo.testing.tensors import difference, random_images, shape_text

CHANNELS = 6
STYLES = 3
SIZES = ((2, 8, 8), (1, 7, 13), (3, 16, 5))


@dataclass(frozen=True, slots=True)
class Made:
    """A layer for ``CHANNELS`` channels, and how to make another."""

    subject: Subject
    layer: nn.Module

    @property
    def conditional(self) -> bool:
        """Whether it has parameters for each of several styles."""
        return isinstance(self.layer, ConditionalNorm)

    def probe(self) -> Probe:
        """What the checks shared by all modules need."""
        return Probe(self.subject, self.layer, self.inputs(2, 9, 14), lambda m, x: m(*x))

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        """Features and, for a conditional norm, the shares of styles."""
        features = random_images(batch, height, width, channels=CHANNELS, low=-2, high=3)
        if not self.conditional:
            return (features,)
        return (features, F.one_hot(torch.arange(batch) % STYLES, STYLES).float())


def check_norm(
    subject: str | Callable[..., Any],
    *,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a norm keeps the promises of ``Norm`` or ``ConditionalNorm``.

    Args:
        subject: a registered name, or the class or function itself.
        catalog: where names are looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault found.

    Raises:
        PluginError: no plugin, or several, registered the name, or it cannot be imported.
        OptionError: ``skip`` names an unknown check, or ``subject`` is neither a name nor callable.
    """
    check_skipped(skip, names_of(FIRST, CHECKS))
    found = subject_of("norm", subject, None, catalog)
    factory = found.factory
    conditional = isinstance(factory, type) and issubclass(factory, ConditionalNorm)
    options = {"channels": CHANNELS, **({"styles": STYLES} if conditional else {})}
    chosen = dataclasses.replace(found, factory=_by_position(factory), options=options)
    report = Report(subject=chosen.label)
    examine(report, chosen, FIRST, skip)
    if report.ok:
        made = Made(chosen, _shaken(chosen.make()).eval())
        examine_on_grounds(report, made, GROUND, COMPARISONS, skip)
    return report


def _by_position(factory: Callable[..., Any]) -> Callable[..., Any]:
    """Call a factory as nets do: channels by position, styles by name."""
    return lambda *, channels, **styles: factory(channels, **styles)


def _shaken(layer: nn.Module) -> nn.Module:
    """The layer with parameters unlike a new one's, so that its scale and shift matter."""
    with torch.no_grad(), seeded():
        for parameter in layer.parameters():
            if parameter.is_floating_point():
                parameter.add_(0.5 * torch.randn_like(parameter))
    return layer


def check_interface(subject: Subject, findings: Findings) -> None:
    """It makes a new layer for any number of channels."""
    for channels in (1, 3, 64):
        with findings.at(f"{channels} channels"):
            options = {**subject.options, "channels": channels}
            layer = dataclasses.replace(subject, options=options).make()
            if not isinstance(layer, nn.Module):
                findings.error(
                    f"the factory returns a {type(layer).__name__}, which is not a torch.nn.Module"
                )
            elif any(isinstance(p, nn.UninitializedParameter) for p in layer.parameters()):
                findings.error(
                    f"the factory returns a {type(layer).__name__}, whose parameters have no shape "
                    f"yet, so it cannot load weights; make it for {channels} channels"
                )
    first, second = subject.make(), subject.make()
    if first is second:
        findings.error(
            "two calls return the same layer, so all layers of a net would share their "
            "parameters; make a new one at each call"
        )


def check_shapes(made: Made, findings: Findings) -> None:
    """The output has the shape of the input and is finite, in both modes."""
    for mode in (True, False):
        layer = _copy(made, mode)
        for batch, height, width in SIZES:
            inputs = made.inputs(batch, height, width)
            text = f"input {shape_text(inputs[0])}, {'training' if mode else 'eval'} mode"
            with findings.at(text), torch.no_grad():
                output = layer(*inputs)
                if output.shape != inputs[0].shape:
                    findings.error(
                        f"the output is {shape_text(output)}; it must have the input's shape"
                    )
                elif not output.isfinite().all():
                    findings.error("the output has values that are not finite")


def _copy(made: Made, training: bool) -> nn.Module:
    layer: nn.Module = made.subject.make()
    layer.load_state_dict(made.layer.state_dict())
    return layer.train(training)


def check_values(made: Made, findings: Findings) -> None:
    """The output is finite for large values and for channels without variance."""
    features, *style = made.inputs(2, 9, 14)
    cases = {
        "values around 10000": features * 1000 + 10_000,
        "the same value everywhere": torch.full_like(features, 3.0),
        "zeros": torch.zeros_like(features),
    }
    for name, extreme in cases.items():
        for mode in (True, False):
            with findings.at(f"{name}, {'training' if mode else 'eval'} mode"), torch.no_grad():
                if not _copy(made, mode)(extreme, *style).isfinite().all():
                    findings.error(
                        "the output has values that are not finite; add an epsilon to the "
                        "variance, and subtract the mean before squaring"
                    )


def check_gradients(made: Made, findings: Findings) -> None:
    """Finite gradients reach the features and every parameter, even without variance."""
    layer = _copy(made, True)
    features, *style = made.inputs(2, 9, 14)
    for name, given in {"noise": features, "zeros": torch.zeros_like(features)}.items():
        with findings.at(name):
            leaf = given.clone().requires_grad_()
            layer.zero_grad()
            output = layer(leaf, *style)
            if not output.requires_grad:
                findings.error("no gradient flows through it; do not detach what it returns")
                continue
            (output * random_images(2, 9, 14, channels=CHANNELS, seed=2)).sum().backward()
            gradients = {"the features": leaf.grad}
            learnt = {n: p for n, p in layer.named_parameters() if p.requires_grad}
            gradients |= {name: parameter.grad for name, parameter in learnt.items()}
            broken = [n for n, g in gradients.items() if g is not None and not g.isfinite().all()]
            if broken:
                findings.error(
                    f"the gradients of {', '.join(broken)} are not finite; a square root has no "
                    f"finite slope at 0: add an epsilon inside"
                )
            if leaf.grad is None:
                findings.error("no gradient reaches the features; do not detach them")
            still = [name for name, parameter in learnt.items() if parameter.grad is None]
            if still:
                findings.error(
                    f"no gradient reaches {', '.join(still)}, which would never be trained; do "
                    f"not detach them, and leave out what is not used"
                )


def check_batch(made: Made, findings: Findings) -> None:
    """Each image of a batch is normalised as if it came alone, in eval mode."""
    features, *style = made.inputs(3, 9, 14)
    layer = made.layer

    def run(images: Tensor) -> Tensor:
        normalized: Tensor
        if style:
            normalized = layer(images, images.new_full((len(images), STYLES), 1 / STYLES))
        else:
            normalized = layer(images)
        return normalized

    modules.check_batch(made.probe(), findings, features, run)


def check_styles(made: Made, findings: Findings) -> None:
    """Each image is normalised by its own mixture, as by the blended layer."""
    if not isinstance(made.layer, ConditionalNorm):
        return
    features, style = made.inputs(3, 9, 14)
    drawn = modules.draws(made.probe())
    with torch.no_grad():
        together = made.layer(features, style)
        for index in range(3):
            gap = difference(
                made.layer(features[index : index + 1], style[index : index + 1]),
                together[index : index + 1],
            )
            with findings.at(f"image {index}, in style {index}"):
                if gap and not drawn:  # an image alone gets other numbers than in a batch
                    findings.error(
                        f"compared with the image alone, in a batch of three styles it gives {gap}"
                    )
        for shares in (torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.2, 0.3, 0.5])):
            with findings.at(f"shares {shares.tolist()}"):
                blended = made.layer.blend(shares).eval()
                with seeded():
                    expected = made.layer(features, shares.expand(3, STYLES))
                with seeded():
                    gap = difference(blended(features), expected, 1e-3)
                if gap:
                    findings.error(
                        f"compared with the mixture, the layer that blend returns gives {gap}"
                    )


def check_blended(made: Made, findings: Findings) -> None:
    """``blended`` is the registered norm whose layers ``blend`` returns for one style."""
    if not isinstance(made.layer, ConditionalNorm):
        return
    name = made.layer.blended
    layer = made.layer.blend(torch.eye(STYLES)[1])
    try:
        plain = made.subject.catalog.get_norm(name)(CHANNELS)
        plain.load_state_dict(layer.state_dict())
    except (StyleZooError, RuntimeError) as error:
        findings.error(
            f"blended is {name!r}, but what blend returns for one style is not a layer of it: "
            f"{describe_error(error)}"
        )


def _of_probe(check: Callable[[Probe, Findings], None]) -> Callable[[Made, Findings], None]:
    return lambda made, findings: check(made.probe(), findings)


FIRST = (Check("interface", check_interface),)

GROUND: tuple[Check[Made], ...] = (
    Check("shapes", check_shapes),
    Check("values", check_values),
    Check("determinism", _of_probe(modules.check_determinism)),
    Check("inputs", _of_probe(modules.check_inputs_untouched)),
    Check("eval-mode", _of_probe(modules.check_state_untouched)),
)

COMPARISONS: tuple[Check[Made], ...] = (
    Check("batch", check_batch),
    Check("gradients", check_gradients),
    Check("styles", check_styles),
    Check("blended", check_blended),
    Check("layout", _of_probe(modules.check_layout)),
    Check("dtypes", lambda made, found: modules.check_dtypes(made.probe(), found, torch.bfloat16)),
    Check("devices", _of_probe(modules.check_devices)),
    Check("state", _of_probe(modules.check_state)),
    Check("export", _of_probe(modules.check_export)),
)

CHECKS = (*GROUND, *COMPARISONS)
