"""The recipe of a training, and nothing that happens while it runs."""

from __future__ import annotations

import dataclasses
import math
import operator
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, SupportsIndex

from stylezoo.errors import OptionError
from stylezoo.objective_config import STYLE_TERM, ObjectiveConfig, Scalar, TermConfig
from stylezoo.registry.record import MAX_INTEGER
from stylezoo.seeding import check_seed

if TYPE_CHECKING:
    import torch

    from stylezoo.device import Precision


# By the range of their values.
_WEIGHTS = ("content_weight", "style_weight", "tv_weight", "range_weight", "stability_weight")
_POSITIVE = ("learning_rate", "norm_learning_rate", "gradient_clip")
_FRACTIONS = ("half_crops", "average_part")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The recipe of one training. The defaults are the ``standard`` preset, but on a fresh net.

    The content layer, the style layers and the backbone's role are those of Johnson et al. 2016,
    section 4.1. Content and style terms are relative (see the losses), so that one pair of
    weights means the same for every backbone; the schedule, the average of the weights and the
    bfloat16 arithmetic are ours, for a hundredth of the paper's budget.

    Attributes:
        style_images: the paintings, by style name. One gives a net of one style, several a net
            of several.
        photos: the folder of training photos.
        net: name of a registered transform net.
        net_arguments: of a fresh net; others are its defaults, except that ``johnson`` has width
            24.
        base: a style whose net to start from instead of a fresh one. For a pack,
            ``"museum:monet"`` starts from that style; ``"museum"`` from the one named like the
            painting, or else from the mean of all.
        widen_to: a greater width for the base's net, which starts out drawing the same, with more
            channels to learn with. None keeps its width.
        norm: another kind of norm for the base's net, which takes over what its norms have
            learnt. None keeps its own.
        only_norm: train only what the styles of the base do not share, their norms (Dumoulin et
            al. 2017, "The trained network generalizes across painting styles"); for one painting.
        backbone: name of a registered backbone, the loss network.
        backbone_options: its options.
        content_layer: layer of the content term.
        style_layers: layers of the style term.
        normalization: of the content and style terms; see the losses.
        content_weight: weight of the content term.
        style_weight: weight of the style term; None to find one per painting, see
            ``StyleBalance``.
        tv_weight: weight of the total variation term.
        tv_norm: norm of the total variation term, ``"l1"`` or ``"l2"``.
        range_weight: weight of the penalty for values outside [0, 1].
        stability_weight: weight of the penalty for how much a shift of a few pixels and a little
            noise change the picture, against flicker.
        steps: number of batches to learn from. With ``only_norm`` it may be 0, which gives a style
            of the base a name of its own, unchanged.
        batch_size: photos in a batch.
        crop_sizes: side of the square cut from each photo, in pixels; a multiple of 8. Batches
            cycle through several sizes: a net learns strokes at the sizes it sees.
        half_crops: fraction of the steps, counted from the first, that use crops of half the
            side: they see as much in a quarter of the time.
        style_size: longest side of the painting, in pixels; it sets the size of the strokes.
        optimizer: ``"muon"`` or ``"adam"``, for the convolutions and linear layers; norms always
            use Adam. Ignored with ``only_norm``, as is ``learning_rate``.
        learning_rate: peak rate of the convolutions and linear layers.
        norm_learning_rate: peak rate of the norms and biases.
        schedule: ``"one-cycle"`` or ``"constant"``.
        gradient_clip: maximum norm of a step's gradient; None for no limit.
        average_part: fraction of the steps that the exponential moving average of the weights
            spans; the average is what is kept. 0 keeps the last weights.
        seed: of the initial weights, the choice of crops and what a net draws at random.
        device: such as ``"cpu"`` or ``"cuda"``; None for the best available.
        precision: of the networks; ``"auto"`` uses bfloat16 where the hardware computes in it.

    Raises:
        OptionError: a value is out of range.
    """

    style_images: Mapping[str, str | Path]
    photos: str | Path
    net: str = "johnson"
    net_arguments: Mapping[str, Scalar] = field(default_factory=dict)
    base: str | None = None
    widen_to: int | None = None
    norm: str | None = None
    only_norm: bool = False
    backbone: str = "vgg19"
    backbone_options: Mapping[str, Scalar] = field(default_factory=lambda: {"weights": "caffe_q8"})
    content_layer: str = "relu3_3"
    style_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    normalization: Literal["relative", "johnson", "gatys-program"] = "relative"
    content_weight: float = 1.0
    style_weight: float | None = None
    tv_weight: float = 0.3
    tv_norm: Literal["l1", "l2"] = "l1"
    range_weight: float = 10.0
    stability_weight: float = 0.0
    steps: int = 2000
    batch_size: int = 4
    # Trained at 256 px alone, nets stayed a third behind at 512 px.
    crop_sizes: tuple[int, ...] = (192, 256, 384, 512)
    half_crops: float = 0.0
    style_size: int = 512
    optimizer: Literal["muon", "adam"] = "muon"
    # With Adam at 3e-3, nets of several styles soon learnt to draw a spike that controls the
    # statistics of every instance norm: a grey blob in each picture.
    learning_rate: float = 1e-3
    norm_learning_rate: float = 1e-2
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    gradient_clip: float | None = 1.0
    average_part: float = 0.1
    seed: int = 0
    device: str | torch.device | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        self._check_paintings()
        self._take_numbers()
        # For JSON, too; a backbone takes the path of its weights as either.
        options = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else value
            for name, value in self.backbone_options.items()
        }
        object.__setattr__(self, "backbone_options", options)
        for name, low in (("steps", 0 if self.only_norm else 1), ("batch_size", 1)):
            value = getattr(self, name)
            if value < low:
                raise OptionError(f"{name} is {value}; it must be {low} or more")
        if not self.crop_sizes:
            raise OptionError("crop_sizes is empty; name at least one size")
        for size in self.crop_sizes:
            if size < 32 or size % 8:
                raise OptionError(
                    f"crop_sizes has {size}; each must be a multiple of 8, at least 32"
                )
        for name in _FRACTIONS:
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is {getattr(self, name)}; it must be from 0 to 1")
        if self.style_size < 32:
            raise OptionError(f"style_size is {self.style_size}; it must be at least 32")
        for name in _WEIGHTS:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise OptionError(f"{name} is {value}; it must be 0 or more, and finite")
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name} is {value}; it must be more than 0, and finite")
        if self.style_weight is None and self.normalization != "relative":
            raise OptionError(
                f"normalization is {self.normalization!r}, and a style weight can be found only "
                "with 'relative'; give a style weight, or use 'relative'"
            )
        if self.optimizer not in ("muon", "adam"):
            raise OptionError(f"optimizer is {self.optimizer!r}; it must be 'muon' or 'adam'")
        if self.schedule not in ("one-cycle", "constant"):
            raise OptionError(
                f"schedule is {self.schedule!r}; it must be 'one-cycle' or 'constant'"
            )
        if self.precision not in ("auto", "bf16", "fp32"):
            raise OptionError(
                f"precision is {self.precision!r}; it must be 'auto', 'bf16' or 'fp32'"
            )
        # The record must be able to hold it.
        object.__setattr__(self, "seed", check_seed(self.seed, largest=MAX_INTEGER))

    def _take_numbers(self) -> None:
        """Convert other libraries' numbers, such as numpy's in a search, to Python's, for JSON."""
        for name in ("steps", "batch_size", "style_size", "widen_to"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _whole(name, value))
        if not isinstance(self.crop_sizes, Iterable):
            raise OptionError(f"crop_sizes is {self.crop_sizes!r}; write one size as (256,)")
        sizes = tuple(_whole("crop_sizes", size) for size in self.crop_sizes)
        object.__setattr__(self, "crop_sizes", sizes)
        for name in (*_WEIGHTS, *_POSITIVE, *_FRACTIONS):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _real(name, value))

    def _check_paintings(self) -> None:
        if not self.style_images:
            raise OptionError("no painting is given; give at least one")
        if not isinstance(self.style_images, Mapping):
            raise OptionError(
                f"style_images is {self.style_images!r}; it must map the name of each style to its "
                "painting, as in {'monet': 'lilies.jpg'}"
            )
        if self.only_norm and (self.base is None or len(self.style_images) > 1):
            raise OptionError(
                "only_norm trains one painting on a base; name a base and a single painting"
            )
        if self.widen_to is not None and (self.base is None or self.only_norm):
            raise OptionError(
                "widen_to needs a base whose whole net is trained; name a base and leave out "
                "only_norm, or set the width of a fresh net in net_arguments"
            )
        if self.norm is not None and self.base is None:
            raise OptionError(
                "norm needs a base; name a base, or set the norm of a fresh net in net_arguments"
            )

    @classmethod
    def preset(cls, name: str, **values: Any) -> TrainingConfig:
        """Make the recipe of a preset, with some of its values replaced.

        Args:
            name: ``"quick"`` for a usable style in minutes, ``"standard"`` for the best we can do
                in an hour, ``"adapter"`` for the norms of a base alone, or ``"paper"`` for Johnson
                et al. 2016 to the number.
            values: for any attributes; paintings and photos at least.

        Raises:
            OptionError: there is no such preset, or a value is out of range.
        """
        if name not in PRESETS:
            raise OptionError(f"there is no preset {name!r}; use one of {', '.join(PRESETS)}")
        return cls(**{**PRESETS[name], **values})

    def objective(self, style_weight: float) -> ObjectiveConfig:
        """What the net is trained to minimise for one painting.

        Args:
            style_weight: found for it, or given by the config.
        """
        return ObjectiveConfig(
            backbone=self.backbone,
            backbone_options=self.backbone_options,
            terms=(
                TermConfig(
                    name="content",
                    loss="content",
                    weight=self.content_weight,
                    options={"layers": (self.content_layer,), "normalization": self.normalization},
                ),
                TermConfig(
                    name=STYLE_TERM,
                    loss="gram",
                    weight=style_weight,
                    options={"layers": self.style_layers, "normalization": self.normalization},
                ),
                TermConfig(
                    name="tv",
                    loss="total-variation",
                    weight=self.tv_weight,
                    options={"norm": self.tv_norm},
                ),
                TermConfig(name="range", loss="range", weight=self.range_weight),
            ),
        )

    def fingerprint(self) -> dict[str, Any]:
        """Everything that decides the result except the content of files, by name."""
        values = dataclasses.asdict(self)
        # Paintings and photos that were moved are still the same.
        for elsewhere in ("device", "photos", "base"):
            del values[elsewhere]
        values["style_images"] = list(self.style_images)
        return values


