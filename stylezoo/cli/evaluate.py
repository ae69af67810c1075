"""``stylezoo evaluate``: measure the quality of a style."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stylezoo.cli.option_types import PRECISION, SEED
from stylezoo.cli.output import is_terminal, print_json, print_table
from stylezoo.errors import OptionError
from stylezoo.files import check_writable

if TYPE_CHECKING:
    from stylezoo.device import Precision
    from stylezoo.evaluation import Evaluation
    from stylezoo.images import Photo
    from stylezoo.registry.record import SizeQuality
    from stylezoo.style import Style

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


class Sizes(click.ParamType[tuple[int, ...]]):
    """A list of sizes, such as ``256,512``."""

    name = "sizes"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Split into numbers."""
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of sizes; write it like 256,512", param, ctx)


@click.command("evaluate", short_help="Measure a style against explicit optimisation.")
@click.argument("style")
@click.option("--photos", type=FOLDER, required=True, help="Folder of photos not used in training.")
@click.option("--painting", type=FILE, help="The painting, if STYLE does not contain it.")
@click.option(
    "--sizes",
    type=Sizes(),
    default="256,512,1024",
    show_default=True,
    help="Longest sides of the photos, pixels.",
)
@click.option(
    "--curves",
    type=click.IntRange(min=1),
    help="Photos to optimise explicitly at each size  [default: 1024 / size]",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=150,
    show_default=True,
    help="Maximum iterations of an optimisation.",
)
@click.option(
    "--save",
    is_flag=True,
    help="Write the result into the record and card of STYLE, a style folder.",
)
@click.option(
    "--plot", "plot_path", type=FILE, help="Plot the loss against iterations to this file."
)
@click.option(
    "--seed", type=SEED, default=0, help="Random seed of the noise and the untrained net."
)
@click.option("--device", help="Such as cpu or cuda  [default: cuda if available, else cpu]")
@click.option(
    "--precision",
    type=PRECISION,
    default="auto",
    show_default=True,
    help="Precision of the backbone.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing plot.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, photo by photo.")
