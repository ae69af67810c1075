"""The net that a training starts from: a fresh one, or a trained one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from stylezoo.catalog import Catalog
from stylezoo.errors import OptionError, PluginError
from stylezoo.interfaces.net import MultiStyleNet, TransformNet
from stylezoo.loading import load
from stylezoo.registry.record import Record
from stylezoo.seeding import seeded
from stylezoo.style import Style
from stylezoo.train.config import FRESH_ARGUMENTS, TrainingConfig

CONDITIONAL = "conditional-"  # before a norm's name: the same norm for several styles


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a training starts from.

    Attributes:
        net: the net to train.
        net_name: its registered name.
        net_plugin: the distribution of the plugin that provides it.
        net_arguments: its arguments.
        shared: names of the parameters that stay as they are in the base.
        base: the record of the base; None for a fresh net.
        shares: for each painting, the share of each of the base's styles that it starts with.
        style_weights: for each painting, the style term's weight in the training of the style it
            starts from; None if there is none to take over, as for a mixture.
    """

    net: TransformNet
    net_name: str
    net_plugin: str
    net_arguments: dict[str, bool | int | float | str]
    shared: frozenset[str] = field(default_factory=frozenset)
    base: Record | None = None
    shares: tuple[tuple[float, ...], ...] = ()
    style_weights: tuple[float | None, ...] = ()


def starting_net(config: TrainingConfig, catalog: Catalog) -> Start:
    """Make the net that a config describes.

    Raises:
        OptionError: the net cannot hold that many styles, or the base is not a multi-style net,
            cannot be widened that way or cannot take such norms.
        PluginError: no plugin provides the net or the norm, or the net violates its interface.
        StyleZooError: the base cannot be loaded.
    """
    if config.base is None:
        return _fresh(config, catalog)
    return _trained(config.base, config, catalog)


def _fresh(config: TrainingConfig, catalog: Catalog) -> Start:
    styles = len(config.style_images)
    found = catalog.find("net", config.net)
    arguments = catalog.with_variant(
        "net", config.net, {**FRESH_ARGUMENTS.get(found.name, {}), **config.net_arguments}
    )
    if styles > 1:
        arguments["styles"] = styles
        if _has_norm(found.full_name, catalog):
            norm = str(arguments.get("norm", "instance"))
            _refuse_conditional(norm)
            arguments["norm"] = f"{CONDITIONAL}{norm}"
    with seeded(config.seed):
        net = catalog.create_net(found.full_name, **arguments)
    return Start(
        net=net,
        net_name=found.name,
        net_plugin=found.distribution,
        net_arguments=arguments,
        style_weights=(None,) * styles,
    )


def _trained(spec: str, config: TrainingConfig, catalog: Catalog) -> Start:
    base = load(spec, device="cpu", catalog=catalog)
    if base.record is None or not isinstance(base.net, MultiStyleNet):
        raise OptionError(
            f"{spec} cannot be a base: it has no record, or its net cannot hold several styles"
        )
    asked = _shares(base, base.net, config)
    if config.only_norm:
        _check_pack(base.record, asked, config)
    shares = tuple(_startable(base.net, of_one) for of_one in asked)
    if base.shares and shares != asked:
        raise OptionError(
            f"the styles of {base.record.name} cannot be mixed to start from, as a mixture needs "
            f"larger norms than each; name one of them, as in {base.record.name}:"
            f"{base.record.styles[0].name}"
        )
    ones = [base.net.blend(of_one) for of_one in shares]
    if config.widen_to is not None:
        ones = [one.widen(config.widen_to) for one in ones]
    if config.norm is not None and config.steps:  # without steps, a style is taken as it is
        catalog.get_norm(config.norm)
        ones = with_norms(ones, config.norm, config.seed)
    described = base.record.net
    net: TransformNet
    if config.only_norm:
        net, arguments = ones[0].train().requires_grad_(True), _arguments(ones[0])
        theirs = {id(parameter) for parameter in base.net.parameters()}
        shared = {key for key, parameter in net.named_parameters() if id(parameter) in theirs}
        for key, parameter in net.named_parameters():
            parameter.requires_grad_(key not in shared)
    else:
        here = catalog.net_of(described.name, described.plugin)
        net, arguments = net_of_several(ones, partial(catalog.create_net, here))
        shared = set()
    return Start(
        net=net,
        net_name=described.name,
        net_plugin=described.plugin,
        net_arguments=arguments,
        shared=frozenset(shared),
        base=base.record,
        shares=shares,
        style_weights=_style_weights(base.record, shares, config),
    )


def net_of_several(
    ones: Sequence[MultiStyleNet], make: Callable[..., TransformNet]
) -> tuple[TransformNet, dict[str, bool | int | float | str]]:
    """Make a net that holds the styles of several nets, which share all but their norms.

    Args:
        ones: nets of one style each; what they should share is taken from the first.
        make: makes such a net from its arguments.

    Returns:
        The net, and the arguments it was built with.

    Raises:
        OptionError: the net cannot hold that many styles.
        PluginError: the tensors of a net of one style do not fit into the net of several.
    """
    arguments = _arguments(ones[0])
    if len(ones) > 1:
        arguments["styles"] = len(ones)
        if "norm" in arguments:
            arguments["norm"] = f"{CONDITIONAL}{arguments['norm']}"
    with seeded():
        net = make(**arguments)
    states = [one.state_dict() for one in ones]
    _check_rows(net, states)
    shared = shared_tensors(net, ones[0])
    net.load_state_dict(
        {
            key: states[0][key] if key in shared else torch.stack([state[key] for state in states])
            for key in net.state_dict()
        }
    )
    return net, arguments


