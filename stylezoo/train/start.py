"""The net that a training starts from: a fresh one, or a trained one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stylezoo.catalog import Catalog
from stylezoo.errors import OptionError
from stylezoo.interfaces.net import MultiStyleNet, TransformNet
from stylezoo.registry.record import Record
from stylezoo.style import Style, load
from stylezoo.train.config import TrainingConfig

CONDITIONAL_NORM = "conditional-instance"


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        net: to train.
        net_name: the registered name.
        net_arguments: of the net.
        shared: names of the parameters that stay as they are in the base.
        base: the record of the base; None for a fresh net.
        style_weights: of each painting, the weight of the style term that the base was trained
            with for the style of its name; None where it has none.
    """

    net: TransformNet
    net_name: str
    net_arguments: dict[str, bool | int | float | str]
    shared: frozenset[str] = field(default_factory=frozenset)
    base: Record | None = None
    style_weights: tuple[float | None, ...] = ()


def starting_net(config: TrainingConfig, catalog: Catalog) -> Start:
    """Make the net that a config describes.

    Raises:
        OptionError: the net cannot hold so many styles, or the base is no multi-style net.
        PluginError: no plugin provides the net.
        StyleZooError: the base cannot be loaded.
    """
    styles = len(config.style_images)
    if config.base is None:
        arguments = dict(config.net_arguments)
        if styles > 1:
            arguments = {"norm": CONDITIONAL_NORM, **arguments, "styles": styles}
        net = _fresh(config.net, arguments, config.seed, catalog)
        return Start(net, config.net, arguments, style_weights=(None,) * styles)
    base = load(config.base, device="cpu", catalog=catalog)
    if base.record is None or not isinstance(base.net, MultiStyleNet):
        raise OptionError(
            f"{config.base} cannot be a base: it has no record, or its net is not one that can "
            "hold several styles"
        )
    ones = _nets_of_one_style(base, base.net, config)
    name = base.record.net.name
    found = {style.name: style.style_weight for style in base.record.styles}
    style_weights = tuple(found.get(painting) for painting in config.style_images)
    if config.only_norm:
        if not base.styles:
            raise OptionError(
                f"{base.record.name} holds one style and shares nothing; name a pack as the base"
            )
        one = ones[0].train().requires_grad_(True)
        theirs = {id(parameter) for parameter in base.net.parameters()}
        shared = {key for key, parameter in one.named_parameters() if id(parameter) in theirs}
        for key, parameter in one.named_parameters():
            parameter.requires_grad_(key not in shared)
        arguments = _arguments(one)
        return Start(one, name, arguments, frozenset(shared), base.record, style_weights)
    arguments = _arguments(ones[0])
    if styles > 1:
        arguments |= {"norm": CONDITIONAL_NORM, "styles": styles}
    net = _fresh(name, arguments, config.seed, catalog)
    _copy(net, ones)
    return Start(net, name, arguments, base=base.record, style_weights=style_weights)


def _fresh(name: str, arguments: Mapping[str, object], seed: int, catalog: Catalog) -> TransformNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return catalog.create_net(name, **arguments)


def _nets_of_one_style(
    base: Style, net: MultiStyleNet, config: TrainingConfig
) -> list[MultiStyleNet]:
    """For each painting, the base in its style: of that name, or as named, or the mean of all."""
    otherwise = base.shares or (1 / net.styles,) * net.styles
    return [
        net.blend(
            [float(other == name) for other in base.styles] if name in base.styles else otherwise
        )
        for name in config.style_images
    ]


def _arguments(net: MultiStyleNet) -> dict[str, bool | int | float | str]:
    return dataclasses.asdict(net.arguments)


def _copy(net: TransformNet, ones: Sequence[TransformNet]) -> None:
    """Fill a net of several styles from nets of one each, which share all else."""
    states = [one.state_dict() for one in ones]
    filled: dict[str, Tensor] = {}
    for name, tensor in net.state_dict().items():
        parts = [state[name] for state in states]
        filled[name] = parts[0] if parts[0].shape == tensor.shape else torch.stack(parts)
    net.load_state_dict(filled)
