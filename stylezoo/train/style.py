"""From paintings to a complete style folder: train, measure, write."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from stylezoo.allocator import reuse_freed_memory
from stylezoo.catalog import Catalog, default_catalog
from stylezoo.device import choose_device
from stylezoo.errors import (
    IntegrityError,
    OptionError,
    StyleNotFoundError,
    TrainingError,
    VersionNotFoundError,
)
from stylezoo.evaluation import EvaluationConfig, evaluate_style
from stylezoo.evaluation.evaluate import check_photos, measuring_command
from stylezoo.files import check_new_folder, writing
from stylezoo.images import open_photo
from stylezoo.loading import load
from stylezoo.memory import within_memory
from stylezoo.registry.pinned import resolve_base
from stylezoo.registry.publish import (
    check_draft,
    record_quality,
    write_style,
)
from stylezoo.registry.record import Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.sources import all_sources
from stylezoo.torch_modes import plain_modes
from stylezoo.train.callbacks import Callbacks
from stylezoo.train.config import TrainingConfig
from stylezoo.train.description import StyleDescription
from stylezoo.train.draft import draft_of, style_size_of
from stylezoo.train.metrics import MetricsLog
from stylezoo.train.preview import preview_of
from stylezoo.train.samples import styles_of, write_samples
from stylezoo.train.trainer import StepReport, Trainer, painting_of

CHECKPOINT = "checkpoint"
LOCK = ".lock"


@dataclass(frozen=True, init=False)
class TrainingFolders:
    """Where a training reads and writes besides its config.

    Attributes:
        output: the style folder to make.
        preview: the photo to show the style on; None for the first of the training photos.
        held_out: photos kept out of training, to measure quality on; None to measure nothing, as
            for a pack, whose styles are evaluated one by one.
    """

    output: Path
    preview: Path | None
    held_out: Path | None

    def __init__(
        self,
        *,
        output: str | Path,
        preview: str | Path | None = None,
        held_out: str | Path | None = None,
    ) -> None:
        object.__setattr__(self, "output", Path(output))
        object.__setattr__(self, "preview", None if preview is None else Path(preview))
        object.__setattr__(self, "held_out", None if held_out is None else Path(held_out))

    @property
    def work(self) -> Path:
        """The folder of the checkpoint, metrics and samples, beside the output."""
        return self.output.with_name(f"{self.output.name}-training")


@dataclass(frozen=True)
class TrainedStyle:
    """The result of a training.

    Attributes:
        record: as written to the style folder.
        skipped: the unusable photos, each with the reason.
        left_out: number of steps whose gradient overflowed, which changed nothing.
    """

    record: Record
    skipped: Mapping[Path, str]
    left_out: int


@reuse_freed_memory()
@plain_modes()
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
) -> TrainedStyle:
    """Train a net and write a complete style folder.

    Args:
        config: the recipe.
        description: what else goes into the record.
        folders: where to read and write.
        resume: continue from the checkpoint of a stopped run, if there is one.
        checkpoint_every: steps between checkpoints.
        samples_every: steps between sample pictures.
        evaluation: how much to measure on the held-out photos; None for the defaults, with the
            device and precision of the training.
        on_step: called after each step.
        on_evaluation: called with a line of text before each part of the evaluation.
        catalog: where net, backbone and losses come from; None for the installed plugins.

    Raises:
        OptionError: an option is out of range, held-out photos are given for a pack, or there is
            too little memory.
        OutputError: the style folder exists, or a file cannot be written.
        ImageError: the painting or the folder of photos cannot be read.
        TrainingError: there is a checkpoint and ``resume`` is not set, another training writes to
            the same folder, or a plugin's training callback failed.
        CheckpointError: the checkpoint is broken, from another version of stylezoo, or from a run
            with other options.
    """
    if checkpoint_every < 1 or samples_every < 1:
        raise OptionError("checkpoint_every and samples_every must be 1 or more")
    check_new_folder(folders.output)
    if folders.held_out is not None and len(config.style_images) > 1:
        raise OptionError(
            "a pack is measured style by style: train it without held-out photos, then run "
            "'stylezoo evaluate FOLDER:STYLE' for each"
        )
    if set(description.images) != set(config.style_images):
        raise OptionError(
            f"the description names {', '.join(description.images)}, but the paintings are "
            f"{', '.join(config.style_images)}; describe these"
        )
    catalog = catalog or default_catalog()
    evaluation = evaluation or EvaluationConfig(device=config.device, precision=config.precision)
    with within_memory(
        f"batches of {config.batch_size} crops of {max(config.crop_sizes)} pixels",
        "choose fewer or smaller crops (--batch-size, --crop-size)",
    ):
        _read_once(folders, evaluation)
        trainer = Trainer(config, catalog)
        _check_draft(trainer, description, folders, catalog)
        # An adapter may have no steps, and then there is nothing to watch.
        watched = trainer.processes.main and config.steps
        with _alone(folders.work) if watched else nullcontext():
            _resume(trainer, folders, resume)
            if trainer.processes.main:
                if watched:
                    _watch(trainer, folders, catalog, checkpoint_every, samples_every, on_step)
                record = _write(trainer, description, folders)
                trainer.processes.wait()
            else:
                deque(trainer.run(), maxlen=0)
                trainer.processes.wait()
                record = read_record(folders.output)
    if folders.held_out is not None and trainer.processes.main:
        record = _measure(
            config, folders.output, folders.held_out, evaluation, catalog, on_evaluation
        )
    return TrainedStyle(record, skipped=trainer.crops.skipped, left_out=trainer.left_out)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Make the work folder, and keep other trainings out of it; a kill lets them in again.

    Raises:
        TrainingError: another training is at work there.
        OutputError: the folder cannot be written.
    """
    import filelock

    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(work / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise TrainingError(
                f"another training is writing to {work}; wait for it, or choose another folder "
                "with -o"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _resume(trainer: Trainer, folders: TrainingFolders, resume: bool) -> None:
    """Continue from the checkpoint, if there is one.

    Raises:
        TrainingError: there is one, and that is not wanted.
    """
    checkpoint = folders.work / CHECKPOINT
    if not checkpoint.exists():
        return
    if not resume:
        raise TrainingError(
            f"{checkpoint} is from a stopped run; continue it with --resume, "
            f"or delete {folders.work} to start again"
        )
    trainer.resume(checkpoint)


def _watch(
    trainer: Trainer,
    folders: TrainingFolders,
    catalog: Catalog,
    checkpoint_every: int,
    samples_every: int,
    on_step: Callable[[StepReport], None] | None,
) -> None:
    """Run the remaining steps, writing checkpoints, metrics and samples."""
    checkpoint = folders.work / CHECKPOINT
    callbacks = Callbacks(catalog.callbacks())
    with closing(MetricsLog(folders.work, trainer.step)) as log:
        for report in trainer.run():
            log.add(report)
            if report.step % checkpoint_every == 0 or report.step == report.steps:
                trainer.save(checkpoint)
                callbacks.checkpoint(report.step, checkpoint)
            if report.step % samples_every == 0 or report.step == report.steps:
                sample = folders.work / f"sample-{report.step:06}.jpg"
                write_samples(trainer, sample)
                callbacks.sample(report.step, sample)
            callbacks.step_end(report)
            if on_step is not None:
                on_step(report)


def _read_once(folders: TrainingFolders, evaluation: EvaluationConfig) -> None:
    """Read every photo needed at the end, so that a broken one shows now, not in an hour."""
    if folders.preview is not None:
        open_photo(folders.preview)
    if folders.held_out is not None:
        check_photos(folders.held_out, evaluation.sizes)


def _check_draft(
    trainer: Trainer, description: StyleDescription, folders: TrainingFolders, catalog: Catalog
) -> None:
    """Draft the record once, so that what it cannot hold shows now, not in an hour.

    Raises:
        RecordError: it breaks the format.
        OptionError: an adapter's base would not be found.
    """
    draft, paintings = draft_of(trainer, description, _preview_photo(trainer, folders))
    record = check_draft(trainer.start.net, draft, paintings)
    try:
        resolve_base(record, all_sources(catalog))
    except IntegrityError as error:
        raise OptionError(
            f"an adapter finds its base by name, version and hash, but {error}; if the pack is "
            "yours, give it a version that no source has, and add it to a registry"
        ) from error
    except (StyleNotFoundError, VersionNotFoundError) as error:
        raise OptionError(
            f"an adapter finds its base by name, but {error}; add the pack to a registry first "
            "(docs/registries.md)"
        ) from error


def _measure(
    config: TrainingConfig,
    output: Path,
    held_out: Path,
    evaluation: EvaluationConfig,
    catalog: Catalog,
    on_progress: Callable[[str], None] | None,
) -> Record:
    """Measure the style just written, and add its quality to the record and the card."""
    style = load(output, device=str(choose_device(evaluation.device)), catalog=catalog)
    assert style.record is not None
    (painting,) = map(Path, config.style_images.values())
    given = None if style.record.paintings else painting
    measured = evaluate_style(
        style,
        held_out,
        painting_of(painting, style_size_of(style.record.training, config)),
        evaluation,
        command=measuring_command(style, held_out, evaluation, given),
        on_progress=on_progress,
        catalog=catalog,
    )
    return record_quality(output, measured.quality)


def _write(trainer: Trainer, description: StyleDescription, folders: TrainingFolders) -> Record:
    config = trainer.config
    net = trainer.averaged_net().float().cpu().to(memory_format=torch.contiguous_format)
    draft, paintings = draft_of(trainer, description, _preview_photo(trainer, folders))
    style_size = style_size_of(draft.training, config)
    return write_style(
        folders.output,
        net=net,
        draft=draft,
        preview=preview_of(styles_of(trainer), open_photo(_preview_photo(trainer, folders))),
        paintings={
            path: painting_of(config.style_images[name], style_size).to_pil()
            for path, name in paintings.items()
        },
        shared=trainer.start.shared,
    )


def _preview_photo(trainer: Trainer, folders: TrainingFolders) -> Path:
    return folders.preview or trainer.crops.first(1)[0]
