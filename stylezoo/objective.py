"""The perceptual objective: a backbone, weighted losses, and their targets.

Optimisation, training and evaluation, and nothing else, judge images by it.
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

SHORTEST_SIDE = 16  # pixels of a picture to judge: a VGG's four poolings reduce them to one

Targets = Mapping[str, Any]
"""The target of each term, by the term's name."""


@dataclass(frozen=True)
class Term:
    """One named, weighted loss of an objective."""

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
        backbone: the backbone whose features are compared.
        terms: at least one, with unique names.

    Raises:
        OptionError: there are no terms, a name is repeated, a weight is negative or not finite, or
            the backbone lacks a layer.
    """

    def __init__(self, backbone: Backbone, terms: Sequence[Term]) -> None:
        super().__init__()
        names = [term.name for term in terms]
        if not names or len(set(names)) != len(names):
            raise OptionError(f"an objective needs terms with different names, not {names}")
        for term in terms:
            if not 0 <= term.weight < float("inf"):
                raise OptionError(
                    f"the weight of {term.name!r} is {term.weight}; it must be 0 or more, "
                    "and finite"
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
        # Moves with the objective, and tells the device if the backbone has no tensors.
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """The device of the backbone, where images belong."""
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
        """Compute the targets that terms take from this kind of image.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            origin: whether it is the content or the style image.
            terms: names of the terms to include, if several style images share an objective;
                None for all of this origin.
            region: the part of the image to use; None for all of it.

        Returns:
            A target for each included term; merge those of several images with ``|``.

        Raises:
            OptionError: there is no such origin or term, or an included term cannot be restricted
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
        """Compute targets as ``targets`` does, from features already computed."""
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
        """Run the backbone once for the union of all layers needed.

        Args:
            images: (B, 3, H, W) RGB, about [0, 1].
            origin: compute what targets from this image need; None for what judging needs.
            terms: names of the terms to include; None for all.

        Returns:
            (B, C, h, w) features by layer, and the images themselves.
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
            targets: those of content and style together.
            regions: the part of the images that a term judges, by the term's name; terms not
                named judge all of them.
            weights: weights by term name, in place of the terms' own.

        Returns:
            The mean over the images.

        Raises:
            OptionError: a term has no target, a region or weight names no term, or a term with a
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
        """Judge images as ``forward`` does, from features already computed."""
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
    """The checked value of a loss, which comes from a plugin and may return anything."""
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
        "over the images; fix its plugin and check it with: stylezoo plugins --check PLUGIN"
    )


@contextmanager
def _naming_the_loss(term: Term) -> Iterator[None]:
    """Say which loss failed; errors that are not its fault pass unchanged."""
    try:
        yield
    except StyleZooError:
        raise
    except Exception as error:  # plugin code may raise anything
        if is_out_of_memory(error):
            raise
        raise PluginError(
            f"the loss {term.name!r} failed with {type(error).__name__}: {error}; fix its plugin "
            "and check it with: stylezoo plugins --check PLUGIN"
        ) from error


def build_objective(
    config: ObjectiveConfig, catalog: Catalog, *, device: torch.device, dtype: torch.dtype
) -> PerceptualObjective:
    """Build the objective described by a config.

    Args:
        config: the backbone and the terms.
        catalog: where they come from.
        device: where to compute.
        dtype: dtype of the backbone; losses are computed in float32 or higher.

    Raises:
        PluginError: no plugin provides the backbone or a loss.
        OptionError: one of their options is unknown or out of range.
    """
    with seeded():  # a plugin may initialise weights at random before loading them
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
    """The features a loss receives: its layers, within its region, in sufficient precision."""
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
