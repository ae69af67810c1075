"""The equivalent number of iterations of explicit optimisation (Johnson et al. 2016, figure 5)."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import torch
from torch import Tensor

from stylezoo.objective import PerceptualObjective, Targets
from stylezoo.optimization.config import OptimizationConfig
from stylezoo.optimization.image_optimizer import ImageOptimizer

Start = Literal["noise", "content"]

# The paper's baseline: L-BFGS that keeps the pixels in range at every iteration, section 4.1.
BASELINE = OptimizationConfig(clip=True, history=100)


@dataclass(frozen=True)
class Curve:
    """The objective over the explicit optimisation of one photo.

    Attributes:
        photo: its name.
        size: its longest side, in pixels.
        start: what it started from.
        level: the objective of the style's picture.
        objectives: after 0, 1, 2, ... iterations, until the level or the limit is reached.
        iteration_seconds: the median time of an iteration.
    """

    photo: str
    size: int
    start: Start
    level: float
    objectives: tuple[float, ...]
    iteration_seconds: float

    @property
    def reached(self) -> bool:
        """Whether the optimisation reached the style's level."""
        return self.objectives[-1] <= self.level

    @property
    def equivalent(self) -> float:
        """The iterations needed to reach the level, or all that were made if it is not reached."""
        return equivalent_iterations(self.objectives, self.level)


def optimization_curve(
    objective: PerceptualObjective,
    targets: Targets,
    content: Tensor,
    level: float,
    *,
    photo: str,
    start: Start,
    limit: int,
    seed: int,
) -> Curve:
    """Optimise an image explicitly until it is as good as the style's picture.

    Args:
        objective: what the style was trained for.
        targets: of photo and painting.
        content: the photo, (1, 3, H, W).
        level: the objective of the style's picture.
        photo: its name.
        start: from white noise or from the photo.
        limit: the maximum number of iterations.
        seed: for the noise.
    """
    image = content
    if start == "noise":
        image = torch.rand(content.shape, generator=torch.Generator().manual_seed(seed))
    optimizer = ImageOptimizer(objective, targets, {}, image, BASELINE)
    objectives: list[float] = []
    seconds: list[float] = []
    while True:
        started = time.perf_counter()
        objectives.append(optimizer.step().total.item())
        seconds.append(time.perf_counter() - started)
        if objectives[-1] <= level or len(objectives) > limit or optimizer.diverged:
            break
    size = max(content.shape[-2:])
    return Curve(photo, size, start, level, tuple(objectives), median(seconds))


def equivalent_iterations(objectives: Sequence[float], level: float) -> float:
    """Where a falling curve first reaches a level, log-linear between two iterations.

    Args:
        objectives: after 0, 1, 2, ... iterations; positive.
        level: positive.

    Returns:
        From 0 to the last iteration, which is returned if the level is not reached.
    """
    for number, value in enumerate(objectives):
        if not value <= level:  # NaN does not reach it either
            continue
        if number == 0:
            return 0.0
        before = objectives[number - 1]
        return number - 1 + math.log(before / level) / math.log(before / value)
    return float(len(objectives) - 1)
