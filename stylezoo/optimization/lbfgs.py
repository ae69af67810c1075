"""L-BFGS for the pixels of an image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

# The fraction of a preconditioned step that is taken. There is no line search: full steps raised
# the objective of two pictures in 23 of 119; these did in 16 and 17, and ended 2 to 3 % lower.
DAMPING = 0.8
# The largest root mean square change of an image in one step.
LARGEST_STEP = 0.05
# Between a step and the gradient change: below it, a pair says nothing about the curvature.
LEAST_COSINE = 1e-6


class LBFGS:
    """Steps towards the minimum of an objective, one evaluation each, without a line search.

    A pair is a step and the gradient change it caused. The pairs and a first estimate of the
    inverse Hessian give the next step, as in Nocedal & Wright 2006, Numerical Optimization,
    algorithm 7.4; here by the equivalent compact representation of Byrd, Nocedal & Schnabel 1994,
    theorem 2.2, https://doi.org/10.1007/BF01582063, with the pairs in two matrices: five products
    with them instead of four passes for each pair.

    The first estimate is a multiple of the identity, equation 7.20 of the book. With
    preconditioning, each octave of spatial frequency has its own factor instead, since with Gram
    matrices of a VGG a broad change needs a step many times as long as a fine one.

    The step of a pair is the one actually made: the caller may clip the image between two calls.

    Args:
        history: how many pairs to remember.
        first_step: mean absolute change of a pixel in the first step, before any curvature is
            known.
        preconditioned: use a factor for each octave, and shorter steps.
        device: where the image is.
    """

    def __init__(
        self, *, history: int, first_step: float, preconditioned: bool, device: torch.device
    ) -> None:
        self.history = history
        self.first_step = first_step
        self.preconditioned = preconditioned
        self.device = device
        # A row for each pair; a new one overwrites the oldest.
        self._steps = torch.empty(0)
        self._changes = torch.empty(0)
        # [i, j]: of step i and change j; outdated where pair j is older than pair i.
        self._products = torch.zeros(history, history, dtype=torch.float64)
        self._learnt = 0
        self._last: tuple[Tensor, Tensor] | None = None

    def step(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Compute the change to add to the image.

        Args:
            image: (1, C, H, W) float32.
            gradient: of the objective at the image, of the same shape.

        Returns:
            The change, of the same shape; its root mean square is at most ``LARGEST_STEP``.
        """
        if self._last is not None:
            self._learn(image - self._last[0], gradient - self._last[1])
        self._last = image.clone(), gradient.clone()
        if self._learnt:
            step = self._direction(gradient)
            if self.preconditioned:
                step.mul_(DAMPING)
        else:
            size = float(gradient.abs().mean())
            step = gradient * (-self.first_step / size if size > 0 else 0.0)
        size = float(step.square().mean().sqrt())
        return step * (LARGEST_STEP / size) if size > LARGEST_STEP else step

    def _learn(self, step: Tensor, change: Tensor) -> None:
        step, change = step.flatten(), change.flatten()
        curvature, *squares = torch.stack([step @ change, step @ step, change @ change]).tolist()
        # Positive where the objective is convex; very small values are rounding.
        if not curvature > LEAST_COSINE * math.sqrt(math.prod(squares)):
            return
        if not self._learnt:
            self._reserve(len(step))
        row = self._learnt % self.history
        self._steps[row], self._changes[row] = step, change
        self._learnt += 1
        steps, _ = self._pairs()
        self._products[: len(steps), row] = _few(steps @ change)

    def _reserve(self, numbers: int) -> None:
        self._steps, self._changes = (
            torch.empty(self.history, numbers, device=self.device) for _ in range(2)
        )

    def _pairs(self) -> tuple[Tensor, Tensor]:
        count = min(self._learnt, self.history)
        return self._steps[:count], self._changes[:count]

    def _direction(self, gradient: Tensor) -> Tensor:
        steps, changes = self._pairs()
        # Rows from the oldest pair to the newest: in this order, the valid ones are a triangle.
        by_age = torch.arange(self._learnt - len(steps), self._learnt) % self.history
        products = self._products[by_age][:, by_age].triu()
        flat = gradient.flatten()
        shares = torch.zeros(len(steps), dtype=torch.float64)
        shares[by_age] = _solve(products, _few(steps @ flat)[by_age], upper=True)
        rest = torch.addmv(flat, changes.mT, shares.to(flat), alpha=-1).view_as(gradient)
        rest = self._precondition(rest) if self.preconditioned else self._scale(rest)
        flat = rest.flatten()
        left = products.diag() * shares[by_age] - _few(changes @ flat)[by_age]
        shares[by_age] = _solve(products.mT, left, upper=False)
        return torch.addmv(flat, steps.mT, shares.to(flat)).neg_().view_as(gradient)

    def _last_pair(self) -> tuple[Tensor, Tensor]:
        row = (self._learnt - 1) % self.history
        return self._steps[row], self._changes[row]

    def _scale(self, direction: Tensor) -> Tensor:
        step, change = self._last_pair()
        return direction * ((step @ change) / (change @ change))

    def _precondition(self, direction: Tensor) -> Tensor:
        """Multiply by the first estimate of the inverse Hessian, from the last pair.

        A factor is the ratio of step to change within an octave: the geometric mean of the short
        and long steps of Barzilai & Borwein 1988, https://doi.org/10.1093/imanum/8.1.141.
        """
        octaves = _octaves(direction)
        step, change = (
            torch.zeros(int(octaves.max()) + 1, device=direction.device).index_add_(
                0,
                octaves.flatten(),
                _spectrum(of_pair.view_as(direction)).abs().square().sum(dim=(0, 1)).flatten(),
            )
            for of_pair in self._last_pair()
        )
        factors = (step / change.clamp(min=torch.finfo(change.dtype).tiny)).sqrt()
        spectrum = _spectrum(direction) * factors[octaves]
        conditioned: Tensor = torch.fft.irfft2(spectrum, s=direction.shape[-2:], norm="ortho")
        return conditioned

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the next steps, for ``load_state_dict``."""
        steps, changes = self._pairs()
        return {
            "steps": steps.clone(),  # without unused rows
            "changes": changes.clone(),
            "products": self._products,
            "learnt": self._learnt,
            "last": self._last,
            "first_step": self.first_step,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from where the state was taken."""
        steps, changes = state["steps"], state["changes"]
        self._learnt = state["learnt"]
        self.first_step = state["first_step"]
        self._products.copy_(state["products"])
        if self._learnt:
            self._reserve(steps.shape[1])
            self._steps[: len(steps)], self._changes[: len(changes)] = steps, changes
        last = state["last"]
        self._last = None if last is None else (last[0].to(self.device), last[1].to(self.device))


def _few(products: Tensor) -> Tensor:
    """One number per pair, moved to where the solve runs: the CPU, in double precision."""
    return products.cpu().double()


def _solve(triangle: Tensor, right: Tensor, *, upper: bool) -> Tensor:
    solution: Tensor = torch.linalg.solve_triangular(triangle, right[:, None], upper=upper)
    return solution[:, 0]


def _spectrum(image: Tensor) -> Tensor:
    spectrum: Tensor = torch.fft.rfft2(image, norm="ortho")
    return spectrum


def _octaves(image: Tensor) -> Tensor:
    """How many octaves each frequency of ``_spectrum`` lies below the Nyquist frequency.

    Returns:
        (H, W // 2 + 1), integers; the mean of the image counts as its broadest wave.
    """
    height, width = image.shape[-2:]
    down = torch.fft.fftfreq(height, device=image.device)[:, None]
    across = torch.fft.rfftfreq(width, device=image.device)[None]
    cycles = (down**2 + across**2).sqrt().clamp(min=1 / max(height, width), max=0.5)
    return (-torch.log2(2 * cycles)).round().long()
