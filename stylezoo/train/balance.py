"""The weight of the style term, tuned during training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

START_WEIGHT = 5.0
LOWEST_WEIGHT = 2.0
HIGHEST_WEIGHT = 25.0
WANTED_CONTENT = 0.75
FIRST, LAST = 0.05, 0.35  # the part of the training in which weights change
RATE = 6.0
LARGEST_ERROR = 0.5  # in powers of e: one odd crop must not throw a weight


class StyleBalance:
    """Finds for each painting the weight at which its style comes through.

    No one weight suits all paintings: a weight that gives a strong great-wave leaves starry-night
    washed out, close to the photo. What tells the two apart is how far pictures move from their
    photos: at a relative content distance of about 0.75 they look painted but are still
    recognisable. So each painting's weight rises while its distance is below that and falls while
    it is above, in proportion to the logarithm of the ratio. It stays fixed from 0.35 of the
    training on, so that the net settles on one objective.

    Args:
        start: the weight found for each painting before; None if there is none.
        weight: a fixed weight for all paintings; None to find one for each.
    """

    def __init__(self, start: Sequence[float | None], weight: float | None) -> None:
        self.fixed = weight is not None
        self.weights = [START_WEIGHT if found is None else found for found in start]
        if weight is not None:
            self.weights = [weight] * len(start)
        self._seen = [FIRST] * len(start)

    def observe(self, style: int, content: float, progress: float) -> None:
        """Update a painting's weight from the content term of pictures in its style.

        Args:
            style: number of the painting.
            content: the relative content distance, unweighted.
            progress: of the training, from 0 to 1.
        """
        if self.fixed or not FIRST <= progress <= LAST or not math.isfinite(content):
            return
        passed = (progress - self._seen[style]) / (LAST - FIRST)
        self._seen[style] = progress
        error = math.log(WANTED_CONTENT / max(content, 1e-9))
        error = min(max(error, -LARGEST_ERROR), LARGEST_ERROR)
        weight = self.weights[style] * math.exp(RATE * error * passed)
        self.weights[style] = min(max(weight, LOWEST_WEIGHT), HIGHEST_WEIGHT)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save in a checkpoint."""
        return {"weights": self.weights, "seen": self._seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self.weights = list(state["weights"])
        self._seen = list(state["seen"])
