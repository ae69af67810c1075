"""The training callback: notified of events while a style is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stylezoo.train.trainer import StepReport


class TrainingCallback:
    """Notified of training events. Override the methods you need; the others do nothing.

    An exception raised here stops the training, which ``--resume`` can continue.
    """

    def on_step_end(self, report: StepReport) -> None:
        """Called at the end of a step."""

    def on_sample(self, step: int, path: Path) -> None:
        """Called after a sample sheet is written to ``path``."""

    def on_checkpoint(self, step: int, path: Path) -> None:
        """Called after a checkpoint is written to ``path``."""
