"""The training callback ``diary``: how a training went, for who comes back to it later."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo import TrainingCallback

if TYPE_CHECKING:
    from stylezoo import StepReport


class Diary(TrainingCallback):
    """Writes a line into ``diary.txt``, beside the checkpoint, whenever there is a new one."""

    def __init__(self) -> None:
        self.best = math.inf
        self.seconds = 0.0

    def on_step_end(self, report: StepReport) -> None:
        """Keep the best objective and the time."""
        self.best = min(self.best, report.total)
        self.seconds += report.seconds

    def on_checkpoint(self, step: int, path: Path) -> None:
        """Write the line."""
        line = f"step {step}: best objective {self.best:.4g}, {self.seconds:.0f} s of training\n"
        with path.with_name("diary.txt").open("a", encoding="utf-8") as diary:
            diary.write(line)
