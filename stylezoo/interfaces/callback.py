"""The training callback: told of what happens while a style is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylezoo.train.trainer import StepReport


class TrainingCallback:
    """Told of a training's steps. Override what you want to hear of; the rest does nothing.

    An exception raised here stops the training, which ``--resume`` can go on with.
    """

    def on_step_end(self, report: StepReport) -> None:
        """A step is done."""

    def on_sample(self, step: int, path: Path) -> None:
        """A sample sheet was written to a path."""

    def on_checkpoint(self, step: int, path: Path) -> None:
        """A checkpoint was written to a path."""
