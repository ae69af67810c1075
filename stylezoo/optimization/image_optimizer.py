"""The loop: an image is changed until it minimises an objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stylezoo.objective import ObjectiveValue, PerceptualObjective, Targets
from stylezoo.optimization.config import OptimizationConfig
from stylezoo.region import Region

# The mean change of a pixel in the first step of L-BFGS, which knows no curvature yet.
FIRST_STEP = 0.02
# So many evaluations in a row above the first one are no detour: the method has lost its way.
DIVERGED_AFTER = 10


class ImageOptimizer:
    """Minimises an objective over the pixels of one image.

    The objective is that of Gatys et al. 2015, equation 7, or any other; L-BFGS takes one
    evaluation of objective and gradient a step, without a line search.

    Args:
        objective: to minimise.
        targets: of content and styles.
        regions: as ``PerceptualObjective.forward`` takes them.
        start: (1, 3, H, W) RGB in [0, 1].
        config: method, learning rate, history, clipping and averaging.

    Attributes:
        best: the lowest total seen and its image, as it was evaluated.
        diverged: whether the objective has run away; more steps make no sense then.
    """

    def __init__(
        self,
        objective: PerceptualObjective,
        targets: Targets,
        regions: Mapping[str, Region],
        start: Tensor,
        config: OptimizationConfig,
    ) -> None:
        self.objective = objective
        self.targets = targets
        self.regions = regions
        self.config = config
        self.image = start.detach().to(objective.device).float().contiguous().clone()
        self.image.requires_grad_()
        self.best: tuple[float, Tensor] = (math.inf, self.image.detach().clone())
        self.diverged = False
        self._first_total: float | None = None
        self._steps_above_first = 0
        self._average: Tensor | None = None
        self._scale: float | None = None
        self._optimizer = self._make_optimizer()

    def _make_optimizer(self) -> torch.optim.Optimizer:
        if self.config.method == "adam":
            return torch.optim.Adam([self.image], lr=self.config.learning_rate)
        return torch.optim.LBFGS(
            [self.image],
            # torch divides the first step by the gradient's L1 norm, which ``_evaluate`` makes as
            # large as the number of values.
            lr=FIRST_STEP * self.image.numel(),
            max_iter=1,
            history_size=self.config.history,
            tolerance_grad=0,
            tolerance_change=0,
        )

    def step(self) -> ObjectiveValue:
        """Evaluate the objective at the image, then change the image.

        Returns:
            The value at the image as it was before.
        """
        values: list[ObjectiveValue] = []

        def evaluate() -> float:
            values.append(self._evaluate())
            return values[-1].total.item()

        self._optimizer.step(evaluate)
        self._judge(values[0].total.item())
        if self.config.method == "lbfgs":
            self._optimizer.param_groups[0]["lr"] = 1.0
        with torch.no_grad():
            if self.config.clip:
                self.image.clamp_(0, 1)
            if self.config.average:
                self._add_to_average()
        return values[0]

    def _evaluate(self) -> ObjectiveValue:
        """The objective, with its gradient in ``self.image.grad``."""
        self.image.grad = None
        value: ObjectiveValue = self.objective(self.image, self.targets, self.regions)
        value.total.backward()
        total = value.total.item()
        if math.isfinite(total) and total < self.best[0]:
            self.best = (total, self.image.detach().clone())
        gradient = self.image.grad
        assert gradient is not None
        if self._scale is None:
            # L-BFGS ignores curvature below a fixed threshold, and its first step depends on the
            # gradient's size; a mean of 1 makes both independent of weights and of the losses.
            size = float(gradient.abs().mean())
            self._scale = 1 / size if size > 0 and math.isfinite(size) else 1.0
        gradient.mul_(self._scale)
        return ObjectiveValue(
            total=value.total.detach(), terms={n: t.detach() for n, t in value.terms.items()}
        )

    def _judge(self, total: float) -> None:
        if self._first_total is None:
            self._first_total = total
        above = not total <= self._first_total  # so that NaN counts as above
        self._steps_above_first = self._steps_above_first + 1 if above else 0
        self.diverged = not math.isfinite(total) or self._steps_above_first >= DIVERGED_AFTER

    def _add_to_average(self) -> None:
        if self._average is None:
            self._average = self.image.detach().clone()
        else:
            self._average.lerp_(self.image.detach(), 1 - self.config.average)

    def result(self) -> Tensor:
        """The best of the images seen, the current one and the average: (1, 3, H, W) in [0, 1]."""
        candidates = [self.image.detach()]
        if self._average is not None:
            candidates.append(self._average)
        with torch.no_grad():
            for image in candidates:
                total = float(self.objective(image, self.targets, self.regions).total)
                if math.isfinite(total) and total < self.best[0]:
                    self.best = (total, image.clone())
        return self.best[1].clamp(0, 1)

    def state_dict(self) -> dict[str, Any]:
        """All that decides the steps to come, for ``load_state_dict``."""
        return {
            "image": self.image.detach(),
            "best_total": self.best[0],
            "best_image": self.best[1],
            "first_total": self._first_total,
            "steps_above_first": self._steps_above_first,
            "average": self._average,
            "scale": self._scale,
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the state was taken."""
        with torch.no_grad():
            self.image.copy_(state["image"])
        self.best = (state["best_total"], state["best_image"].to(self.image.device))
        self._first_total = state["first_total"]
        self._steps_above_first = state["steps_above_first"]
        average = state["average"]
        self._average = None if average is None else average.to(self.image.device)
        self._scale = state["scale"]
        self._optimizer.load_state_dict(state["optimizer"])
