"""The configuration of an optimisation, and the presets; nothing here needs torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from stylezoo.errors import OptionError
from stylezoo.objective_config import ObjectiveConfig, Scalar, TermConfig
from stylezoo.seeding import check_seed

if TYPE_CHECKING:
    import torch

    from stylezoo.device import Precision

Method = Literal["lbfgs", "preconditioned-lbfgs", "adam"]
PreserveColor = Literal["luminance", "covariance", "histogram"]

METHODS = ("lbfgs", "preconditioned-lbfgs", "adam")
PRESERVE_COLOR = ("luminance", "covariance", "histogram")
MINIMUM_SIZE = 16  # pixels; the deepest layer of a VGG has one position for it

GATYS_STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """The recipe of one optimisation. The defaults are those of Gatys et al. 2015, section 4.

    The paper's conv4_2 is the response after the ReLU, ``relu4_2`` here. Equation 1 sums the
    content term over all positions of a VGG whose filters are rescaled to a mean activation of 1;
    with its content-to-style ratio of 1e-3, the photo hardly changes. The authors' own program
    (https://github.com/leongatys/PytorchNeuralStyleTransfer) takes the mean, with the same ratio;
    so do the defaults, on the VGG without rescaling. ``normalization="gatys"`` with the backbone
    option ``rescaled`` follows the paper to the letter.

    Attributes:
        backbone: a registered backbone.
        backbone_options: its options.
        content_layers: of the content term.
        content_layer_weights: one per layer; None for those of the loss.
        style_layers: of the style term.
        style_layer_weights: one per layer; None for those of the loss.
        style_loss: a registered loss with layers and a style target.
        normalization: of the content and Gram losses: ``"gatys-program"``, ``"gatys"``,
            ``"johnson"`` or ``"relative"``.
        content_weight: of the content term; 0 leaves it out.
        style_weight: of all styles together; 0 leaves them out.
        tv_weight: of the total variation term; 0 leaves it out.
        further_terms: weights of more losses, by name; each has its default options.
        size: longest side of the picture, in pixels.
        style_scale: longest side of a painting, relative to ``size``; sets the stroke size.
        levels: of the pyramid; each level doubles the size, up to ``size``, and those with a side
            under 16 pixels are left out.
        iterations: evaluations of the objective and its gradient, at each level.
        method: ``"lbfgs"``; ``"preconditioned-lbfgs"``, whose first estimate of the curvature has
            a factor for each octave of spatial frequency; or ``"adam"``.
        learning_rate: Adam's, for pixels in [0, 1].
        history: how many steps L-BFGS remembers.
        clip: keep pixels in [0, 1] at every iteration, as Johnson et al. 2016, section 4.1, do
            for their baseline; otherwise only at the end.
        average: decay of a moving average of the iterates, returned if it is better; 0 for none.
        start: ``"noise"``, ``"content"``, the path of a picture, or ``"style:NAME"`` for the
            output of a style of the zoo.
        preserve_color: keep the photo's colours, by stylising its ``"luminance"`` only, or by
            matching the paintings' colours to it in ``"covariance"`` or ``"histogram"``.
        seed: for the noise.
        device: such as ``"cpu"`` or ``"cuda"``; None for the best available.
        precision: of the backbone; ``"auto"`` uses bfloat16 where the hardware computes in it.

    Raises:
        OptionError: a value is out of range.
    """

    backbone: str = "vgg19"
    backbone_options: Mapping[str, Scalar] = field(
        default_factory=lambda: {"weights": "caffe_q8", "pooling": "average"}
    )
    content_layers: tuple[str, ...] = ("relu4_2",)
    content_layer_weights: tuple[float, ...] | None = None
    style_layers: tuple[str, ...] = GATYS_STYLE_LAYERS
    style_layer_weights: tuple[float, ...] | None = None
    style_loss: str = "gram"
    normalization: str = "gatys-program"
    content_weight: float = 1.0
    style_weight: float = 1000.0
    tv_weight: float = 0.0
    further_terms: Mapping[str, float] = field(default_factory=dict)
    size: int = 512
    style_scale: float = 1.0
    levels: int = 1
    iterations: int = 500
    method: Method = "lbfgs"
    learning_rate: float = 0.02
    history: int = 20
    clip: bool = False
    average: float = 0.0
    start: str = "noise"
    preserve_color: PreserveColor | None = None
    seed: int = 0
    device: str | torch.device | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name, low in (("levels", 1), ("iterations", 1), ("history", 1)):
            if getattr(self, name) < low:
                raise OptionError(f"{name} is {getattr(self, name)}; it must be {low} or more")
        object.__setattr__(self, "seed", check_seed(self.seed))
        if self.size < MINIMUM_SIZE:
            raise OptionError(f"the size is {self.size}; it must be {MINIMUM_SIZE} or more")
        for name in ("style_scale", "learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name} is {value}; it must be more than 0, and finite")
        if not 0 <= self.average < 1:
            raise OptionError(f"average is {self.average}; it must be in [0, 1)")
        _check_choice("method", self.method, METHODS)
        if self.preserve_color is not None:
            _check_choice("preserve_color", self.preserve_color, PRESERVE_COLOR)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> OptimizationConfig:
        """The recipe of a preset, ``"gatys"`` or ``"best"``, with some fields changed.

        Raises:
            OptionError: there is no such preset, or a value is out of range.
        """
        _check_choice("preset", name, tuple(PRESETS))
        return cls(**{**PRESETS[name], **changes})

    @property
    def level_sizes(self) -> list[int]:
        """The longest side at each level, from coarse to fine."""
        halves = (round(self.size / 2**n) for n in range(self.levels - 1, -1, -1))
        return [size for size in halves if size >= MINIMUM_SIZE]

    def objective(
        self, style_shares: Sequence[float], style_losses: Collection[str] = ()
    ) -> ObjectiveConfig:
        """The objective for styles with these shares, normalised by their sum.

        The terms are ``content``, ``style`` or, for several, ``style-1``, ``style-2``, ..., then
        ``tv`` and the further ones.

        Args:
            style_shares: one per painting.
            style_losses: the further losses that compare with paintings; each gets a term for
                every painting.

        Raises:
            OptionError: a share or weight is negative or not finite, or all are 0; or the name of
                a further term is already used.
        """
        if any(not (math.isfinite(share) and share >= 0) for share in style_shares):
            raise OptionError(
                f"the shares of the styles are {list(style_shares)}; each must be 0 or "
                "more, and finite"
            )
        total = sum(style_shares)
        if style_shares and total == 0:
            raise OptionError("every style has the share 0; give one of them more")
        shares = [share / total for share in style_shares]
        styles = [
            TermConfig(
                name=name,
                loss=self.style_loss,
                weight=self.style_weight * share,
                options=self._style_options,
            )
            for name, share in zip(style_terms(len(shares)), shares, strict=True)
        ]
        content = TermConfig(
            name="content",
            loss="content",
            weight=self.content_weight,
            options=self._content_options,
        )
        tv = TermConfig(
            name="tv", loss="total-variation", weight=self.tv_weight, options={"norm": "l1"}
        )
        further = [
            TermConfig(name=name, loss=loss, weight=weight * share)
            for loss, weight in self.further_terms.items()
            for name, share in (
                zip(style_terms(len(shares), loss), shares, strict=True)
                if loss in style_losses
                else [(loss, 1.0)]
            )
        ]
        terms = [term for term in (content, *styles, tv) if term.weight]
        _check_names(terms, further)
        terms += [term for term in further if term.weight]
        if not terms:
            raise OptionError("every weight of the objective is 0; give one term some weight")
        return ObjectiveConfig(
            backbone=self.backbone, backbone_options=self.backbone_options, terms=tuple(terms)
        )

    @property
    def _content_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {
            "layers": self.content_layers,
            "normalization": self.normalization,
        }
        if self.content_layer_weights is not None:
            options["layer_weights"] = self.content_layer_weights
        return options

    @property
    def _style_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"layers": self.style_layers}
        if self.style_layer_weights is not None:
            options["layer_weights"] = self.style_layer_weights
        if self.style_loss == "gram":
            options["normalization"] = self.normalization
        return options


def style_terms(count: int, term: str = "style") -> list[str]:
    """The names of a term that each of ``count`` styles has."""
    return [term] if count == 1 else [f"{term}-{number}" for number in range(1, count + 1)]


PRESETS: dict[str, Mapping[str, Any]] = {
    # As published: Gatys et al. 2015.
    "gatys": {},
    # The best picture for the time. Relative losses need no tuning for each painting; the pyramid
    # settles colours and large strokes where an iteration costs a sixteenth, and a curvature for
    # each octave saves iterations at every level.
    "best": {
        "normalization": "relative",
        "style_weight": 5.0,
        "tv_weight": 0.1,
        "levels": 3,
        "iterations": 300,
        "method": "preconditioned-lbfgs",
        "history": 50,
        "clip": True,
        "start": "content",
    },
}


def _check_names(terms: Sequence[TermConfig], further: Sequence[TermConfig]) -> None:
    names = [term.name for term in terms]
    for term in further:
        if term.weight and term.name in names:
            raise OptionError(
                f"the objective has a term {term.name!r} already, so the loss {term.loss!r} "
                f"cannot be added; set {term.name.partition('-')[0]}_weight to change the "
                "weight of that term, or to 0 to replace it with the added one"
            )


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise OptionError(f"{name} is {value!r}; it must be one of {', '.join(choices)}")
