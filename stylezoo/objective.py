"""The perceptual objective: a backbone, weighted losses, and their targets.

Optimisation, training and evaluation all judge images by it, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from stylezoo.components import did_you_mean
from stylezoo.errors import OptionError, PluginError, StyleZooError
from stylezoo.interfaces.backbone import Backbone
from stylezoo.interfaces.loss import IMAGE, Loss
from stylezoo.memory import is_out_of_memory
from stylezoo.objective_config import ObjectiveConfig
from stylezoo.region import Region
from stylezoo.seeding import seeded

if TYPE_CHECKING:
    from stylezoo.catalog import Catalog

SHORTEST_SIDE = 16  # pixels, of a picture to judge: four poolings of a VGG leave one of them

Targets = Mapping[str, Any]
"""What each term compares with, by the term's name."""


@dataclass(frozen=True)
class Term:
    """One weighted loss of an objective, under a name of its own."""

    name: str
    loss: Loss
    weight: float


@dataclass(frozen=True)
class ObjectiveValue:
    """The value of an objective: each term, unweighted, and their weighted sum. All scalars."""

    total: Tensor
    terms: Mapping[str, Tensor]


class PerceptualObjective(nn.Module):
    """The sum of weighted losses over one pass of a backbone.

    Args:
        backbone: whose features are compared.
        terms: at least one; names differ.

    Raises:
        OptionError: no terms, a name twice, a weight that is negative or not finite, or a layer
            that the backbone does not have.
    """

    def __init__(self, backbone: Backbone, terms: Sequence[Term]) -> None:
        super().__init__()
        names = [term.name for term in terms]
        if not names or len(set(names)) != len(names):
            raise OptionError(f"an objective needs terms with different names, not {names}")
        for term in terms:
            if not 0 <= term.weight < float("inf"):
                raise OptionError(
                    f"the weight of {term.name!r} is {term.weight}; it must be 0 or more"
                )
            missing = [layer for layer in term.loss.layers if layer not in backbone.layers]
            if missing:
                raise OptionError(
                    f"the term {term.name!r} needs the layer {missing[0]!r}, which the backbone "
                    f"does not have; it has: {', '.join(backbone.layers)}"
                )
        self.backbone = backbone
        self.terms = tuple(terms)
        self.losses = nn.ModuleList(term.loss for term in terms)
        # Moves with the objective, and says where to compute if the backbone has no tensors.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the backbone is: images go there."""
        backbone, place = self.backbone, self.get_buffer("_place")
        return next(chain(backbone.parameters(), backbone.buffers(), [place])).device

    def targets(
        self,
        image: Tensor,
        origin: Literal["content", "style"],
        *,
        terms: Collection[str] | None = None,
        region: Region | None = None,
    ) -> dict[str, Any]:
        """Compute the targets of the terms that take theirs from this kind of image.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            origin: whether it is the content or the style image.
            terms: the names of the terms concerned, where several style images share an
                objective; None for all of this origin.
            region: the part of the image to take them from; None for all of it.

        Returns:
            A target for each term concerned; join those of several images with ``|``.

        Raises:
            OptionError: there is no such origin or term, or a term concerned cannot be restricted
                to a region.
        """
        with torch.no_grad():
            features = self.features(image, origin, terms=terms)
            return self.targets_of(features, origin, terms=terms, region=region)

    def targets_of(
        self,
        features: Mapping[str, Tensor],
        origin: Literal["content", "style"],
        *,
        terms: Collection[str] | None = None,
        region: Region | None = None,
    ) -> dict[str, Any]:
        """Compute targets as ``targets`` does, of an image whose features are there already."""
        return {
            term.name: _target(term, _given_to(term, features, region))
            for term in self._concerned(origin, terms)
        }

    def features(
        self,
        images: Tensor,
        origin: Literal["content", "style"] | None = None,
        *,
        terms: Collection[str] | None = None,
    ) -> dict[str, Tensor]:
        """Run the backbone once, for the union of all layers wanted.

        Args:
            images: (B, 3, H, W) RGB, about [0, 1].
            origin: only what targets from this kind of image need; None for what judging needs.
            terms: the names of the terms concerned; None for all.

        Returns:
            By layer, (B, C, h, w); and the images themselves.
        """
        concerned = self.terms if origin is None else self._concerned(origin, terms)
        layers = {layer: None for term in concerned for layer in term.loss.layers}
        return {IMAGE: images, **(self.backbone(images, list(layers)) if layers else {})}

    def _concerned(
        self, origin: Literal["content", "style"], terms: Collection[str] | None
    ) -> list[Term]:
        if origin not in ("content", "style"):
            raise OptionError(f"the origin is {origin!r}; it must be 'content' or 'style'")
        self._check_names(terms or ())
        return [
            term
            for term in self.terms
            if term.loss.target_from == origin and (terms is None or term.name in terms)
        ]

    def _check_names(self, names: Iterable[str]) -> None:
        known = [term.name for term in self.terms]
        for name in names:
            if name not in known:
                raise OptionError(
                    f"the objective has no term {name!r}{did_you_mean(name, known)}; "
                    f"it has: {', '.join(known)}"
                )

    def forward(
        self,
        images: Tensor,
        targets: Targets,
        regions: Mapping[str, Region] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> ObjectiveValue:
        """Judge images.

        Args:
            images: (B, 3, H, W) RGB, about [0, 1]; gradients flow to them.
            targets: of content and style together.
            regions: the part of the images that a term judges, by the term's name; a term that
                is not named judges all of them.
            weights: of terms by name, in place of their own.

        Returns:
            The mean over the images.

        Raises:
            OptionError: a term has no target, a region or weight is of no term, or a term with a
                region cannot be restricted to one.
            PluginError: a loss fails, or returns no scalar.
        """
        return self.judge(self.features(images), targets, regions, weights)

    def judge(
        self,
        features: Mapping[str, Tensor],
        targets: Targets,
        regions: Mapping[str, Region] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> ObjectiveValue:
        """Judge images as ``forward`` does, whose features are there already."""
        regions, weights = regions or {}, weights or {}
        self._check_names([*regions, *weights])
        values = {
            term.name: _value(
                term,
                _given_to(term, features, regions.get(term.name)),
                _target_in(targets, term),
            )
            for term in self.terms
        }
        weighted = [values[term.name] * weights.get(term.name, term.weight) for term in self.terms]
        return ObjectiveValue(total=torch.stack(weighted).sum(), terms=values)


def _target_in(targets: Targets, term: Term) -> Any:
    origin = term.loss.target_from
    if origin is not None and term.name not in targets:
        raise OptionError(
            f"the term {term.name!r} has no target; add those of the {origin} image to the "
            f"targets, as in: targets | objective.targets(image, {origin!r})"
        )
    return targets.get(term.name)


def _target(term: Term, given: Mapping[str, Tensor]) -> Any:
    with _naming_the_loss(term):
        return term.loss.target(given)


def _value(term: Term, given: Mapping[str, Tensor], target: Any) -> Tensor:
    """What a loss returned, which comes from a plugin and may be anything."""
    with _naming_the_loss(term):
        value: object = term.loss(given, target)
    if isinstance(value, Tensor) and value.dim() == 0:
        return value
    found = (
        f"a tensor of shape {' × '.join(map(str, value.shape))}"
        if isinstance(value, Tensor)
        else f"a {type(value).__name__}"
    )
    raise PluginError(
        f"the loss {term.name!r} returns {found}; it must be a tensor without dimensions, the mean "
        "over the images: mend its plugin, with: stylezoo plugins --check PLUGIN"
    )


@contextmanager
def _naming_the_loss(term: Term) -> Iterator[None]:
    """Say which loss failed. What has nothing to do with it passes as it is."""
    try:
        yield
    except StyleZooError:
        raise
    except Exception as error:  # the code of a plugin may raise anything
        if is_out_of_memory(error):
            raise
        raise PluginError(
            f"the loss {term.name!r} failed with {type(error).__name__}: {error}; mend its plugin, "
            "with: stylezoo plugins --check PLUGIN"
        ) from error


def build_objective(
    config: ObjectiveConfig, catalog: Catalog, *, device: torch.device, dtype: torch.dtype
) -> PerceptualObjective:
    """Make the objective that a config describes.

    Args:
        config: the backbone and the terms.
        catalog: where they come from.
        device: where to compute.
        dtype: of the backbone; losses are computed in float32 at least.

    Raises:
        PluginError: no plugin provides the backbone or a loss.
        OptionError: an option of theirs is unknown or out of range.
    """
    with seeded():  # a plugin may make random weights first, to fill them
        terms = [
            Term(term.name, catalog.create_loss(term.loss, **term.options), term.weight)
            for term in config.terms
        ]
        backbone = catalog.create_backbone(config.backbone, **config.backbone_options)
    # Convolutions are fastest on channels-last, on CPUs and GPUs alike.
    backbone = backbone.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)
    return PerceptualObjective(backbone, terms).to(device)


def _given_to(
    term: Term, features: Mapping[str, Tensor], region: Region | None
) -> dict[str, Tensor]:
    """What a loss sees of the features: its layers, the positions of its region, wide enough."""
    if region is not None and term.loss.needs_grid:
        raise OptionError(
            f"the term {term.name!r} compares neighbours and cannot be restricted to a region; "
            "leave out its mask"
        )
    given = {layer: features[layer] for layer in (IMAGE, *term.loss.layers)}
    if region is not None:
        given = {layer: region.select(x) for layer, x in given.items()}
    if term.loss.own_precision:
        return given
    # A sum over all positions in bfloat16 would be noise.
    return {layer: x.to(torch.promote_types(x.dtype, torch.float32)) for layer, x in given.items()}
