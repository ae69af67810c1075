"""``stylezoo optimize``: the method of Gatys et al. 2015 on one photo."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stylezoo.cli.iterations import Layers, iteration_progress, warn_of_runaway
from stylezoo.cli.option_types import AT_LEAST_ONE, OPTIMIZED_SIZE, POSITIVE, PRECISION, SEED
from stylezoo.cli.output import print_json, print_line
from stylezoo.errors import OutputError
from stylezoo.files import check_writable

if TYPE_CHECKING:
    from stylezoo.images import Photo
    from stylezoo.optimization import Iteration, OptimizationResult

FILE = click.Path(path_type=Path, dir_okay=False)


class WeightedName(click.ParamType[Any]):
    """A registered loss and its weight, by default 1: ``laplacian:10``."""

    name = "loss:weight"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Split into name and weight; a name may have a colon of its own."""
        name, _, weight = value.rpartition(":")
        try:
            return name or value, float(weight) if name else 1.0
        except ValueError:
            return value, 1.0


@click.command("optimize", short_help="Optimise a photo towards paintings (Gatys et al. 2015).")
@click.argument("content", type=FILE)
@click.option(
    "--style",
    "styles",
    multiple=True,
    required=True,
    metavar="PAINTING[:SHARE]",
    help="A painting; repeat for several, each with its share of the style.",
)
@click.option("-o", "--output", type=FILE, required=True, help="Picture to write.")
@click.option(
    "--preset",
    "preset_name",
    type=click.Choice(["gatys", "best"]),
    default="gatys",
    show_default=True,
    help="gatys: as in its authors' program. best: the best picture for the time it takes.",
)
@click.option(
    "--size",
    type=OPTIMIZED_SIZE,
    help="Longest side of the picture, pixels  [default: 512]",
)
@click.option(
    "--steps",
    "iterations",
    type=AT_LEAST_ONE,
    help="Iterations at each level of the pyramid.",
)
@click.option(
    "--levels",
    type=AT_LEAST_ONE,
    help="Levels of the pyramid, each twice the size of the last.",
)
@click.option(
    "--init",
    "start",
    help="Starting picture: noise, content, a file, or style:NAME (warm start).",
)
@click.option("--style-scale", type=POSITIVE, help="Size of the painting relative to the picture.")
@click.option("--content-layers", type=Layers(), help="Such as relu4_2, or relu3_3=1,relu4_2=0.5.")
@click.option("--style-layers", type=Layers(), help="Such as relu1_1,relu2_1,relu3_1.")
@click.option("--style-loss", help="A registered loss, such as gram or sliced-wasserstein.")
@click.option(
    "--normalization",
    type=click.Choice(["gatys-program", "gatys", "johnson", "relative"]),
    help="How the content and Gram losses are normalised.",
)
@click.option("--content-weight", type=float, help="Weight of the content term.")
@click.option("--style-weight", type=float, help="Weight of all styles together.")
@click.option("--tv-weight", type=float, help="Weight of total variation.")
@click.option(
    "--loss",
    "further_terms",
    type=WeightedName(),
    multiple=True,
    metavar="LOSS[:WEIGHT]",
    help="An additional registered loss, such as laplacian:10; may be repeated.",
)
@click.option(
    "--content-mask",
    "content_masks",
    multiple=True,
    help="Mask: white where the picture takes the first (second, ...) style; '-' for everywhere.",
)
@click.option(
    "--style-mask",
    "style_masks",
    multiple=True,
    help="Mask: white where the style of the first (second, ...) painting is taken from; "
    "'-' for everywhere.",
)
@click.option(
    "--preserve-color",
    type=click.Choice(["luminance", "covariance", "histogram"]),
    help="Keep the photo's colours.",
)
@click.option(
    "--optimizer",
    "method",
    type=click.Choice(["lbfgs", "preconditioned-lbfgs", "adam"]),
    help="Optimisation method.",
)
@click.option("--learning-rate", type=POSITIVE, help="Learning rate of adam  [default: 0.02]")
@click.option("--backbone", help="A registered backbone  [default: vgg19]")
@click.option("--backbone-weights", help="Its weights: caffe_q8, tv_in1k or a file.")
@click.option("--pooling", type=click.Choice(["max", "average"]), help="Pooling of a VGG backbone.")
@click.option(
    "--rescaled",
    is_flag=True,
    default=None,
    help="Rescale every filter of vgg19 to a mean activation of 1, as the paper did.",
)
@click.option("--seed", type=SEED, help="Random seed of the noise  [default: 0]")
@click.option("--device", help="Such as cpu or cuda  [default: cuda if available, else cpu]")
@click.option("--precision", type=PRECISION, help="Precision of the backbone.")
@click.option("--save-every", type=AT_LEAST_ONE, help="Save the picture every N steps.")
@click.option("--plot", "plot_path", type=FILE, help="Plot the losses to this .png, .svg or .pdf.")
@click.option("--checkpoint-every", type=AT_LEAST_ONE, default=100, show_default=True)
@click.option("--resume", is_flag=True, help="Resume a stopped run.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def command(
    content: Path,
    styles: tuple[str, ...],
    output: Path,
    preset_name: str,
    content_masks: tuple[str, ...],
    style_masks: tuple[str, ...],
    save_every: int | None,
    plot_path: Path | None,
    checkpoint_every: int,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Optimise CONTENT until it has the style of one or more paintings.

    By default with the settings of the program of Gatys et al. 2015; --preset best gives the best
    picture for the time it takes. Each iteration is a forward and a backward pass of VGG19: about a
    second at 512 pixels on two cores. To continue a stopped run, give --resume and the same
    options.
    """
    from stylezoo.images import format_of, save_photo
    from stylezoo.optimization import optimize
    from stylezoo.optimization.inputs import paintings
    from stylezoo.plot import check_plot

    config = _config(preset_name, options)
    format_of(output)
    check_writable(output, overwrite=overwrite)
    if plot_path is not None:
        check_plot(plot_path)
        check_writable(plot_path, overwrite=overwrite)
        if plot_path.absolute() == output.absolute():
            raise click.UsageError("The plot would replace the picture; give --plot another name.")
    checkpoint = output.with_name(f"{output.name}.checkpoint")
    if checkpoint.exists() and not resume:
        raise OutputError(
            f"{checkpoint} is from a stopped run; continue it with --resume, or delete it to start "
            "again"
        )
    replace = overwrite or resume  # a run that goes on has saved pictures before it was stopped
    if save_every is not None:
        most = len(config.level_sizes) * config.iterations
        for number in range(save_every, most + 1, save_every):
            check_writable(_saved(output, number), overwrite=replace)
    inputs = paintings(styles, _masks(content_masks), _masks(style_masks))
    with iteration_progress() as show:

        def on_iteration(iteration: Iteration, picture: Callable[[], Photo]) -> None:
            show(iteration, "")
            if save_every is not None and iteration.number % save_every == 0:
                save_photo(picture(), _saved(output, iteration.number), overwrite=replace)

        result = optimize(
            content,
            inputs,
            config,
            checkpoint=checkpoint,
            resume=resume,
            checkpoint_every=checkpoint_every,
            on_iteration=on_iteration,
        )
    save_photo(result.photo, output, overwrite=overwrite)
    # Only now: with it, a picture that could not be saved comes again.
    checkpoint.unlink(missing_ok=True)
    if plot_path is not None:
        _plot(plot_path, result)
    warn_of_runaway(result, str(output), "--optimizer adam, or smaller weights")
    if as_json:
        print_json(_report(output, result))
    else:
        print_line(str(output))


def _saved(output: Path, number: int) -> Path:
    """Where --save-every saves the picture of an iteration."""
    return output.with_name(f"{output.stem}-{number:05}{output.suffix}")


def _config(preset_name: str, options: dict[str, Any]) -> Any:
    """The preset, changed by every option that was given."""
    from stylezoo.optimization import OptimizationConfig

    changes = {name: value for name, value in options.items() if value is not None}
    for kind in ("content", "style"):
        if f"{kind}_layers" in changes:
            names, weights = changes[f"{kind}_layers"]
            changes[f"{kind}_layers"] = names
            changes[f"{kind}_layer_weights"] = weights
    further = dict(changes["further_terms"])
    names = [name for name, _ in changes["further_terms"]]
    if twice := [name for name in further if names.count(name) > 1]:
        raise click.UsageError(f"--loss {twice[0]!r} is given twice; give each loss once.")
    changes["further_terms"] = further
    return OptimizationConfig.preset(preset_name, **backbone_changes(preset_name, changes))


def backbone_changes(preset_name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Fold --backbone-weights, --pooling and --rescaled into the backbone's options.

    Options that were not given are None and left out.
    """
    from stylezoo.optimization import OptimizationConfig

    changes = {name: value for name, value in options.items() if value is not None}
    names = {"backbone_weights": "weights", "pooling": "pooling", "rescaled": "rescaled"}
    given = {option: changes.pop(name) for name, option in names.items() if name in changes}
    # The preset's options are only for the preset's backbone.
    kept = {} if "backbone" in changes else OptimizationConfig.preset(preset_name).backbone_options
    if given or "backbone" in changes:
        changes["backbone_options"] = {**kept, **given}
    return changes


def _masks(paths: tuple[str, ...]) -> list[str | None]:
    return [None if path == "-" else path for path in paths]


def _plot(path: Path, result: OptimizationResult) -> None:
    from stylezoo.plot import plot_losses

    sizes = [iteration.size for iteration in result.iterations]
    plot_losses(
        path,
        [iteration.total for iteration in result.iterations],
        {
            name: [iteration.terms[name] * weight for iteration in result.iterations]
            for name, weight in result.weights.items()
        },
        new_levels=[n + 1 for n in range(1, len(sizes)) if sizes[n] != sizes[n - 1]],
    )


def _report(output: Path, result: OptimizationResult) -> dict[str, Any]:
    width, height = result.photo.size
    return {
        "output": str(output),
        "width": width,
        "height": height,
        "objective": result.total if math.isfinite(result.total) else None,
        "terms": dict(result.terms),
        "weights": dict(result.weights),
        "iterations": len(result.iterations),
        "seconds": round(sum(iteration.seconds for iteration in result.iterations), 3),
        "diverged": result.diverged,
    }
