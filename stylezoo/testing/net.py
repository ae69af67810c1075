"""Checks for transform nets."""

from __future__ import annotations

import copy
import dataclasses
import math
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor, nn

from stylezoo.catalog import Catalog
from stylezoo.errors import ComponentNotFoundError, OptionError, PluginError, StyleZooError
from stylezoo.findings import Report
from stylezoo.interfaces.net import MultiStyleNet, TransformNet
from stylezoo.registry.weights import load_weights, read_net_metadata, save_weights
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
from stylezoo.testing.size_contract import SizeContract, check_size_contract
from stylezoo.testing.subject import Subject, subject_of
from stylezoo.testing.tensors import difference, random_images, shape_text
from stylezoo.train.start import net_of_several

HUGE = 10**9
WILD = 8.0
"""The factor on the weights that pushes values out of [0, 1]."""


@dataclass(frozen=True, slots=True)
class Made:
    """A net, and how to make another."""

    subject: Subject
    net: TransformNet

    @property
    def contract(self) -> SizeContract:
        """The sizes that it declares."""
        return SizeContract(self.net.stride, self.net.minimum_size)

    def images(self, batch: int, *, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Random images of a small size that the net takes, taller than wide."""
        side, stride = max(self.contract.smallest, 16), self.net.stride
        width = -(-side // stride) * stride
        return random_images(batch, width + stride, width, low=low, high=high)

    def probe(self) -> Probe:
        """What the checks shared by all modules need."""
        return Probe(self.subject, self.net, self.images(2), run_net)


def run_net(net: nn.Module, images: Tensor) -> Tensor:
    """Run a net on images, cycling through its styles if it has several."""
    styles = getattr(net, "styles", 1)
    if isinstance(net, MultiStyleNet) and styles > 1:
        numbers = torch.arange(len(images), device=images.device) % styles
        shares = torch.nn.functional.one_hot(numbers, styles).to(images.dtype)
        styled: Tensor = net(images, shares)
    else:
        styled = net(images)
    return styled


def check_net(
    subject: str | Callable[..., Any],
    *,
    arguments: Mapping[str, Any] | None = None,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
) -> Report:
    """Check that a net keeps the promises of ``TransformNet``, or of ``MultiStyleNet``.

    Args:
        subject: a registered name, or the class.
        arguments: what to build it from; None for the defaults of its ``Arguments``.
        catalog: where a name is looked up; None for the installed plugins.
        skip: the names of checks to leave out.

    Returns:
        Every fault found.

    Raises:
        PluginError: no plugin, or several, registered the name, or it cannot be imported.
        OptionError: ``skip`` names an unknown check, or ``subject`` is neither a name nor callable.
    """
    check_skipped(skip, names_of(FIRST, CHECKS))
    found = subject_of("net", subject, arguments, catalog)
    net_class: Any = found.factory
    chosen = dataclasses.replace(
        found, factory=lambda **given: net_class(net_class.Arguments(**given))
    )
    report = Report(subject=chosen.label)
    examine(report, found, FIRST[:1], skip)
    if report.ok:
        examine(report, found, FIRST[1:], skip)
        made = _make(chosen, report) if not _missing(found) else None
        if made is not None:
            examine_on_grounds(report, made, GROUND, COMPARISONS, skip)
    return report


def _make(subject: Subject, report: Report) -> Made | None:
    """Build the net, and check what the other checks rely on."""
    findings = Findings("interface")
    try:
        net = subject.make()
    except Exception as error:  # third-party code may raise anything
        findings.error(
            f"it cannot be built from Arguments(**{dict(subject.options)!r}): "
            f"{describe_error(error)}"
        )
        report.findings += findings.found
        return None
    for name in ("stride", "minimum_size"):
        value = getattr(net, name, "missing")
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            findings.error(f"{name} is {value!r}; set it in the class to an integer of at least 1")
    if isinstance(net, MultiStyleNet):
        styles = getattr(net, "styles", "missing")
        if not isinstance(styles, int) or styles < 1:
            findings.error(f"styles is {styles!r}; a MultiStyleNet must say how many it holds")
    for name, entry in net.state_dict().items():
        if not isinstance(entry, Tensor):
            findings.error(
                f"{name} in the state dict is a {type(entry).__name__}, which weights files "
                "cannot hold; keep no extra state"
            )
    report.findings += findings.found
    return None if findings.found else Made(subject, net.eval())


def check_interface(subject: Subject, findings: Findings) -> None:
    """It is a TransformNet with a frozen dataclass of arguments."""
    net_class = subject.factory
    if not (isinstance(net_class, type) and issubclass(net_class, TransformNet)):
        findings.error(
            f"{net_class!r} is not a subclass of TransformNet; register the class itself, which "
            f"must inherit from stylezoo.TransformNet"
        )
        return
    arguments = getattr(net_class, "Arguments", None)
    if not (isinstance(arguments, type) and dataclasses.is_dataclass(arguments)):
        findings.error(
            f"Arguments is {arguments!r}; set it in the class to the frozen dataclass that the "
            f"net is built from"
        )
    elif not getattr(arguments, "__dataclass_params__").frozen:  # noqa: B009
        findings.error(
            f"{arguments.__name__} can be changed after validation; write "
            f"@dataclass(frozen=True, kw_only=True)"
        )


def _missing(subject: Subject) -> list[str]:
    """The arguments that have no default and are not given."""
    net_class: Any = subject.factory
    nothing = (dataclasses.MISSING, dataclasses.MISSING)
    return [
        field.name
        for field in dataclasses.fields(net_class.Arguments)
        if (field.default, field.default_factory) == nothing and field.name not in subject.options
    ]


def check_arguments(subject: Subject, findings: Findings) -> None:
    """Arguments have defaults that a record can hold; values out of range raise OptionError."""
    net_class: Any = subject.factory
    arguments = net_class.Arguments
    for name in _missing(subject):
        with findings.at(f"argument {name}"):
            findings.error("it has no default, so the net cannot be made from its name alone")
    try:
        made = arguments(**subject.options)
    except Exception:  # reported above, or when the net is built
        return
    for field in dataclasses.fields(arguments):
        value = getattr(made, field.name)
        with findings.at(f"argument {field.name}"):
            if not isinstance(value, bool | int | float | str):
                findings.error(
                    f"{value!r} is a {type(value).__name__}, which records cannot hold; "
                    f"arguments must be numbers, strings or booleans"
                )
            elif isinstance(value, float) and not math.isfinite(value):
                findings.error(f"{value!r} cannot be written as JSON; use a finite number")
            else:
                _check_refusals(subject, field.name, value, findings)


def _check_refusals(
    subject: Subject, name: str, value: bool | float | str, findings: Findings
) -> None:
    """A record may hold any value: invalid ones are refused before the net is built."""
    net_class: Any = subject.factory
    for wrong in _wrong_values(value):
        given = {**subject.options, name: wrong}
        try:
            arguments = net_class.Arguments(**given)
        except OptionError:
            continue
        except Exception as error:  # third-party code may raise anything
            findings.error(
                f"{name}={wrong!r} raises {describe_error(error)}; a record may hold this, so "
                f"check the type first and raise stylezoo.errors.OptionError"
            )
            continue
        if wrong == HUGE:
            findings.advise(
                f"{name}={HUGE} is accepted; if it is a size, a record could ask for more memory "
                f"than is available: check an upper bound in __post_init__"
            )
            continue
        try:
            net_class(arguments)
        except StyleZooError:
            continue
        except Exception as error:  # third-party code may raise anything
            findings.error(
                f"{name}={wrong!r} passes Arguments, but building the net then raises "
                f"{describe_error(error)}; check the range in __post_init__ and raise OptionError"
            )
            continue
        if type(wrong) not in _types(net_class.Arguments, name, value):
            findings.error(
                f"{name}={wrong!r} passes Arguments, and the net is built with it, although "
                f"{name} is of type {type(value).__name__}; a record may hold this, so check the "
                f"type in __post_init__ and raise stylezoo.errors.OptionError"
            )


def _types(arguments: type, name: str, value: bool | float | str) -> tuple[Any, ...]:
    """The types that an argument may have: that of its value, and those of a union."""
    try:
        hint = get_type_hints(arguments).get(name)
    except Exception:  # third-party annotations may name anything
        hint = None
    return (type(value), *get_args(hint))


def _wrong_values(value: bool | float | str) -> list[bool | float | str]:
    """Values of the wrong type, or far outside any sensible range."""
    if isinstance(value, bool):
        return ["no"]
    if isinstance(value, int):
        return [-1, "3", HUGE]
    if isinstance(value, float):
        return [math.nan, "0.5"]
    return [3, "no-such-thing"]


def check_sizes(made: Made, findings: Findings) -> None:
    """It takes the sizes that it declares, and returns the same size."""
    check_size_contract(made.net, made.contract, run_net, findings)


def check_range(made: Made, findings: Findings) -> None:
    """In eval mode the output is in [0, 1], whatever the weights are."""
    wild = copy.deepcopy(made.net)
    with torch.no_grad():
        for parameter in wild.parameters():
            parameter.mul_(WILD)
    for name, net in (("as built", made.net), (f"weights times {WILD:g}", wild)):
        for low, high in ((0.0, 1.0), (0.0, 0.0), (1.0, 1.0)):
            images = made.images(1, low=low, high=high)
            values = f"values {low:g} to {high:g}" if low < high else f"values of {low:g}"
            with findings.at(f"{name}, {values}"), torch.no_grad():
                _check_output_range(run_net(net, images), findings)


def _check_output_range(output: Tensor, findings: Findings) -> None:
    if not output.isfinite().all():
        findings.error("the output has values that are not finite")
        return
    low, high = float(output.min()), float(output.max())
    if low < 0 or high > 1:
        findings.error(
            f"the output ranges from {low:.3g} to {high:.3g}; in eval mode it must be in [0, 1]: "
            f"return images if self.training else images.clamp(0, 1)"
        )


def check_gradients(made: Made, findings: Findings) -> None:
    """In training mode finite gradients reach every parameter."""
    net = copy.deepcopy(made.net).train().requires_grad_(True)
    images = made.images(2)
    with findings.at(f"input {shape_text(images)}, training mode"), seeded():
        output = run_net(net, images)
        if not output.requires_grad:
            findings.error("the output does not depend on the parameters, so it cannot be trained")
            return
        output.square().mean().backward()
        gradients = {name: parameter.grad for name, parameter in net.named_parameters()}
        broken = [n for n, g in gradients.items() if g is not None and not g.isfinite().all()]
        if broken:
            findings.error(f"the gradients of {_names(broken)} are not finite")
        unused = [name for name, gradient in gradients.items() if gradient is None]
        if unused:
            findings.advise(f"{_names(unused)} get no gradient; are they used?")


def _names(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def check_batch(made: Made, findings: Findings) -> None:
    """Each image of a batch is styled as if it came alone."""
    styles = made.net.styles if isinstance(made.net, MultiStyleNet) else 1

    def run(images: Tensor) -> Tensor:
        if styles == 1:
            return run_net(made.net, images)
        styled: Tensor = made.net(images, images.new_full((len(images), styles), 1 / styles))
        return styled

    modules.check_batch(made.probe(), findings, made.images(3), run)


def check_record(made: Made, findings: Findings) -> None:
    """Its weights file, which records its arguments, builds the same net again."""
    arguments = made.net.arguments if isinstance(made.net, MultiStyleNet) else None
    recorded = dataclasses.asdict(arguments) if arguments is not None else made.subject.options
    net = _shaken(made)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        try:
            save_weights(
                path,
                net.state_dict(),
                dtype=torch.float32,
                net_name="net",
                net_arguments=recorded,
            )
        except (RuntimeError, StyleZooError) as error:
            findings.error(f"its weights cannot be saved: {describe_error(error)}")
            return
        _, read = read_net_metadata(path)
        subject = dataclasses.replace(made.subject, options=read)
        again = subject.make(seed=1).eval()
        try:
            load_weights(again, path)
        except StyleZooError as error:
            findings.error(
                f"a net built from the recorded arguments {read!r} cannot load its weights: "
                f"{str(error).removeprefix(str(path))}; names and shapes must depend only on the "
                f"arguments"
            )
            return
    probe = made.probe()
    gap = modules.compare(probe.outputs(again), probe.outputs(net), 1e-5)
    if gap:
        findings.error(
            f"saved, rebuilt from the recorded arguments {read!r} and loaded, it gives {gap}; "
            f"something that matters is in neither the state dict nor the arguments: keep it in a "
            f"parameter or a persistent buffer"
        )


def _shaken(made: Made) -> TransformNet:
    """The net as after a little training: norms have seen images, every parameter has moved."""
    net = copy.deepcopy(made.net)
    with torch.no_grad(), seeded():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        run_net(net.train(), made.images(2))
    return net.eval()


def check_styles(made: Made, findings: Findings) -> None:
    """A mixture gives the same as the net blended for it, and blended nets recombine."""
    if not isinstance(made.net, MultiStyleNet):
        return
    net = made.net
    if not isinstance(net.arguments, made.net.Arguments):
        findings.error(
            f"arguments is a {type(net.arguments).__name__}, not an instance of "
            f"{made.net.Arguments.__name__}"
        )
    for shares in _mixtures(net.styles):
        with findings.at(f"shares {shares}"), torch.no_grad():
            _check_blend(net, shares, made.images(2), findings)
    if not findings.found:
        _check_together(made, net, findings)
    if net.styles > 1:
        try:
            net(made.images(1))
        except OptionError:
            return
        findings.error(
            f"it holds {net.styles} styles, but takes images without being told which; raise "
            f"stylezoo.errors.OptionError if style is None"
        )


def _mixtures(styles: int) -> list[list[float]]:
    if styles == 1:
        return [[1.0]]
    rest = (styles - 2) * [0.0]
    return [[1.0, 0.0, *rest], [0.25, 0.75, *rest]]


def _check_blend(
    net: MultiStyleNet, shares: Sequence[float], images: Tensor, findings: Findings
) -> None:
    one = net.blend(shares).eval()
    if one.styles != 1:
        findings.error(f"blend returns a net of {one.styles} styles; it must hold one")
        return
    mine = {id(parameter) for parameter in net.parameters()}
    if mine and not any(id(parameter) in mine for parameter in one.parameters()):
        findings.error(
            "the net that blend returns shares no parameter with this one, so an adapter would "
            "hold them all; give it the same modules, except for what belongs to each style"
        )
    with seeded():
        expected = net(images.clone(), images.new_tensor([shares] * len(images)))
    with seeded():
        gap = difference(one(images), expected, 1e-3)
    if gap:
        findings.error(
            f"compared with the net with these shares, the net that blend returns gives {gap}"
        )


def _check_together(made: Made, net: MultiStyleNet, findings: Findings) -> None:
    """The nets blended for each style can be put together again, as for a pack."""
    if "styles" not in (field.name for field in dataclasses.fields(net.arguments)):
        findings.error(
            "Arguments has no field styles, by which training sets how many paintings a net holds; "
            "add one, an integer of at least 1"
        )
        return
    alone = torch.eye(net.styles).tolist()
    ones = [net.blend(shares) for shares in (alone if net.styles > 1 else 2 * alone)]
    try:
        several, arguments = net_of_several(ones, made.subject.factory)
    except (OptionError, ComponentNotFoundError) as error:
        if net.styles > 1:  # a norm for one style need not have a counterpart for several
            findings.error(f"the nets that blend returns cannot be put together: {error}")
        return
    except PluginError as error:
        findings.error(str(error))
        return
    images = made.images(len(ones))
    with torch.no_grad():
        with seeded():
            found = run_net(several.eval(), images.clone())
        with seeded():
            gap = difference(found, run_net(net, images), 1e-3)
    if gap:
        findings.error(
            f"compared with the net itself, the nets that blend returns for each style, put "
            f"together with the arguments {arguments!r}, give {gap}; what belongs to one style "
            f"must be a row of (styles, ...) in the net, and lack that dimension in what blend "
            f"returns"
        )


def check_base(made: Made, findings: Findings) -> None:
    """With another norm, or widened, as the base of a training, it draws the same."""
    if not isinstance(made.net, MultiStyleNet):
        return
    one = made.net.blend([1 / made.net.styles] * made.net.styles).eval()
    width = getattr(one.arguments, "width", 1)
    changes: dict[str, Callable[[], MultiStyleNet]] = {
        f"with_norm({OTHER_NORM!r})": lambda: one.with_norm(OTHER_NORM),
    }
    if not modules.draws(made.probe()):  # more channels may need more random numbers
        changes[f"widen({2 * width})"] = lambda: one.widen(2 * width)
    images = made.images(2)
    with torch.no_grad():
        with seeded():
            expected = one(images.clone())
        for label, change in changes.items():
            try:
                changed = change()
            except OptionError:  # it does not offer that
                continue
            with seeded():
                gap = difference(changed.eval()(images.clone()), expected, 1e-3)
            if gap:
                findings.error(
                    f"compared with the net itself, the net that {label} returns gives {gap}"
                )


def check_export(made: Made, findings: Findings) -> None:
    """torch.export accepts it, or if it has several styles, the net blended for one mixture."""
    net = made.net
    if isinstance(net, MultiStyleNet) and net.styles > 1:
        net = net.blend([1 / net.styles] * net.styles).eval()
    modules.check_export(Made(made.subject, net).probe(), findings)


def _of_probe(check: Callable[[Probe, Findings], None]) -> Callable[[Made, Findings], None]:
    return lambda made, findings: check(made.probe(), findings)


OTHER_NORM = "instance-coloring"  # the default of adapters

FIRST = (Check("interface", check_interface), Check("arguments", check_arguments))

GROUND: tuple[Check[Made], ...] = (
    Check("sizes", check_sizes),
    Check("range", check_range),
    Check("determinism", _of_probe(modules.check_determinism)),
    Check("inputs", _of_probe(modules.check_inputs_untouched)),
    Check("eval-mode", _of_probe(modules.check_state_untouched)),
)

COMPARISONS: tuple[Check[Made], ...] = (
    Check("batch", check_batch),
    Check("gradients", check_gradients),
    Check("layout", _of_probe(modules.check_layout)),
    Check("dtypes", lambda made, found: modules.check_dtypes(made.probe(), found, torch.bfloat16)),
    Check("devices", _of_probe(modules.check_devices)),
    Check("record", check_record),
    Check("styles", check_styles),
    Check("base", check_base),
    Check("export", check_export),
)

CHECKS = (*GROUND, *COMPARISONS)
