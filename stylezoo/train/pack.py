"""Makes a pack of existing styles without training: they share all but their norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.errors import OptionError
from stylezoo.evaluation.evaluate import objective_of, painting_path
from stylezoo.images import open_photo
from stylezoo.interfaces.net import MultiStyleNet
from stylezoo.loading import load
from stylezoo.objective_config import ObjectiveConfig
from stylezoo.registry.publish import StyleDraft, write_style
from stylezoo.registry.record import (
    MAX_TEXT,
    Base,
    PackStyle,
    Provenance,
    Record,
    Training,
    status_of,
)
from stylezoo.registry.record_text import UNKNOWN
from stylezoo.style import Style
from stylezoo.train.description import PackDescription
from stylezoo.train.preview import SHEET_SIDE, preview_of
from stylezoo.train.start import net_of_several, shared_tensors, with_norms

if TYPE_CHECKING:
    from stylezoo.interfaces.net import TransformNet

LONGEST_RECIPE = MAX_TEXT // 2  # characters; what is made from the pack quotes and extends it


@dataclass(frozen=True)
class _Member:
    """A style of the future pack: its own net, its record, and its entry in the pack."""

    spec: str
    net: MultiStyleNet
    record: Record
    objective: ObjectiveConfig
    style: PackStyle
    painting: Path | None


def make_pack(
    specs: Sequence[str],
    description: PackDescription,
    output: Path,
    *,
    preview: Path,
    catalog: Catalog | None = None,
) -> Record:
    """Put styles that share their convolutions into one net.

    The styles of a pack and the adapters on it do. Each draws exactly the picture that it draws
    alone, so it keeps its measured quality.

    Args:
        specs: of the styles: ``"museum:monet"``, or an adapter on the museum, ``"./klimt"``.
        description: what else goes into the record. If its author is ``"unknown"``, the record
            names the author of the styles, if they share one.
        output: the style folder to make.
        preview: the photo to show the styles on.
        catalog: where styles and nets come from; None for the installed plugins.

    Returns:
        The record of the pack.

    Raises:
        OptionError: fewer than two styles, two with the same name, a style that cannot be in a
            pack, or styles that do not share their convolutions, licence or objective.
        OutputError: the folder exists and is not empty, or cannot be written.
        StyleZooError: a style cannot be loaded.
    """
    if len(specs) < 2:
        raise OptionError("a pack holds several styles; name at least two")
    photo = open_photo(preview)
    catalog = catalog or default_catalog()
    members = [_member(spec, catalog) for spec in specs]
    first = members[0]
    _check_names(members)
    for other in members[1:]:
        _check_alike(first, other)
    net, arguments = _join(members, catalog)
    draft = StyleDraft(
        name=description.name,
        version=description.version,
        status=status_of(description.version),
        summary=description.summary,
        tags=description.tags,
        net_name=first.record.net.name,
        net_plugin=first.record.net.plugin,
        net_arguments=arguments,
        styles=tuple(member.style for member in members),
        training=Training(
            recipe=_recipe(members),
            seed=first.record.training.seed,  # the recipe has those of the others
            command=description.command,
            data="; ".join(dict.fromkeys(m.record.training.data for m in members)),
            style_size=_common_style_size(members),
        ),
        provenance=_provenance(description, members),
        licence=first.record.licence,
        objective=first.objective,
        preview=f"{preview.name}, stylised at {SHEET_SIDE} px",
    )
    return write_style(
        output,
        net=net,
        draft=draft,
        preview=preview_of({m.style.name: Style(net=m.net.eval()) for m in members}, photo),
        paintings={
            m.style.painting: m.painting for m in members if m.style.painting and m.painting
        },
        dtype="float16" if all(_fits_into_half(m.net) for m in members) else "float32",
    )


def _member(spec: str, catalog: Catalog) -> _Member:
    loaded = load(spec, device="cpu", catalog=catalog)
    record, net, row = loaded.record, loaded.net, loaded.pack_style
    if record is None or not isinstance(net, MultiStyleNet):
        raise OptionError(
            f"{spec} cannot be in a pack: it has no record, or its net cannot hold several styles"
        )
    if loaded.styles and row is None:
        raise OptionError(
            f"{spec} holds several styles; name one, as in {record.name}:{loaded.styles[0]}"
        )
    image = row.image if row else record.style
    if image is None:
        raise OptionError(f"the record of {spec} does not name the painting it was trained on")
    name = row.name if row else record.name
    objective = objective_of(loaded)
    weight = objective.style_weight
    if weight is None:
        raise OptionError(f"the objective of {spec} has no style term, and so no style weight")
    painting = painting_path(spec, loaded, catalog)
    style = PackStyle(
        name=name,
        image=image,
        style_weight=weight,
        painting=None if painting is None else f"paintings/{name}{painting.suffix}",
        quality=row.quality if row else record.quality,
    )
    one = net.blend(loaded.shares or (1.0,))
    return _Member(spec, one, record, objective, style, painting)


def _fits_into_half(net: MultiStyleNet) -> bool:
    """Whether half precision holds every number exactly, as when weights were stored in it."""
    return all(
        torch.equal(tensor, tensor.half().to(tensor.dtype))
        for tensor in net.state_dict().values()
        if tensor.is_floating_point()
    )


def _check_names(members: Sequence[_Member]) -> None:
    names = [member.style.name for member in members]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"two styles are called {name}; in a pack, names must differ")


def _check_alike(first: _Member, other: _Member) -> None:
    """Compare what a pack's record states once for all its styles."""
    ours, theirs = asdict(first.record.licence), asdict(other.record.licence)
    differing = [name for name in ours if ours[name] != theirs[name]]
    if differing:
        told = ", ".join(f"{name} {ours[name]} and {theirs[name]}" for name in differing)
        raise OptionError(
            f"the licences of {first.spec} and {other.spec} differ: {told}; a pack has a "
            "single licence: train both with the same one, or leave one of them out"
        )
    if other.objective.with_style_weight(1) != first.objective.with_style_weight(1):
        raise OptionError(
            f"{first.spec} and {other.spec} were trained for different objectives; in a pack, they "
            "may differ only in the style weight: leave one of them out"
        )


