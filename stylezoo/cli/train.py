"""``stylezoo train``: train a style from a painting and a folder of photos."""

from __future__ import annotations

import re
import shlex
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stylezoo.cli.option_types import PRECISION
from stylezoo.cli.output import is_terminal
from stylezoo.errors import OptionError

if TYPE_CHECKING:
    from stylezoo.registry.record import StyleImage
    from stylezoo.train import StepReport

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
FRESH = "none"  # no base
FACTS = ("title", "artist", "year", "source")  # of a painting


class Painting(click.ParamType[tuple[str, Path]]):
    """A painting: ``painting.jpg``, or ``monet=water-lilies.jpg``."""

    name = "painting"

    def convert(
        self,
        value: str | tuple[str, Path],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, Path]:
        """Split into the style's name and the file."""
        if isinstance(value, tuple):
            return value
        name, equals, path = value.partition("=")
        if equals and not Path(value).exists():
            return name, Path(path)
        return _style_name(Path(value).stem), Path(value)


def _style_name(stem: str) -> str:
    """The style name for a file's stem: ``great-wave`` for "Great Wave"."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "-", plain.lower()).strip("-") or stem


class Weight(click.ParamType[float | str]):
    """A number, or ``auto``."""

    name = "weight"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | str:
        """Parse the number."""
        if value == "auto":
            return "auto"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'auto'", param, ctx)


@click.command("train", short_help="Train a style on paintings.")
@click.argument("paintings", nargs=-1, required=True, type=Painting())
@click.option("--photos", type=FOLDER, required=True, help="Folder of photos to train on.")
@click.option("-o", "--output", type=FOLDER, required=True, help="Style folder to create.")
@click.option(
    "--preset",
    type=click.Choice(["quick", "standard", "adapter", "paper"]),
    help="Training recipe  [default: standard; with --only-norm, adapter]",
)
@click.option(
    "--base",
    help="Style to start from; none for a fresh net  [default: by preset, museum or none]",
)
@click.option("--only-norm", is_flag=True, help="Train only the norms of the base: an adapter.")
@click.option(
    "--name",
    help="Name of the style  [default: that of the painting; for several, of the output folder]",
)
@click.option("--version", default="1.0.0", show_default=True, help="Version of the style.")
@click.option("--summary", help="One line that describes it.")
@click.option("--tag", "tags", multiple=True, help="Tag to search by; may be repeated.")
@click.option(
    "--works", type=FILE, help="TOML file: title, artist, year and source, in a table per style."
)
@click.option("--title", help="Title of the painting  [default: made from the name]")
@click.option("--artist", help="Who painted it.")
@click.option("--year", help="When it was painted.")
@click.option("--source", help="Where the picture of the painting is from.")
@click.option("--author", default="unknown", show_default=True, help="Who trained the style.")
@click.option(
    "--data", default="unknown", show_default=True, help="Which photos it was trained on."
)
@click.option("--notes", default="", help="Anything else worth recording.")
@click.option(
    "--weights-licence",
    default="unknown",
    show_default=True,
    help="Licence of the weights, an SPDX expression.",
)
@click.option(
    "--image-licence",
    default="unknown",
    show_default=True,
    help="Licence of the picture of the painting, an SPDX expression.",
)
@click.option(
    "--data-licence",
    default="unknown",
    show_default=True,
    help="Licence of the photos, an SPDX expression.",
)
@click.option("--preview", type=FILE, help="Photo for the preview picture.")
@click.option("--held-out", type=FOLDER, help="Photos to measure quality on, not used in training.")
@click.option("--steps", type=int, help="Training steps, of one batch each.")
@click.option("--batch-size", type=int, help="Photos in a batch.")
@click.option(
    "--crop-size",
    "crop_sizes",
    type=int,
    multiple=True,
    help="Side of a crop, pixels; if repeated, the batches alternate between the sizes.",
)
@click.option(
    "--half-crops",
    type=float,
    help="Fraction of the steps, from the start, on crops of half the side.",
)
@click.option(
    "--style-size", type=int, help="Longest side of the painting, pixels; sets the stroke size."
)
@click.option("--content-weight", type=float, help="Weight of the content term.")
@click.option("--style-weight", type=Weight(), help="Weight of the style term; auto to find one.")
@click.option("--tv-weight", type=float, help="Weight of the total variation term.")
@click.option("--stability-weight", type=float, help="Weight of the term against flicker.")
@click.option(
    "--optimizer", type=click.Choice(["muon", "adam"]), help="Optimiser of the convolutions."
)
@click.option("--learning-rate", type=float, help="Peak learning rate of the convolutions.")
@click.option("--norm-learning-rate", type=float, help="Peak learning rate of the norms.")
@click.option(
    "--width", type=int, help="Channels of the first convolution; with --base, widens its net."
)
@click.option("--norm", help="Name of the norm; with --base, replaces that of its net.")
@click.option("--backbone", help="The loss network.")
@click.option(
    "--backbone-weights",
    help="Its weights: caffe_q8 (vgg19), tv_in1k, or a .safetensors file.",
)
@click.option("--seed", type=int, help="Random seed of the weights and crops.")
@click.option("--device", help="Such as cpu or cuda  [default: cuda if available, else cpu]")
@click.option("--precision", type=PRECISION, help="Precision of the networks.")
@click.option(
    "--checkpoint-every", default=100, show_default=True, help="Steps between checkpoints."
)
@click.option(
    "--samples-every", default=250, show_default=True, help="Steps between sample pictures."
)
@click.option("--resume", is_flag=True, help="Resume a stopped run from its checkpoint.")
def command(
    paintings: tuple[tuple[str, Path], ...],
    photos: Path,
    output: Path,
    preset: str | None,
    base: str | None,
    only_norm: bool,
    name: str | None,
    preview: Path | None,
    held_out: Path | None,
    checkpoint_every: int,
    samples_every: int,
    resume: bool,
    **options: Any,
) -> None:
    """Train a transform net on PAINTINGS and write a complete style folder.

    One painting makes a style, several make a pack: one net that holds them all. A painting is
    FILE, or NAME=FILE to name its style in the pack. With --base and --only-norm, a painting is
    added to a pack by training its norms alone, in minutes.

    Checkpoint, metrics and sample pictures go to OUTPUT-training, a folder next to the output. To
    continue a run that was stopped or killed, give --resume and the same options.
    """
    from stylezoo.registry.record import Licence
    from stylezoo.train import TrainingConfig, train_style
    from stylezoo.train.description import StyleDescription
    from stylezoo.train.processes import process_rank
    from stylezoo.train.style import TrainingFolders

    images = dict(paintings)
    if len(images) != len(paintings):
        names = [name for name, _ in paintings]
        twice = next(name for name in images if names.count(name) > 1)
        raise click.UsageError(
            f"Two paintings have the name {twice!r}; tell them apart with NAME=FILE."
        )
    if len(images) == 1:
        name = name or paintings[0][0]
        images = {name: paintings[0][1]}
    name = name or output.name
    only_norm = only_norm or preset == "adapter"
    if only_norm:
        _refuse_of_convolutions(options)
        if base in (None, FRESH):
            raise click.UsageError("An adapter needs a pack to build on; give --base PACK.")
    config = TrainingConfig.preset(
        preset or ("adapter" if only_norm else "standard"),
        **_given(options, preset, base),
        style_images=images,
        photos=photos,
        only_norm=only_norm,
    )
    description = StyleDescription(
        name=name,
        version=options["version"],
        summary=options["summary"] or _summary(name, list(images)),
        tags=options["tags"],
        images=_works(list(images), options),
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
        trained = train_style(
            config,
            description,
            TrainingFolders(output=output, preview=preview, held_out=held_out),
            resume=resume,
            checkpoint_every=checkpoint_every,
            samples_every=samples_every,
            on_step=on_step,
            on_evaluation=lambda text: click.echo(text, err=True),
        )
    if process_rank() != 0:
        return
    for reason in trained.skipped.values():
        click.echo(f"skipped: {reason}", err=True)
    if trained.skipped:
        click.echo(f"photos skipped: {len(trained.skipped)}", err=True)
    if trained.left_out:
        click.echo(
            f"steps left out, as their gradient was not finite: {trained.left_out}", err=True
        )
    click.echo(f"{output}: {trained.record.name} {trained.record.version}")


def _refuse_of_convolutions(options: dict[str, Any]) -> None:
    """Refuse options that --only-norm would not use."""
    for option in ("optimizer", "learning_rate", "width"):
        if options[option] is not None:
            raise click.UsageError(
                f"--{option.replace('_', '-')} applies to convolutions, which --only-norm "
                "(--preset adapter) does not train; leave it out, or give --norm-learning-rate or "
                "--norm."
            )


def _given(options: dict[str, Any], preset: str | None, base: str | None) -> dict[str, Any]:
    """The values of the recipe given on the command line; the others are the preset's."""
    from stylezoo.train.config import PRESETS

    names = (
        *("steps", "batch_size", "crop_sizes", "half_crops", "style_size"),
        *("optimizer", "learning_rate", "norm_learning_rate"),
        *("content_weight", "style_weight", "tv_weight", "stability_weight"),
        *("backbone", "seed", "device", "precision"),
    )
    given = {name: options[name] for name in names if options[name] not in (None, ())}
    if given.get("style_weight") == "auto":
        given["style_weight"] = None
    if options["backbone_weights"] is not None:
        given["backbone_options"] = {"weights": options["backbone_weights"]}
    elif options["backbone"] is not None:
        given["backbone_options"] = {}  # the preset's are for its own backbone
    if base not in (None, FRESH):
        given |= {"base": base, "widen_to": options["width"]}
        return given if options["norm"] is None else {**given, "norm": options["norm"]}
    net = {name: options[name] for name in ("width", "norm") if options[name] is not None}
    if net:
        given["net_arguments"] = {
            **PRESETS[preset or "standard"].get("net_arguments", {}),
            **net,
        }
    if base == FRESH or net:
        # Describing a net asks for a fresh one.
        given["base"] = None
    return given