def _check_rows(net: TransformNet, states: Sequence[Mapping[str, Tensor]]) -> None:
    """Refuse nets of one style whose tensors match neither those of several nor their rows.

    Raises:
        PluginError: a tensor does not match.
    """
    for key, tensor in net.state_dict().items():
        whole = tuple(tensor.shape)
        row = whole[1:] if whole[:1] == (len(states),) else whole
        found = {tuple(state[key].shape) if key in state else None for state in states}
        if found not in ({whole}, {row}):
            raise PluginError(
                f"{key} is {whole} in a {type(net).__name__} of {len(states)} styles, but "
                f"{' and '.join(map(str, found))} in nets of one style; a tensor that differs "
                "between styles must be (styles, ...), and the net that blend returns must hold "
                "one row of it: fix the plugin of the net"
            )


def with_norms(nets: Sequence[MultiStyleNet], norm: str, seed: int) -> list[MultiStyleNet]:
    """Give nets norms of one kind, whose new tensors start the same in each net.

    Raises:
        OptionError: the kind is conditional, or cannot take over what a net's norms have learnt.
    """
    _refuse_conditional(norm)
    changed = []
    for net in nets:
        with seeded(seed):
            changed.append(net.with_norm(norm))
    return changed


def _refuse_conditional(norm: str) -> None:
    if norm.startswith(CONDITIONAL):
        raise OptionError(
            f"the norm is {norm!r}; a net of several styles makes norms conditional by itself: "
            f"give {norm.removeprefix(CONDITIONAL)!r}"
        )


def shared_tensors(net: TransformNet, one: TransformNet) -> frozenset[str]:
    """Name the tensors of a net that all its styles have in common.

    Args:
        net: of several styles, or of one.
        one: a net of one of its styles; what is not shared has another shape in it.
    """
    alone = one.state_dict()
    return frozenset(
        key for key, tensor in net.state_dict().items() if tensor.shape == alone[key].shape
    )


def _check_pack(
    record: Record, shares: Sequence[tuple[float, ...]], config: TrainingConfig
) -> None:
    """Refuse a base that is not a pack and, without steps, one with no single style chosen.

    Raises:
        OptionError: the base is refused.
    """
    if record.base is not None:
        raise OptionError(
            f"{record.name} is itself an adapter; build on its base, {record.base.spec}"
        )
    if not record.styles:
        raise OptionError(
            f"{record.name} holds one style and shares nothing; name a pack as the base"
        )
    if not config.steps and 1.0 not in shares[0]:
        raise OptionError(
            f"steps is 0, which takes a style of {record.name} as it is; name one, as in "
            f"{record.name}:{record.styles[0].name}"
        )


def _style_weights(
    record: Record, shares: Sequence[tuple[float, ...]], config: TrainingConfig
) -> tuple[float | None, ...]:
    """For each painting, the style weight of the style it starts from, if it means the same here.

    In another objective, of other layers or normalised otherwise, the same weight is too strong or
    too weak. Without steps, the base's objective stays.
    """
    objective = record.objective
    same = objective is not None and objective.with_style_weight(1) == config.objective(1)
    if config.steps and not same:
        return (None,) * len(shares)
    if record.styles:
        weights = [style.style_weight for style in record.styles]
        return tuple(weights[one.index(1.0)] if 1.0 in one else None for one in shares)
    # A base of one style lends its drawing to any painting, but its weight only to its own.
    weight = objective.style_weight if objective else None
    return tuple(weight if name == record.name else None for name in config.style_images)


def _has_norm(name: str, catalog: Catalog) -> bool:
    arguments = catalog.get("net", name).Arguments
    return "norm" in (field.name for field in dataclasses.fields(arguments))


def _shares(
    base: Style, net: MultiStyleNet, config: TrainingConfig
) -> tuple[tuple[float, ...], ...]:
    """For each painting, the shares to start with: as asked for, its namesake's or the mean."""
    if base.shares:
        return (base.shares,) * len(config.style_images)
    mean = (1 / net.styles,) * net.styles
    return tuple(
        tuple(float(other == name) for other in base.styles) if name in base.styles else mean
        for name in config.style_images
    )


def _startable(net: MultiStyleNet, shares: tuple[float, ...]) -> tuple[float, ...]:
    """The mixture, or only its largest style if mixing makes the norms larger."""
    largest = shares.index(max(shares))
    alone = tuple(float(style == largest) for style in range(len(shares)))
    mixed, one = (net.blend(some).state_dict() for some in (shares, alone))
    same = all(tensor.shape == one[key].shape for key, tensor in mixed.items())
    return shares if same else alone


def _arguments(net: MultiStyleNet) -> dict[str, bool | int | float | str]:
    return dataclasses.asdict(net.arguments)
