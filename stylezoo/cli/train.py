"""``stylezoo train``: a painting and a folder of photos make a style."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stylezoo.train import StepReport

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("train", short_help="Train a style on a painting.")
@click.argument("style_image", type=FILE)
@click.option("--photos", type=FOLDER, required=True, help="Folder of photos to learn on.")
@click.option("-o", "--output", type=FOLDER, required=True, help="Style folder to make.")
@click.option("--name", help="Name of the style; by default, the painting's file name.")
@click.option("--version", default="1.0.0", show_default=True, help="Version of the style.")
@click.option("--summary", help="One line that describes it.")
@click.option("--tag", "tags", multiple=True, help="A word to search by; may be repeated.")
@click.option("--title", help="Title of the painting; by default, made from the name.")
@click.option("--artist", default="unknown", show_default=True, help="Who painted it.")
@click.option("--year", default="unknown", show_default=True, help="When it was painted.")
@click.option("--source", default="unknown", show_default=True, help="Where its picture is from.")
@click.option("--author", default="unknown", show_default=True, help="Who trains the style.")
@click.option("--data", default="unknown", show_default=True, help="What the photos are.")
@click.option("--notes", default="", help="Anything else worth recording.")
@click.option("--weights-licence", default="unknown", show_default=True, help="SPDX expression.")
@click.option("--image-licence", default="unknown", show_default=True, help="SPDX expression.")
@click.option("--data-licence", default="unknown", show_default=True, help="SPDX expression.")
@click.option("--preview", type=FILE, help="Photo for the preview picture.")
@click.option("--held-out", type=FOLDER, help="Photos to measure quality on; not for learning.")
@click.option("--steps", default=1500, show_default=True, help="Batches to learn from.")
@click.option("--batch-size", default=2, show_default=True, help="Photos in a batch.")
@click.option("--crop-size", default=256, show_default=True, help="Side of a crop, pixels.")
@click.option("--style-size", default=512, show_default=True, help="Longest side of the painting.")
@click.option("--style-weight", default=5.0, show_default=True, help="Weight of the style term.")
@click.option("--tv-weight", default=0.3, show_default=True, help="Weight of total variation.")
@click.option("--width", default=16, show_default=True, help="Channels of the first convolution.")
@click.option("--norm", default="instance", show_default=True, help="A norm, by its name.")
@click.option("--backbone", default="vgg19", show_default=True, help="The loss network.")
@click.option(
    "--backbone-weights",
    default="caffe_q8",
    show_default=True,
    help="Its weights: caffe_q8 (vgg19), tv_in1k, or a .safetensors file.",
)
@click.option("--seed", default=0, show_default=True, help="Of weights and crops.")
@click.option("--device", help="Such as cpu or cuda; by default, the best there is.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default="auto",
    show_default=True,
    help="Of the networks while training.",
)
@click.option("--checkpoint-every", default=100, show_default=True, help="In steps.")
@click.option("--samples-every", default=250, show_default=True, help="In steps.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of a stopped run.")
def command(
    style_image: Path,
    photos: Path,
    output: Path,
    name: str | None,
    preview: Path | None,
    held_out: Path | None,
    checkpoint_every: int,
    samples_every: int,
    resume: bool,
    **options: Any,
) -> None:
    """Train a transform net on STYLE_IMAGE and write a complete style folder.

    Checkpoint and sample pictures go to a folder beside the output, OUTPUT-training. A run that
    was stopped, or killed, goes on with --resume and the same options.
    """
    from stylezoo.registry.record import Licence, StyleImage
    from stylezoo.train import TrainingConfig, train_style
    from stylezoo.train.style import StyleDescription, TrainingFolders

    config = TrainingConfig(
        style_image=style_image,
        photos=photos,
        net_arguments={"width": options["width"], "norm": options["norm"]},
        backbone=options["backbone"],
        backbone_options={"weights": options["backbone_weights"]},
        style_weight=options["style_weight"],
        tv_weight=options["tv_weight"],
        steps=options["steps"],
        batch_size=options["batch_size"],
        crop_size=options["crop_size"],
        style_size=options["style_size"],
        seed=options["seed"],
        device=options["device"],
        precision=options["precision"],
    )
    name = name or style_image.stem
    title = options["title"] or name.replace("-", " ").title()
    description = StyleDescription(
        name=name,
        version=options["version"],
        summary=options["summary"] or f"The style of {title}",
        tags=options["tags"],
        image=StyleImage(
            title=title,
            artist=options["artist"],
            year=options["year"],
            source=options["source"],
        ),
        author=options["author"],
        data=options["data"],
        licence=Licence(
            weights=options["weights_licence"],
            code="Apache-2.0",
            style_image=options["image_licence"],
            training_data=options["data_licence"],
        ),
        command=shlex.join(["stylezoo", *(word for word in sys.argv[1:] if word != "--resume")]),
        notes=options["notes"],
    )
    with _progress() as on_step:
        record, skipped = train_style(
            config,
            description,
            TrainingFolders(output=output, preview=preview, held_out=held_out),
            resume=resume,
            checkpoint_every=checkpoint_every,
            samples_every=samples_every,
            on_step=on_step,
            on_evaluation=lambda text: click.echo(text, err=True),
        )
    for reason in skipped.values():
        click.echo(f"skipped: {reason}", err=True)
    click.echo(f"{output}: {record.name} {record.version}")


@contextmanager
def _progress() -> Iterator[Callable[[StepReport], None]]:
    """Show a bar with the terms and the time left on a terminal; elsewhere a line now and then."""
    if not sys.stderr.isatty():
        yield _print_now_and_then
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(
        *columns, TextColumn("{task.description}"), console=Console(stderr=True)
    ) as progress:
        task = progress.add_task("", total=None)

        def on_step(report: StepReport) -> None:
            progress.update(
                task, completed=report.step, total=report.steps, description=_terms(report)
            )

        yield on_step


def _print_now_and_then(report: StepReport) -> None:
    if report.step % 50 == 0 or report.step == report.steps:
        minutes = (report.steps - report.step) * report.seconds / 60
        click.echo(
            f"step {report.step}/{report.steps}  {_terms(report)}  "
            f"{report.seconds:.2f} s a step, {minutes:.0f} min left",
            err=True,
        )


def _terms(report: StepReport) -> str:
    terms = "  ".join(f"{name} {value:.3f}" for name, value in report.terms.items())
    return f"objective {report.total:.3f}  {terms}"