def _summary(name: str, styles: list[str]) -> str:
    if len(styles) == 1:
        return f"The style of {name.replace('-', ' ').title()}"
    return f"{len(styles)} styles in one net: {', '.join(styles)}"


def _works(styles: list[str], options: dict[str, Any]) -> dict[str, StyleImage]:
    """What is known about each painting: from the options, or for several from --works."""
    from stylezoo.registry.record import StyleImage
    from stylezoo.registry.record_text import UNKNOWN
    from stylezoo.registry.strict_toml import parse_toml

    given = {name: options[name] for name in FACTS}
    given = {name: value for name, value in given.items() if value is not None}
    if given and len(styles) > 1:
        raise click.UsageError(
            f"--{next(iter(given))} describes one painting; for several, give --works FILE."
        )
    works: dict[str, Any] = {}
    if options["works"] is not None:
        try:
            works = parse_toml(options["works"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OptionError(f"{options['works']} cannot be read: {error}") from error
        if missing := sorted(set(styles) - set(works)):
            raise OptionError(
                f"{options['works']} has no table for {', '.join(missing)}; it has "
                f"{', '.join(works) or 'none'}"
            )
    images = {}
    for style in styles:
        known = works.get(style, {})
        if not isinstance(known, dict) or set(known) - set(FACTS):
            raise OptionError(
                f"{options['works']}: {style} is {str(known)[:100]}; it must be a table with only "
                f"these keys: {', '.join(FACTS)}"
            )
        facts = {
            "title": style.replace("-", " ").title(),
            "artist": UNKNOWN,
            "year": UNKNOWN,
            "source": UNKNOWN,
            **{name: str(value) for name, value in known.items()},
            **given,
        }
        images[style] = StyleImage(**facts)
    return images


@contextmanager
def _progress() -> Iterator[Callable[[StepReport], None]]:
    """Show a bar with the terms and the time left on a terminal, a line now and then elsewhere."""
    if not is_terminal(sys.stderr):
        yield _printer()
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


def _printer() -> Callable[[StepReport], None]:
    """Print a line now and then, with the mean time of the steps since the last one."""
    seconds: list[float] = []

    def on_step(report: StepReport) -> None:
        seconds.append(report.seconds)
        if report.step % 50 == 0 or report.step == report.steps:
            mean = sum(seconds) / len(seconds)
            seconds.clear()
            click.echo(
                f"step {report.step}/{report.steps}  {_terms(report)}  {mean:.2f} s a step, "
                f"{(report.steps - report.step) * mean / 60:.0f} min left",
                err=True,
            )

    return on_step


def _terms(report: StepReport) -> str:
    terms = "  ".join(f"{name} {value:.3f}" for name, value in report.terms.items())
    return f"objective {report.total:.3f}  {terms}"
