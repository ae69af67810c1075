"""The loop: an image is changed until it minimises an objective."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stylezoo.objective import ObjectiveValue, PerceptualObjective, Targets
from stylezoo.optimization.config import OptimizationConfig
from stylezoo.optimization.lbfgs import LBFGS
from stylezoo.region import Region

# The mean change of a pixel in the first step of L-BFGS, which knows no curvature yet: from a start
# far from any minimum, and from an already good picture.
FIRST_STEP = 0.02
CAREFUL_STEP = 0.002
# Without a line search, L-BFGS occasionally runs away, misled by bfloat16 gradients. Above this
# multiple of the best value, it returns to the best image and forgets the curvature.
RUNAWAY = 3.0
FRUITLESS_RESTARTS = 3


class ImageOptimizer:
    """Minimises an objective over the pixels of one image.

    The objective is that of Gatys et al. 2015, equation 7, or any other; each method evaluates
    objective and gradient once per step.

    Args:
        objective: to minimise.
        targets: of content and styles.
        regions: as ``PerceptualObjective.forward`` takes them.
        start: (1, 3, H, W) RGB in [0, 1].
        careful: whether the start is already a good picture, which a large step would spoil.
        config: method, learning rate, history, clipping and averaging.

    Attributes:
        best: the lowest total seen and its image, as evaluated.
        best_terms: the terms of that total, unweighted.
        fruitless: consecutive returns to the best image, after the objective ran away, that found
            nothing better from there.
    """

    def __init__(
        self,
        objective: PerceptualObjective,
        targets: Targets,
        regions: Mapping[str, Region],
        start: Tensor,
        config: OptimizationConfig,
        *,
        careful: bool = False,
    ) -> None:
        self.objective = objective
        self.targets = targets
        self.regions = regions
        self.config = config
        self.image = start.detach().to(objective.device).float().contiguous().clone()
        self.image.requires_grad_()
        self.best: tuple[float, Tensor] = (math.inf, self.image.detach().clone())
        self.best_terms: dict[str, float] = {}
        self.fruitless = 0
        self._average: Tensor | None = None
        self._optimizer = self._make_optimizer(CAREFUL_STEP if careful else FIRST_STEP)

    @property
    def diverged(self) -> bool:
        """Whether it ran away so often in a row that more steps are pointless."""
        return self.fruitless > FRUITLESS_RESTARTS

    def _make_optimizer(self, first_step: float) -> torch.optim.Adam | LBFGS:
        if self.config.method == "adam":
            # With torch's default ``eps``, steps would depend on the weights of the objective. This
            # one is still above the root of the smallest squared gradient in float32.
            return torch.optim.Adam([self.image], lr=self.config.learning_rate, eps=1e-15)
        return LBFGS(
            history=self.config.history,
            first_step=first_step,
            preconditioned=self.config.method == "preconditioned-lbfgs",
            device=self.image.device,
        )

    def step(self) -> ObjectiveValue:
        """Evaluate the objective at the image, then change the image.

        Returns:
            The value before the change.
        """
        value = self._evaluate()
        if self._ran_away(value.total.item()):
            self._restart()
            return value
        with torch.no_grad():
            if isinstance(self._optimizer, LBFGS):
                assert self.image.grad is not None
                self.image += self._optimizer.step(self.image, self.image.grad)
            else:
                self._optimizer.step()
            if self.config.clip:
                self.image.clamp_(0, 1)
            if self.config.average:
                self._add_to_average()
        return value

    def _evaluate(self) -> ObjectiveValue:
        """Evaluate the objective, leaving its gradient in ``self.image.grad``."""
        self.image.grad = None
        value: ObjectiveValue = self.objective(self.image, self.targets, self.regions)
        value.total.backward()
        if self._keep_if_better(value, self.image.detach()):
            self.fruitless = 0
        return ObjectiveValue(
            total=value.total.detach(), terms={n: t.detach() for n, t in value.terms.items()}
        )

    def _ran_away(self, total: float) -> bool:
        return not (math.isfinite(total) and total <= RUNAWAY * self.best[0])

    def _restart(self) -> None:
        self.fruitless += 1
        with torch.no_grad():
            self.image.copy_(self.best[1])
        self._average = None
        self._optimizer = self._make_optimizer(CAREFUL_STEP)

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
                self._keep_if_better(self.objective(image, self.targets, self.regions), image)
        return self.best[1].clamp(0, 1)

    def _keep_if_better(self, value: ObjectiveValue, image: Tensor) -> bool:
        total = value.total.item()
        better = math.isfinite(total) and total < self.best[0]
        if better:
            self.best = (total, image.clone())
            self.best_terms = {name: term.item() for name, term in value.terms.items()}
        return better

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the next steps, for ``load_state_dict``."""
        return {
            "image": self.image.detach(),
            "best_total": self.best[0],
            "best_image": self.best[1],
            "best_terms": self.best_terms,
            "fruitless": self.fruitless,
            "average": self._average,
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where the state was taken."""
        with torch.no_grad():
            self.image.copy_(state["image"])
        self.best = (state["best_total"], state["best_image"].to(self.image.device))
        self.best_terms = state["best_terms"]
        self.fruitless = state["fruitless"]
        average = state["average"]
        self._average = None if average is None else average.to(self.image.device)
        self._optimizer.load_state_dict(state["optimizer"])
