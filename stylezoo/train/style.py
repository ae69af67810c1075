"""From a painting to a complete style folder: train, measure, write."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from stylezoo import __version__
from stylezoo.catalog import Catalog, default_catalog
from stylezoo.errors import OptionError, OutputError, TrainingError
from stylezoo.evaluation import EvaluationConfig, evaluate_style
from stylezoo.images import Photo, find_photos, open_photo
from stylezoo.registry.publish import StyleDraft, record_quality, write_style
from stylezoo.registry.record import (
    UNKNOWN,
    Licence,
    Provenance,
    Record,
    StyleImage,
    Training,
    check_licences,
    check_style_name,
    check_version,
)
from stylezoo.style import Style, load
from stylezoo.train.config import TrainingConfig
from stylezoo.train.samples import write_samples
from stylezoo.train.trainer import StepReport, Trainer

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, kw_only=True)
class StyleDescription:
    """What only a person knows of a style. What is not said is recorded as unknown.

    Attributes:
        name: the style's, in kebab-case.
        version: of the style.
        summary: one line.
        tags: words to search by.
        image: the painting: title, artist, year, where the picture of it is from.
        author: who trained it.
        data: what the photos are, and whose.
        licence: of weights, code, style image and training data.
        command: that trains it again; recorded.
        notes: anything else worth knowing.

    Raises:
        RecordError: name, version or a licence breaks the format of records.
    """

    name: str
    version: str
    summary: str
    tags: tuple[str, ...]
    image: StyleImage
    author: str
    data: str
    licence: Licence
    command: str
    notes: str = ""

    def __post_init__(self) -> None:
        # A mistake here must not come to light after an hour of training.
        check_style_name(self.name)
        check_version(self.version)
        check_licences(self.licence)


@dataclass(frozen=True, kw_only=True)
class TrainingFolders:
    """Where a training reads and writes besides its config.

    Attributes:
        output: the style folder to make.
        preview: the photo to show the style on; None for the first of the training photos.
        held_out: photos that training does not see, to measure quality on; None for no measure.
    """

    output: Path
    preview: Path | None = None
    held_out: Path | None = None

    @property
    def work(self) -> Path:
        """Checkpoint and sample pictures, kept beside the output."""
        return self.output.with_name(f"{self.output.name}-training")


def train_style(
    config: TrainingConfig,
    description: StyleDescription,
    folders: TrainingFolders,
    *,
    resume: bool = False,
    checkpoint_every: int = 100,
    samples_every: int = 250,
    evaluation: EvaluationConfig | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    on_evaluation: Callable[[str], None] | None = None,
    catalog: Catalog | None = None,
) -> tuple[Record, dict[Path, str]]:
    """Train a net on one painting and write a complete style folder.

    Args:
        config: the recipe.
        description: what goes into the record besides.
        folders: where to read and write.
        resume: go on from the checkpoint of a run that was stopped, if there is one.
        checkpoint_every: steps between checkpoints.
        samples_every: steps between sample pictures.
        evaluation: how much to measure on the held-out photos; None for the usual.
        on_step: called after each step.
        on_evaluation: called with a line of text before each part of the measuring.
        catalog: where net, backbone and losses come from; None for the installed plugins.

    Returns:
        The record written, and the photos that could not be read, each with the reason.

    Raises:
        OptionError: an option is out of its range.
        OutputError: the style folder exists, or a file cannot be written.
        ImageError: the painting, or the folder of photos, cannot be read.
        TrainingError: a checkpoint is there and ``resume`` is not set.
        CheckpointError: the checkpoint is broken, or of a run with other options.
    """
    if checkpoint_every < 1 or samples_every < 1:
        raise OptionError("checkpoint_every and samples_every must be 1 or more")
    if (folders.output / "style.toml").exists():
        raise OutputError(
            f"{folders.output} holds a style already; choose another folder or delete it"
        )
    catalog = catalog or default_catalog()
    checkpoint = folders.work / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise TrainingError(
            f"{checkpoint} is from a run that was stopped; go on with --resume, "
            f"or delete {folders.work} to start again"
        )
    _read_once(folders)
    trainer = Trainer(config, catalog)
    if checkpoint.exists():
        trainer.resume(checkpoint)
    try:
        folders.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folders.work} cannot be made: {error.strerror}") from error
    for report in trainer.run():
        if report.step % checkpoint_every == 0 or report.step == report.steps:
            trainer.save(checkpoint)
        if report.step % samples_every == 0 or report.step == report.steps:
            write_samples(trainer, folders.work / f"sample-{report.step:06}.jpg")
        if on_step is not None:
            on_step(report)
    record = _write(trainer, description, folders, catalog)
    if folders.held_out is not None:
        measured = evaluate_style(
            load(folders.output, catalog=catalog),
            folders.held_out,
            _painting(config),
            evaluation,
            command=shlex.join(
                ["stylezoo", "evaluate", description.name, "--photos", str(folders.held_out)]
            ),
            on_progress=on_evaluation,
            catalog=catalog,
        )
        record = record_quality(folders.output, measured.quality)
    return record, trainer.crops.skipped


def _painting(config: TrainingConfig) -> Photo:
    return open_photo(config.style_image).resized(config.style_size)


def _read_once(folders: TrainingFolders) -> None:
    """Read every photo that is needed at the end: a broken one shows now, not in an hour."""
    photos = find_photos(folders.held_out) if folders.held_out else []
    for photo in [folders.preview, *photos] if folders.preview else photos:
        open_photo(photo)


def _write(
    trainer: Trainer, description: StyleDescription, folders: TrainingFolders, catalog: Catalog
) -> Record:
    config = trainer.config
    net = trainer.averaged_net().float().cpu().to(memory_format=torch.contiguous_format)
    preview_path = folders.preview or trainer.crops.paths[0]
    preview = Style(net=net)(open_photo(preview_path).resized(512))
    draft = StyleDraft(
        name=description.name,
        version=description.version,
        status="stable",
        summary=description.summary,
        tags=description.tags,
        net_name=config.net,
        net_plugin=catalog.find("net", config.net).distribution,
        net_arguments=dict(config.net_arguments),
        style=description.image,
        training=Training(
            recipe=_recipe(config),
            seed=config.seed,
            command=description.command,
            data=description.data,
        ),
        provenance=Provenance(
            author=description.author,
            created=datetime.now(UTC).date().isoformat(),
            software=f"stylezoo {__version__}, torch {torch.__version__.partition('+')[0]}",
            notes=description.notes,
        ),
        licence=description.licence,
        objective=config.objective,
        preview=f"{preview_path.name}, stylised at 512 px",
    )
    # Whoever gets the style can evaluate it, where the painting may be passed on at all.
    known = description.licence.style_image != UNKNOWN
    return write_style(
        folders.output,
        net=net,
        draft=draft,
        preview=preview.to_pil(),
        painting=_painting(config).to_pil() if known else None,
    )


def _recipe(config: TrainingConfig) -> str:
    weights = config.backbone_options.get("weights", "default weights")
    return (
        f"{config.steps} steps of {config.batch_size} crops of {config.crop_size} px; "
        f"{config.backbone} ({weights}): content {config.content_layer} × "
        f"{config.content_weight:g}, Gram {', '.join(config.style_layers)} × "
        f"{config.style_weight:g}, relative; total variation × {config.tv_weight:g}; painting "
        f"at {config.style_size} px; Adam, one cycle to {config.learning_rate:g}; moving average "
        f"of weights {config.average_decay:g}"
    )
