"""Checkpoints: the whole state of a training, written so that a kill leaves the old or the new."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stylezoo.errors import TrainingError
from stylezoo.files import write_file


@dataclass(frozen=True)
class Checkpoint:
    """A training after ``step`` steps.

    Attributes:
        step: how many steps are done.
        fingerprint: of the config, ``TrainingConfig.fingerprint``.
        net: state dict of the net.
        average: state dict of the averaged net.
        optimizer: state dict of the optimiser.
    """

    step: int
    fingerprint: str
    net: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write it in place of an older one, in one move.

        Raises:
            OutputError: it cannot be written.
        """
        content = io.BytesIO()
        torch.save(vars(self), content)
        write_file(path, content.getvalue(), overwrite=True)

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> Checkpoint:
        """Read one, of the same config.

        Raises:
            TrainingError: it cannot be read, or belongs to another config.
        """
        try:
            checkpoint = cls(**torch.load(path, weights_only=True, map_location="cpu"))
        except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f"the checkpoint {path} cannot be read ({type(error).__name__}); "
                "delete its folder to start again"
            ) from error
        if checkpoint.fingerprint != fingerprint:
            raise TrainingError(
                f"the checkpoint {path} belongs to a training with other options; "
                "give the same ones to resume, or delete its folder to start again"
            )
        return checkpoint
