"""Drafts the record of a trained style, as far as its training determines it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stylezoo.registry.publish import PAINTING, StyleDraft
from stylezoo.registry.record import Base, PackStyle, Training, status_of
from stylezoo.registry.record_text import UNKNOWN
from stylezoo.registry.spec import StyleSpec
from stylezoo.train.config import TrainingConfig
from stylezoo.train.description import StyleDescription
from stylezoo.train.preview import PREVIEW_SIZE, SHEET_SIDE
from stylezoo.train.start import Start
from stylezoo.train.trainer import Trainer


def draft_of(
    trainer: Trainer, description: StyleDescription, preview: Path
) -> tuple[StyleDraft, dict[str, str]]:
    """Draft the record of a training, as far as it is known.

    Args:
        trainer: before its first step, or after its last.
        description: given by whoever trains.
        preview: the photo that the style will be shown on.

    Returns:
        The draft, and the names of the paintings to write, by path.
    """
    config, start = trainer.config, trainer.start
    names = list(config.style_images)
    single = len(names) == 1
    # The painting lets whoever gets the style evaluate it, if it may be passed on at all.
    known = description.licence.style_image != UNKNOWN
    files = {name: PAINTING if single else f"paintings/{name}.jpg" for name in names}
    weights = dict(zip(names, map(_rounded, trainer.balance.weights), strict=True))
    size = PREVIEW_SIZE if single else SHEET_SIDE
    training = Training(
        recipe=_recipe(config, start, weights),
        seed=config.seed,
        command=description.command,
        data=description.data,
        style_size=config.style_size,
    )
    objective = config.objective(weights[names[0]])
    if start.base is not None and start.base.objective is not None and not config.steps:
        # A style that is taken unchanged was trained with the base.
        training = replace(start.base.training, recipe=training.recipe, command=training.command)
        objective = start.base.objective.with_style_weight(weights[names[0]])
    draft = StyleDraft(
        name=description.name,
        version=description.version,
        status=status_of(description.version),
        summary=description.summary,
        tags=description.tags,
        net_name=start.net_name,
        net_plugin=start.net_plugin,
        net_arguments=start.net_arguments,
        style=description.images[names[0]] if single else None,
        styles=()
        if single
        else tuple(
            PackStyle(
                name=name,
                image=description.images[name],
                style_weight=weights[name],
                painting=files[name] if known else None,
            )
            for name in names
        ),
        base=_base(trainer),
        training=training,
        provenance=description.provenance(),
        licence=description.licence,
        # In a pack, each style's own weight is in its table.
        objective=objective,
        preview=f"{preview.name}, stylised at {size} px",
    )
    return draft, {path: name for name, path in files.items()} if known else {}


def style_size_of(training: Training, config: TrainingConfig) -> int:
    """The painting's size when the net was trained on it, maybe in another training."""
    return training.style_size or config.style_size


def _base(trainer: Trainer) -> Base | None:
    """The base an adapter builds on; a net trained as a whole has none."""
    record = trainer.start.base
    if record is None or not trainer.start.shared:
        return None
    return Base(
        name=record.name,
        version=record.version,
        sha256=record.file("weights").sha256,
        repository=StyleSpec.parse(trainer.config.base or record.name).repository,
    )


def _rounded(weight: float) -> float:
    return float(f"{weight:.3g}")


def _recipe(config: TrainingConfig, start: Start, weights: Mapping[str, float]) -> str:
    vgg = config.backbone_options.get("weights", "default weights")
    parts = []
    if start.base is not None:
        what = "the norms alone, on" if config.only_norm else "starting from"
        wider = "" if config.widen_to is None else f", widened to {config.widen_to}"
        parts.append(f"{what} {start.base.name} {start.base.version}{wider}")
    if not config.steps and start.base is not None:
        pack = f"{start.base.name} {start.base.version}"
        return f"one of the styles of {pack}, as it is there: {start.base.training.recipe}"
    half = f", the first {config.half_crops:.0%} of half the side" if config.half_crops else ""
    *most, last = map(str, config.crop_sizes)
    sizes = f"{', '.join(most)} and {last}" if most else last
    named = ", ".join(f"{weight:g}" for weight in weights.values())
    parts += [
        f"{config.steps} steps of {config.batch_size} crops of {sizes} px{half}",
        f"{config.backbone} ({vgg}), {config.normalization}: content {config.content_layer} × "
        f"{config.content_weight:g}, Gram {', '.join(config.style_layers)} × {named}",
        f"total variation ({config.tv_norm}) × {config.tv_weight:g}",
    ]
    if config.stability_weight:
        parts.append(f"stability × {config.stability_weight:g}")
    rates = f"Adam, {config.norm_learning_rate:g}"
    if not config.only_norm:
        rates = f"{config.optimizer.capitalize()}, {config.learning_rate:g}, for norms {rates}"
    parts += [
        f"painting at {config.style_size} px",
        f"{rates}, {config.schedule}",
    ]
    if config.average_part:
        parts.append(f"moving average of weights over {config.average_part:.0%} of the steps")
    return "; ".join(parts)
