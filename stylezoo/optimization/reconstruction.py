"""What single layers keep of a picture: the reconstructions of Gatys et al. 2015, figure 1."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stylezoo.catalog import Catalog
from stylezoo.errors import OptionError
from stylezoo.images import Photo
from stylezoo.optimization.config import GATYS_STYLE_LAYERS, OptimizationConfig
from stylezoo.optimization.inputs import Picture, StyleInput, as_photo
from stylezoo.optimization.run import Iteration, OptimizationResult, optimize

Kind = Literal["content", "style"]

# Figure 1, a to e; the paper's conv1_1 is the response after the ReLU.
FIGURE_LAYERS = GATYS_STYLE_LAYERS

# The paper to the letter: its equations, on the VGG with rescaled filters.
PAPER = OptimizationConfig(
    normalization="gatys",
    backbone_options={"weights": "caffe_q8", "pooling": "average", "rescaled": True},
)


@dataclass(frozen=True)
class Reconstruction:
    """One panel of the figure.

    Attributes:
        kind: what was kept: content or style.
        layers: those that were compared.
        result: the picture.
    """

    kind: Kind
    layers: tuple[str, ...]
    result: OptimizationResult


def reconstruct(
    photo: Picture,
    kind: Kind,
    layers: Sequence[str],
    config: OptimizationConfig | None = None,
    *,
    on_iteration: Callable[[Iteration, Callable[[], Photo]], None] | None = None,
    catalog: Catalog | None = None,
) -> OptimizationResult:
    """Find an image, from white noise, that some layers cannot tell from a photo.

    Args:
        photo: whose content or style to keep.
        kind: ``"content"`` compares the features themselves; ``"style"`` uses the config's style
            loss, by default on Gram matrices.
        layers: which layers to compare.
        config: everything else; None for ``PAPER``.
        on_iteration: as in ``optimize``.
        catalog: as in ``optimize``.

    Raises:
        OptionError: the kind is unknown, no layer is given, or one does not exist.
    """
    if kind not in ("content", "style"):
        raise OptionError(f"the kind is {kind!r}; it must be 'content' or 'style'")
    photo = as_photo(photo)
    if not layers:
        raise OptionError("a reconstruction needs at least one layer, such as relu4_2")
    config = config or PAPER
    if kind == "content":
        config = dataclasses.replace(
            config,
            content_layers=tuple(layers),
            content_layer_weights=None,
            content_weight=1.0,
            style_weight=0.0,
        )
        styles = []
    else:
        config = dataclasses.replace(
            config,
            style_layers=tuple(layers),
            style_layer_weights=None,
            style_weight=1.0,
            content_weight=0.0,
        )
        styles = [StyleInput(painting=photo)]
    return optimize(photo, styles, config, on_iteration=on_iteration, catalog=catalog)


def reconstruct_figure(
    photo: Photo,
    painting: Photo,
    config: OptimizationConfig | None = None,
    *,
    on_iteration: Callable[[Iteration, Callable[[], Photo]], None] | None = None,
    catalog: Catalog | None = None,
) -> Iterator[Reconstruction]:
    """Make the panels of the paper's figure 1: the style's a to e, then the content's.

    Each content panel uses one layer, each style panel all layers so far: conv1_1; conv1_1 and
    conv2_1; and so on.
    """
    for count in range(1, len(FIGURE_LAYERS) + 1):
        layers = FIGURE_LAYERS[:count]
        result = reconstruct(
            painting, "style", layers, config, on_iteration=on_iteration, catalog=catalog
        )
        yield Reconstruction("style", layers, result)
    for layer in FIGURE_LAYERS:
        result = reconstruct(
            photo, "content", (layer,), config, on_iteration=on_iteration, catalog=catalog
        )
        yield Reconstruction("content", (layer,), result)
