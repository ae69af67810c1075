"""Calls the training callbacks that plugins registered, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stylezoo.errors import TrainingError

if TYPE_CHECKING:
    from stylezoo.interfaces.callback import TrainingCallback
    from stylezoo.train.trainer import StepReport


class Callbacks:
    """Passes events to every callback. One that raises stops the training with a TrainingError.

    Args:
        callbacks: by the names used in error messages.
    """

    def __init__(self, callbacks: Mapping[str, TrainingCallback]) -> None:
        self._callbacks = callbacks

    def step_end(self, report: StepReport) -> None:
        """A step is done."""
        self._tell(report.step, lambda callback: callback.on_step_end(report))

    def sample(self, step: int, path: Path) -> None:
        """A sample sheet was written."""
        self._tell(step, lambda callback: callback.on_sample(step, path))

    def checkpoint(self, step: int, path: Path) -> None:
        """A checkpoint was written."""
        self._tell(step, lambda callback: callback.on_checkpoint(step, path))

    def _tell(self, step: int, event: Callable[[TrainingCallback], None]) -> None:
        for name, callback in self._callbacks.items():
            try:
                event(callback)
            except Exception as error:  # third-party code may raise anything
                raise TrainingError(
                    f"the training callback {name!r} failed at step {step}: "
                    f"{type(error).__name__}: {error}; fix it, or disable its plugin with "
                    f"STYLEZOO_DISABLE_PLUGINS, then continue with --resume"
                ) from error