def command(
    style: str,
    photos: Path,
    painting: Path | None,
    sizes: tuple[int, ...],
    curves: int | None,
    limit: int,
    save: bool,
    plot_path: Path | None,
    seed: int,
    device: str | None,
    precision: Precision,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Measure STYLE on PHOTOS: how well one pass of its net does, and how fast.

    The measure is the objective that the style was trained for. Optimising the same objective
    explicitly, by L-BFGS, shows what a value is worth: how many iterations it takes to get as far,
    from white noise and from the photo (Johnson et al. 2016, figure 5 and table 1).
    """
    from stylezoo.device import choose_device
    from stylezoo.evaluation import EvaluationConfig, evaluate_style
    from stylezoo.evaluation.evaluate import measuring_command
    from stylezoo.loading import load
    from stylezoo.plot import check_plot
    from stylezoo.registry.publish import card_path, record_quality
    from stylezoo.registry.record import RECORD_FILE
    from stylezoo.registry.record_io import read_record
    from stylezoo.registry.spec import StyleSpec

    if plot_path is not None:
        check_plot(plot_path)
        check_writable(plot_path, overwrite=overwrite)
    folder = StyleSpec.parse(style).path
    if save:
        if folder is None or not (folder / RECORD_FILE).is_file():
            raise OptionError(
                f"--save writes into a style folder, but {style!r} is not one; name a folder, or "
                "leave out --save"
            )
        for name in (RECORD_FILE, card_path(read_record(folder))):
            check_writable(folder / name, overwrite=True)
    # Where the optimisation runs, to compare with: the best there is for one may differ.
    loaded = load(style, device=str(choose_device(device)))
    config = EvaluationConfig(
        sizes=sizes, curves=curves, limit=limit, seed=seed, device=device, precision=precision
    )
    with _progress() as say:
        evaluation = evaluate_style(
            loaded,
            photos,
            painting_to_measure_by(style, loaded, painting),
            config,
            command=measuring_command(loaded, photos, config, painting),
            on_progress=say,
        )
    try:
        _print(evaluation, as_json)
    finally:  # what was measured is not lost with an output that nobody reads any more
        if save and folder is not None:
            member = loaded.pack_style
            record_quality(folder, evaluation.quality, member.name if member else None)
        if plot_path is not None:  # last: nor with a plot that fails
            _plot(plot_path, evaluation)


def _print(evaluation: Evaluation, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "quality": dataclasses.asdict(evaluation.quality),
                "photos": [dataclasses.asdict(photo) for photo in evaluation.photos],
                "curves": [
                    {**dataclasses.asdict(curve), "equivalent": curve.equivalent}
                    for curve in evaluation.curves
                ],
            }
        )
    else:
        _print_table(evaluation.quality.sizes)


def painting_to_measure_by(spec: str | Path, style: Style, given: Path | None) -> Photo:
    """Open the given painting, at its size in training, or the one in the style's folder.

    Args:
        spec: of the style.
        style: loaded from the spec.
        given: a file of the painting; None for the one in the style's folder.

    Raises:
        OptionError: the style has no record or no objective, or there is no painting.
        ImageError: the painting cannot be read, or is too small.
        IntegrityError: the file in the folder is not the one in the record.
    """
    from stylezoo.catalog import default_catalog
    from stylezoo.evaluation.evaluate import objective_of, painting_path
    from stylezoo.images import open_photo
    from stylezoo.train.trainer import painting_of

    if style.record is None:
        raise OptionError(f"{spec} has no record; evaluate a style by name or folder")
    objective_of(style)  # a pack without a named style has no single painting either
    if given is not None:
        size = style.record.training.style_size
        return open_photo(given) if size is None else painting_of(given, size)
    path = painting_path(spec, style, default_catalog())
    if path is None:
        raise OptionError(f"{spec} does not contain its painting; give --painting FILE")
    return open_photo(path)


def _print_table(sizes: tuple[SizeQuality, ...]) -> None:
    headings = ("", *(f"{at.size} px" for at in sizes))
    at_least = ["at least " if at.capped else "" for at in sizes]
    terms = list(sizes[0].terms)
    rows = [
        ("objective", *(f"{at.objective:.3f}" for at in sizes)),
        *((f"  {term}", *(f"{at.terms[term]:.4g}" for at in sizes)) for term in terms),
        ("  of the untrained net", *(f"{at.untrained:.3f}" for at in sizes)),
        ("  of the photo itself", *(f"{at.unstyled:.3f}" for at in sizes)),
        ("  worst, relative to the photo", *(f"{at.worst:.3f}" for at in sizes)),
        ("photos", *(str(at.photos) for at in sizes)),
        (
            "iterations it is worth, from noise",
            *(
                f"{more}{at.iterations_from_noise:.1f}"
                for more, at in zip(at_least, sizes, strict=True)
            ),
        ),
        (
            "  from the photo",
            *(
                f"{more}{at.iterations_from_content:.1f}"
                for more, at in zip(at_least, sizes, strict=True)
            ),
        ),
        ("  photos optimised", *(str(at.optimized) for at in sizes)),
        ("seconds a photo", *(f"{at.seconds:.3f}" for at in sizes)),
        ("seconds an iteration", *(f"{at.iteration_seconds:.3f}" for at in sizes)),
        ("speed-up over 500 iterations", *(f"{at.speedup:.0f}" for at in sizes)),
        ("SSIM to the photo", *(f"{at.ssim:.3f}" for at in sizes)),
        ("change under a shift of a pixel", *(f"{at.shift:.4f}" for at in sizes)),
        ("change under noise of 0.01", *(f"{at.noise:.4f}" for at in sizes)),
    ]
    print_table(headings, rows)


def _plot(path: Path, evaluation: Evaluation) -> None:
    from stylezoo.plot import Level, plot_levels

    panels: dict[str, list[Level]] = {}
    for curve in evaluation.curves:
        panels.setdefault(f"{curve.size} px", []).append(
            Level(  # the photo last: matplotlib shows no label that begins with "_"
                label=f"from {curve.start}: {curve.photo}",
                objectives=curve.objectives,
                level=curve.level,
            )
        )
    plot_levels(path, panels)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show a status line on a terminal, plain lines elsewhere."""
    if not is_terminal(sys.stderr):
        yield lambda text: click.echo(text, err=True)
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(text)
