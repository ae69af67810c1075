"""Checks for backbones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stylezoo.catalog import Catalog
from stylezoo.errors import OptionError
from stylezoo.findings import Report
from stylezoo.interfaces.backbone import Backbone
from stylezoo.seeding import seeded
from stylezoo.testing import modules
from stylezoo.testing.examination import (
    AlreadyReportedError,
    Check,
    Findings,
    check_skipped,
    describe_error,
    examine,
    examine_on_grounds,
    names_of,
)
from stylezoo.testing.modules import Probe
from stylezoo.testing.subject import Subject, check_options, make_or_report, subject_of
from stylezoo.testing.tensors import difference, random_images, shape_text

SIZE = 64
LAYERS_PROBED = 6
"""How many layers are requested one at a time; some backbones have hundreds."""

NO_LAYER = "no-such-layer"


@dataclass(frozen=True, slots=True)
class Made:
    """A backbone, and how to make another."""

    subject: Subject
    backbone: Backbone
    size: int

    @property
    def layers(self) -> list[str]:
        """All its layers."""
        return list(self.backbone.layers)

    @property
    def probed(self) -> list[str]:
        """A sample of its layers, including the first and the last."""
        layers = self.layers
        if len(layers) <= LAYERS_PROBED:
            return layers
        last = len(layers) - 1
        return [layers[round(i * last / (LAYERS_PROBED - 1))] for i in range(LAYERS_PROBED)]

    def images(self, batch: int, *, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Random square images."""
        return random_images(batch, self.size, self.size, low=low, high=high)

    def features(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Run the backbone without gradients."""
        with torch.no_grad(), seeded():
            features: dict[str, Tensor] = self.backbone(images.clone(), layers)
            return features

    def sound_features(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """The same, if they hold every requested layer; ``check_shapes`` reports it if not.

        Raises:
            AlreadyReportedError: they do not.
        """
        features = self.features(images, layers)
        if not isinstance(features, Mapping) or not set(layers) <= features.keys():
            raise AlreadyReportedError
        return features

    def probe(self) -> Probe:
        """What the checks shared by all modules need."""
        layers = self.probed
        images = self.images(2)
        return Probe(self.subject, self.backbone, images, lambda m, x: m(x, layers))


def check_backbone(
    subject: str | Callable[..., Any],
    *,
    options: Mapping[str, Any] | None = None,
    size: int = SIZE,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a backbone keeps the promises of ``Backbone``.

    Args:
        subject: a registered name, or the class or function itself.
        options: to make it with, such as ``{"weights": "random"}`` to download nothing; None for
            its defaults.
        size: side of the test images, in pixels; larger for a backbone that needs it.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault found.

    Raises:
        PluginError: no plugin, or several, registered the name, or it cannot be imported.
        OptionError: ``skip`` names an unknown check, or ``subject`` is neither a name nor callable.
    """
    check_skipped(skip, names_of(FIRST, CHECKS))
    chosen = subject_of("backbone", subject, options, catalog)
    report = Report(subject=chosen.label)
    examine(report, chosen, FIRST, skip)
    if report.ok:
        made = Made(chosen, chosen.make(), size)
        examine_on_grounds(report, made, GROUND, COMPARISONS, skip)
    return report


def check_interface(subject: Subject, findings: Findings) -> None:
    """It is a Backbone with named layers."""
    backbone = make_or_report(subject, findings, Backbone)
    if backbone is None:
        return
    layers = backbone.layers
    if not isinstance(layers, tuple) or not all(isinstance(layer, str) for layer in layers):
        findings.error(f"layers is {layers!r}; it must be a tuple of names, such as ('relu1_1',)")
    elif not layers:
        findings.error("layers is empty; name at least one layer that losses can compare")
    elif len(set(layers)) != len(layers):
        twice = sorted({layer for layer in layers if layers.count(layer) > 1})
        findings.error(f"layers names {', '.join(twice)} more than once")


def check_frozen(made: Made, findings: Findings) -> None:
    """It is frozen, and training mode makes no difference."""
    wanting = [name for name, p in made.backbone.named_parameters() if p.requires_grad]
    if wanting:
        findings.error(
            f"{len(wanting)} parameters require a gradient ({', '.join(wanting[:3])}, ...); a "
            f"backbone is frozen: call self.requires_grad_(False) at the end of __init__"
        )
    images = made.images(2)
    before = made.features(images, made.probed)
    modes = {name: module.training for name, module in made.backbone.named_modules()}
    made.backbone.train()
    try:
        gap = modules.compare(made.features(images, made.probed), before)
    finally:
        for name, module in made.backbone.named_modules():
            module.training = modes[name]
    if gap:
        findings.error(
            f"in training mode, which its owner may set, it gives {gap}; override train() so that "
            f"it stays in eval mode: def train(self, mode=True): return super().train(False)"
        )


def check_shapes(made: Made, findings: Findings) -> None:
    """Each requested layer is (B, C, h, w) at any image size; C depends only on the layer."""
    channels: dict[str, int] = {}
    side = made.size
    for batch, height, width in ((1, side, side), (2, side + 3, side + 25), (1, side + 38, side)):
        images = random_images(batch, height, width)
        with findings.at(f"input {shape_text(images)}"):
            features = made.features(images, made.layers)
            if not isinstance(features, Mapping):
                findings.error(f"it returns a {type(features).__name__}, not a dict by layer")
                return
            _check_keys(features, made.layers, findings)
            for layer, tensor in features.items():
                _check_feature(layer, tensor, batch, channels, findings)


def _check_keys(features: Mapping[str, Tensor], asked: Sequence[str], findings: Findings) -> None:
    missing = [layer for layer in asked if layer not in features]
    more = [layer for layer in features if layer not in asked]
    if missing:
        findings.error(f"it does not return {', '.join(missing[:5])}, although requested")
    if more:
        findings.error(
            f"it returns {', '.join(more[:5])}, although not requested, which costs memory"
        )


def _check_feature(
    layer: str, tensor: Any, batch: int, channels: dict[str, int], findings: Findings
) -> None:
    if not isinstance(tensor, Tensor) or tensor.ndim != 4 or len(tensor) != batch:
        what = shape_text(tensor) if isinstance(tensor, Tensor) else type(tensor).__name__
        findings.error(f"layer {layer} is {what}; it must be ({batch}, C, h, w)")
        return
    if not tensor.is_floating_point() or not tensor.isfinite().all():
        findings.error(f"layer {layer} has values that are not finite numbers ({tensor.dtype})")
    known = channels.setdefault(layer, tensor.shape[1])
    if known != tensor.shape[1]:
        findings.error(
            f"layer {layer} has {tensor.shape[1]} channels, but had {known} at another size; only "
            f"h and w may depend on the size"
        )


def check_selection(made: Made, findings: Findings) -> None:
    """A layer is the same requested alone, with others, or in any order."""
    images = made.images(1)
    together = made.sound_features(images, made.probed)
    backwards = list(reversed(made.probed))
    for asked in ([layer] for layer in made.probed):
        _check_selected(made, images, asked, together, findings)
    _check_selected(made, images, backwards, together, findings)


def _check_selected(
    made: Made,
    images: Tensor,
    asked: list[str],
    together: Mapping[str, Tensor],
    findings: Findings,
) -> None:
    what = asked[0] if len(asked) == 1 else "the layers in reverse"
    with findings.at(f"asked for {what}"):
        features = made.sound_features(images, asked)
        _check_keys(features, asked, findings)
        for layer in asked:
            gap = difference(features[layer], together[layer])
            if gap:
                findings.error(
                    f"compared with a request for all these layers in order, layer {layer} gives "
                    f"{gap}; do not change features in place (nn.ReLU(inplace=True)), as other "
                    f"layers are computed from them"
                )


def check_unknown_layer(made: Made, findings: Findings) -> None:
    """An unknown layer raises an OptionError that names it."""
    with findings.at(f"asked for {NO_LAYER!r}"):
        try:
            made.features(made.images(1), [NO_LAYER])
        except OptionError as error:
            if NO_LAYER not in str(error):
                findings.error(f"its OptionError says {str(error)!r}; it must name the layer")
        except Exception as error:  # third-party code may raise anything
            findings.error(
                f"it raises {describe_error(error)}; raise stylezoo.errors.OptionError, which "
                f"users are shown, with the layer's name and the names of all layers"
            )
        else:
            findings.error(
                "it silently ignores the name; raise stylezoo.errors.OptionError for a name that "
                "is not in self.layers"
            )


def check_depth(made: Made, findings: Findings) -> None:
    """The first layer costs less than the last: it runs no deeper than requested."""
    first, last = made.layers[0], made.layers[-1]
    shallow, deep = (_cost(made, layer) for layer in (first, last))
    layers_with_weights = sum(
        isinstance(module, nn.Conv2d | nn.Linear) for module in made.backbone.modules()
    )
    if first != last and layers_with_weights > 1 and shallow >= deep > (0, 0):
        findings.error(
            f"{first} alone takes as many operations ({shallow[0]:,}) as {last} ({deep[0]:,}); "
            f"stop at the deepest layer requested, and order layers from shallow to deep"
        )


def _cost(made: Made, layer: str) -> tuple[int, int]:
    """FLOPs of matrix products and convolutions, and module calls, for one layer."""
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    hooks = [module.register_forward_hook(count) for module in made.backbone.modules()]
    counter = FlopCounterMode(display=False)
    try:
        with counter:
            made.features(made.images(1), [layer])
    finally:
        for hook in hooks:
            hook.remove()
    return counter.get_total_flops(), calls


def check_range(made: Made, findings: Findings) -> None:
    """It takes values slightly outside [0, 1], as in an image being optimised."""
    for low, high in ((-0.3, 1.3), (0.0, 0.0), (1.0, 1.0)):
        images = made.images(1, low=low, high=high)
        with findings.at(f"values from {low} to {high}"):
            features = made.sound_features(images, made.probed)
            broken = [layer for layer, x in features.items() if not x.isfinite().all()]
            if broken:
                findings.error(f"{', '.join(broken)} have values that are not finite")
    dark, light = (
        made.sound_features(made.images(1, low=x, high=x + 0.1), made.probed) for x in (0.1, 0.8)
    )
    if all(difference(light[layer], dark[layer], 1e-6) is None for layer in made.probed):
        findings.error("dark and light images give the same features; does it read its input?")


def check_gradients(made: Made, findings: Findings) -> None:
    """Gradients flow from each layer back to the images."""
    for layer in made.probed:
        with findings.at(f"from {layer}"):
            images = made.images(1).requires_grad_()
            features = made.backbone(images, [layer])
            if not isinstance(features, Mapping) or layer not in features:
                raise AlreadyReportedError
            feature = features[layer]
            if not feature.requires_grad:
                findings.error(
                    "no gradient flows to the images; freeze the parameters with "
                    "requires_grad_(False), not the computation with torch.no_grad() or .detach()"
                )
                continue
            feature.square().mean().backward()
            gradient = images.grad
            if gradient is None or not gradient.any():
                findings.error("the gradient with respect to the images is 0 everywhere")
            elif not gradient.isfinite().all():
                findings.error("the gradient with respect to the images is not finite")


def check_batch(made: Made, findings: Findings) -> None:
    """Each image of a batch is treated as if it came alone."""
    images = made.images(3)
    modules.check_batch(made.probe(), findings, images, lambda x: made.backbone(x, made.probed))


def check_dtypes(made: Made, findings: Findings) -> None:
    """It moves between dtypes, and takes float32 images in each: it owns its preprocessing."""
    modules.check_dtypes(made.probe(), findings, None)
    images = made.images(1)
    expected = made.sound_features(images, made.probed)
    half = Made(made.subject, copy.deepcopy(made.backbone).to(torch.bfloat16), made.size)
    with findings.at("in bfloat16, float32 images"):
        try:
            found = half.sound_features(images, made.probed)
        except RuntimeError as error:
            findings.error(
                f"it raises {describe_error(error)}; cast the preprocessed images to the dtype of "
                f"the weights"
            )
            return
        gap = modules.compare(found, expected, 2 * modules.BFLOAT16_TOLERANCE)
        if gap and not modules.draws(made.probe()):
            findings.error(f"it gives different features than in float32: {gap}")


def _of_probe(check: Callable[[Probe, Findings], None]) -> Callable[[Made, Findings], None]:
    return lambda made, findings: check(made.probe(), findings)


FIRST = (Check("options", check_options), Check("interface", check_interface))

GROUND = (
    Check("shapes", check_shapes),
    Check("determinism", _of_probe(modules.check_determinism)),
    Check("inputs", _of_probe(modules.check_inputs_untouched)),
)

COMPARISONS = (
    Check("frozen", check_frozen),
    Check("selection", check_selection),
    Check("unknown-layer", check_unknown_layer),
    Check("depth", check_depth),
    Check("range", check_range),
    Check("gradients", check_gradients),
    Check("batch", check_batch),
    Check("layout", _of_probe(modules.check_layout)),
    Check("dtypes", check_dtypes),
    Check("devices", _of_probe(modules.check_devices)),
    Check("state", _of_probe(modules.check_state)),
)

CHECKS = (*GROUND, *COMPARISONS)
