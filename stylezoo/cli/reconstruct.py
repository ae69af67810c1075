"""``stylezoo reconstruct``: show what single layers keep of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stylezoo.cli.iterations import Layers, iteration_progress, warn_of_runaway
from stylezoo.cli.option_types import AT_LEAST_ONE, OPTIMIZED_SIZE, PRECISION, SEED
from stylezoo.cli.output import print_line
from stylezoo.files import check_writable

if TYPE_CHECKING:
    from stylezoo.images import Photo
    from stylezoo.optimization.reconstruction import Reconstruction

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("reconstruct", short_help="Reconstruct a picture from single layers.")
@click.argument("image", type=FILE)
@click.option("--content-layers", type=Layers(), help="Layers to keep the content of: relu4_2.")
@click.option("--style-layers", type=Layers(), help="Layers to keep the style of: relu1_1,relu2_1.")
@click.option("--figure", type=FILE, metavar="PAINTING", help="Draw the paper's figure 1.")
@click.option("-o", "--output", type=FILE, required=True, help="Picture to write.")
@click.option(
    "--size",
    type=OPTIMIZED_SIZE,
    default=256,
    show_default=True,
    help="Longest side, pixels.",
)
@click.option("--steps", "iterations", type=AT_LEAST_ONE, default=300, show_default=True)
@click.option("--backbone", help="A registered backbone  [default: vgg19]")
@click.option("--backbone-weights", help="Its weights: caffe_q8, tv_in1k or a file.")
@click.option("--pooling", type=click.Choice(["max", "average"]), help="Pooling of a VGG backbone.")
@click.option("--seed", type=SEED, default=0, help="Random seed of the noise.")
@click.option("--device", help="Such as cpu or cuda  [default: cuda if available, else cpu]")
@click.option(
    "--precision",
    type=PRECISION,
    default="fp32",
    show_default=True,
    help="Precision of the backbone.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
def command(
    image: Path,
    content_layers: tuple[tuple[str, ...], None] | None,
    style_layers: tuple[tuple[str, ...], None] | None,
    figure: Path | None,
    output: Path,
    overwrite: bool,
    **options: Any,
) -> None:
    """Find a picture, from white noise, that some layers cannot tell from IMAGE.

    Give --content-layers, or --style-layers, or --figure with a painting: it draws figure 1 of
    Gatys et al. 2015, the content of IMAGE and the style of PAINTING from conv1_1 to conv5_1.
    """
    from stylezoo.cli.optimize import backbone_changes
    from stylezoo.images import Photo, format_of, open_photo, save_photo
    from stylezoo.optimization import OptimizationConfig
    from stylezoo.optimization.reconstruction import Kind, reconstruct, reconstruct_figure

    chosen = [option for option in (content_layers, style_layers, figure) if option is not None]
    if len(chosen) != 1:
        raise click.UsageError("Give exactly one of --content-layers, --style-layers and --figure.")
    if any(layers is not None and layers[1] for layers in (content_layers, style_layers)):
        raise click.UsageError("All layers count equally here; leave out their weights.")
    format_of(output)
    check_writable(output, overwrite=overwrite)
    if options["backbone"] is options["backbone_weights"] is None:
        options["rescaled"] = True  # which is known for these weights alone
    config = OptimizationConfig.preset(
        "gatys", normalization="gatys", **backbone_changes("gatys", options)
    )
    photo = open_photo(image)
    with iteration_progress() as show:
        if figure is not None:
            painting = open_photo(figure)
            panels = list(
                reconstruct_figure(
                    photo,
                    painting,
                    config,
                    on_iteration=lambda iteration, _: show(iteration, "figure"),
                )
            )
            made = _figure(photo, painting, panels, config.size)
            results = {
                f"{panel.kind} of {panel.layers[-1]} in {output}": panel.result for panel in panels
            }
        else:
            kind: Kind = "content" if content_layers is not None else "style"
            layers = (content_layers or style_layers or ((), None))[0]
            result = reconstruct(
                photo,
                kind,
                layers,
                config,
                on_iteration=lambda iteration, _: show(iteration, kind),
            )
            made = Photo(rgb=result.photo.rgb)
            results = {str(output): result}
    save_photo(made, output, overwrite=overwrite)
    advice = "another --seed" if config.precision == "fp32" else "--precision fp32"
    for what, result in results.items():
        warn_of_runaway(result, what, advice)
    print_line(str(output))


def _figure(photo: Photo, painting: Photo, panels: Sequence[Reconstruction], side: int) -> Photo:
    """The originals and panels a to e in two rows, style above content, as in the paper."""
    from stylezoo.contact_sheet import LabelledPhoto, contact_sheet
    from stylezoo.images import open_photo

    rows = {
        "style": [LabelledPhoto(painting, "painting: style from")],
        "content": [LabelledPhoto(photo, "photo: content from")],
    }
    for panel in panels:
        row = rows[panel.kind]
        first, last = panel.layers[0], panel.layers[-1]
        label = last if first == last else f"{first} to {last}"
        row.append(LabelledPhoto(panel.result.photo, f"{'abcde'[len(row) - 1]}: {label}"))
    return open_photo(contact_sheet(list(rows.values()), side=side))
