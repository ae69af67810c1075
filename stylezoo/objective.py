"""The perceptual objective: a backbone, weighted losses, and their targets.

Optimisation, training and evaluation all judge images by it, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stylezoo.errors import OptionError
from stylezoo.interfaces.backbone import Backbone
from stylezoo.interfaces.loss import IMAGE, Loss

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

    @property
    def device(self) -> torch.device:
        """Where the backbone is: images go there."""
        return next(self.backbone.parameters()).device

    def targets(self, image: Tensor, origin: Literal["content", "style"]) -> Targets:
        """Compute the targets of all terms that take theirs from this kind of image.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            origin: whether it is the content or the style image.

        Returns:
            A target for each term concerned; join the two kinds with ``|``.
        """
        concerned = [term for term in self.terms if term.loss.target_from == origin]
        with torch.no_grad():
            features = self._features(image, concerned)
            return {term.name: term.loss.target(features) for term in concerned}

    def forward(self, images: Tensor, targets: Targets) -> ObjectiveValue:
        """Judge images.

        Args:
            images: (B, 3, H, W) RGB, about [0, 1]; gradients flow to them.
            targets: of content and style together.

        Returns:
            The mean over the images.
        """
        features = self._features(images, self.terms)
        values = {term.name: term.loss(features, targets.get(term.name)) for term in self.terms}
        weighted = [values[term.name] * term.weight for term in self.terms]
        return ObjectiveValue(total=torch.stack(weighted).sum(), terms=values)

    def _features(self, images: Tensor, terms: Sequence[Term]) -> dict[str, Tensor]:
        layers = {layer: None for term in terms for layer in term.loss.layers}
        features = self.backbone(images, list(layers)) if layers else {}
        # Losses are computed in float32 at least, whatever the backbone ran in: a Gram matrix in
        # bfloat16 would be noise.
        wide = torch.promote_types(images.dtype, torch.float32)
        return {IMAGE: images.to(wide)} | {name: x.to(wide) for name, x in features.items()}