def _whole(name: str, value: SupportsIndex) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise OptionError(f"{name} is {value!r}; it must be a whole number") from None


def _real(name: str, value: SupportsFloat) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise OptionError(f"{name} is {value!r}; it must be a number") from None


# A pack of the zoo. From trained weights a net got further in 300 steps than a fresh one in 700:
# it can draw already, and only learns what to draw with.
TRAINED_BASE = "museum"

FRESH_ARGUMENTS: Mapping[str, Mapping[str, Scalar]] = {"johnson": {"width": 24}}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"base": TRAINED_BASE, "steps": 600, "batch_size": 2, "crop_sizes": (256,)},
    "standard": {"base": TRAINED_BASE},
    "adapter": {
        "only_norm": True,
        "norm": "instance-coloring",
        "steps": 400,  # a fifth of ``standard``, on the same crops
    },
    # Section 4.1 and the supplement of Johnson et al. 2016. The distances and the weights of their
    # terms are those of the authors' program (https://github.com/jcjohnson/fast-neural-style),
    # whose Gram matrices are averaged twice, like those of Gatys' program: content 1, style 5 and
    # total variation 1e-6. Its VGG16 takes pixels up to 255, torchvision's takes them divided by
    # their deviation, so features here are 1/57.6 of its own (255 × 0.226), the content term
    # 1/57.6² and the style term 1/57.6⁴: 5 becomes 5 × 57.6². It adds half the sum of squared
    # differences of each picture, which is a mean here: 1e-6 becomes 1e-6 × 4 pictures × ½ × 255²
    # × 3 × 256 × 255 values, over 57.6². What the paper does not have (half crops, an average of
    # weights, clipping, a schedule, balance) is off; the range term replaces its scaled tanh.
    "paper": {
        "net_arguments": {"width": 32, "norm": "batch"},
        "backbone": "vgg16",
        "backbone_options": {"weights": "tv_in1k"},
        "normalization": "gatys-program",
        "style_weight": 16_600.0,
        "tv_weight": 7.7,
        "tv_norm": "l2",
        "optimizer": "adam",
        "norm_learning_rate": 1e-3,
        "steps": 40_000,
        "batch_size": 4,
        "crop_sizes": (256,),
        "half_crops": 0.0,
        "style_size": 256,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "gradient_clip": None,
        "average_part": 0.0,
        "precision": "fp32",
    },
}
