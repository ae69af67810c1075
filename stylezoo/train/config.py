"""What a training is made of, and nothing that happens while it runs."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylezoo.errors import OptionError
from stylezoo.objective_config import ObjectiveConfig, TermConfig

if TYPE_CHECKING:
    from stylezoo.device import Precision


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The recipe of one training. The defaults make a good style in an hour on two cores.

    The content layer, the style layers and the backbone's role are those of Johnson et al. 2016,
    section 4.1. Content and style terms are relative (see the losses), so that one pair of
    weights means the same for every backbone; the schedule, the average of the weights and the
    bfloat16 arithmetic are ours, for a hundredth of the paper's budget.

    Attributes:
        style_image: the painting.
        photos: a folder of photos to learn on.
        net: a registered transform net.
        net_arguments: its arguments.
        backbone: a registered backbone, the loss network.
        backbone_options: its options.
        content_layer: of the content term.
        style_layers: of the style term.
        content_weight: of the content term.
        style_weight: of the style term.
        tv_weight: of the total variation term.
        range_weight: of the penalty for values outside [0, 1].
        steps: how many batches to learn from.
        batch_size: photos in a batch.
        crop_size: side of the square cut from each photo, in pixels; a multiple of 8.
        style_size: longest side of the painting, in pixels: it sets the size of the strokes.
        learning_rate: Adam's, at its peak.
        gradient_clip: the largest norm of a step's gradient.
        average_decay: of the exponential moving average of the weights, which is what is kept.
        seed: of the weights at the start and of the choice of crops.
        device: such as ``"cpu"`` or ``"cuda"``; None for the best there is.
        precision: of the networks; ``"auto"`` takes bfloat16 where the hardware computes in it.

    Raises:
        OptionError: a value is out of its range.
    """

    style_image: Path
    photos: Path
    net: str = "johnson"
    net_arguments: Mapping[str, Any] = field(default_factory=lambda: {"width": 16})
    backbone: str = "vgg19"
    backbone_options: Mapping[str, Any] = field(default_factory=lambda: {"weights": "caffe_q8"})
    content_layer: str = "relu3_3"
    style_layers: tuple[str, ...] = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    content_weight: float = 1.0
    style_weight: float = 5.0
    tv_weight: float = 0.3
    range_weight: float = 10.0
    steps: int = 1500
    batch_size: int = 2
    crop_size: int = 256
    style_size: int = 512
    learning_rate: float = 3e-3
    gradient_clip: float = 1.0
    average_decay: float = 0.995
    seed: int = 0
    device: str | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if value < low:
                raise OptionError(f"{name} is {value}; it must be {low} or more")
        if self.crop_size < 32 or self.crop_size % 8:
            raise OptionError(
                f"crop_size is {self.crop_size}; it must be a multiple of 8, at least 32"
            )
        if self.style_size < 32:
            raise OptionError(f"style_size is {self.style_size}; it must be at least 32")
        for name in ("content_weight", "style_weight", "tv_weight", "range_weight"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise OptionError(f"{name} is {value}; it must be 0 or more")
        for name in ("learning_rate", "gradient_clip"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise OptionError(f"{name} is {value}; it must be more than 0")
        if not 0 <= self.average_decay < 1:
            raise OptionError(f"average_decay is {self.average_decay}; it must be in [0, 1)")
        if self.precision not in ("auto", "bf16", "fp32"):
            raise OptionError(
                f"precision is {self.precision!r}; it must be 'auto', 'bf16' or 'fp32'"
            )

    @property
    def objective(self) -> ObjectiveConfig:
        """What the net is trained to minimise."""
        return ObjectiveConfig(
            backbone=self.backbone,
            backbone_options=self.backbone_options,
            terms=(
                TermConfig(
                    name="content",
                    loss="content",
                    weight=self.content_weight,
                    options={"layers": (self.content_layer,), "normalization": "relative"},
                ),
                TermConfig(
                    name="style",
                    loss="gram",
                    weight=self.style_weight,
                    options={"layers": self.style_layers, "normalization": "relative"},
                ),
                TermConfig(
                    name="tv", loss="total-variation", weight=self.tv_weight, options={"norm": "l1"}
                ),
                TermConfig(name="range", loss="range", weight=self.range_weight),
            ),
        )

    def fingerprint(self) -> str:
        """All that decides the result, as JSON: a training resumes only with the same."""
        values = dataclasses.asdict(self)
        del values["device"]
        # A painting and photos that moved elsewhere are still the same.
        return json.dumps(values, default=lambda path: path.name, sort_keys=True)