def _join(
    members: Sequence[_Member], catalog: Catalog
) -> tuple[TransformNet, dict[str, bool | int | float | str]]:
    """Join all members into one net; return it and its arguments.

    Raises:
        OptionError: they do not share what the styles of one net have in common.
    """
    first, *others = members = _of_one_norm(members)
    for other in others:
        if (other.record.net.name, other.net.arguments) != (
            first.record.net.name,
            first.net.arguments,
        ):
            raise _misfit(first, other)
    here = catalog.net_of(first.record.net.name, first.record.net.plugin)
    net, arguments = net_of_several([m.net for m in members], partial(catalog.create_net, here))
    common = first.net.state_dict()
    for other in others:
        state = other.net.state_dict()
        if not all(torch.equal(state[key], common[key]) for key in shared_tensors(net, first.net)):
            raise _misfit(first, other)
    return net, arguments


def _of_one_norm(members: Sequence[_Member]) -> Sequence[_Member]:
    """Give the members norms of one kind: the one that all can be turned into."""
    kinds = sorted({getattr(member.net.arguments, "norm", "") for member in members})
    if len(kinds) == 1:
        return members
    for kind in kinds:
        try:
            nets = with_norms([member.net for member in members], kind, seed=0)
        except OptionError:
            continue
        return [replace(m, net=net) for m, net in zip(members, nets, strict=True)]
    raise _misfit(members[0], members[1])


def _misfit(first: _Member, other: _Member) -> OptionError:
    advice = (
        "make a pack from the styles of one pack and the adapters on it, see 'stylezoo train "
        "--only-norm'"
    )
    for style, adapter in ((first, other), (other, first)):
        base = adapter.record.base
        if base is not None and style.record.styles and style.record.name == base.name:
            advice = f"write {base.spec}:{style.style.name}"
    return OptionError(
        f"{first.spec} ({_pack_of(first.record)}) and {other.spec} ({_pack_of(other.record)}) do "
        f"not share their convolutions; {advice}"
    )


def _pack_of(record: Record) -> str:
    return f"of {_label(record)}" if record.base is None else f"on {_label(record.base)}"


def _common_style_size(members: Sequence[_Member]) -> int | None:
    """The size common to all paintings; None if sizes differ or are unknown."""
    sizes = {member.record.training.style_size for member in members}
    return sizes.pop() if len(sizes) == 1 else None


def _recipe(members: Sequence[_Member]) -> str:
    """How each style was trained, with the seeds and, if there is room, the commands."""
    trainings = [(names, record.training) for names, record in _origins(members)]
    seeded = [
        f"{names}, as trained there: {training.recipe}; seed {training.seed}"
        for names, training in trainings
    ]
    complete = "; ".join(
        f"{told}; by `{training.command}`"
        for told, (_, training) in zip(seeded, trainings, strict=True)
    )
    if len(complete) <= LONGEST_RECIPE:
        return complete
    return "; ".join([*seeded, "the commands are in the records of these"])


def _provenance(description: PackDescription, members: Sequence[_Member]) -> Provenance:
    """The provenance of the pack, with the credits and notes of its members' records."""
    provenance = description.provenance()
    authors = {member.record.provenance.author for member in members}
    if provenance.author == UNKNOWN and len(authors) == 1:
        provenance = replace(provenance, author=authors.pop())
    credits = (
        " ".join(
            filter(None, [f"{names}, by {record.provenance.author}.", record.provenance.notes])
        )
        for names, record in _origins(members)
    )
    return replace(provenance, notes=" ".join(filter(None, [provenance.notes, *credits])))


def _origins(members: Sequence[_Member]) -> list[tuple[str, Record]]:
    """The members' distinct records, each with the names of its styles in the pack."""
    names: dict[str, list[str]] = {}
    records: dict[str, Record] = {}
    for member in members:
        label = _label(member.record)
        names.setdefault(label, []).append(member.style.name)
        records[label] = member.record
    return [(f"{', '.join(names[label])}, of {label}", record) for label, record in records.items()]


def _label(record: Record | Base) -> str:
    return f"{record.name} {record.version}"
