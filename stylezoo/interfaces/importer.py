"""The importer: converts checkpoints of other programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from stylezoo.objective_config import Scalar


@dataclass(frozen=True, kw_only=True)
class ImportedNet:
    """A foreign checkpoint as a net of this program.

    Attributes:
        net: the registered name of the transform net.
        arguments: of the net.
        tensors: its state dict.
        format: what the checkpoint was, in words.
    """

    net: str
    arguments: dict[str, Scalar]
    tensors: dict[str, Tensor]
    format: str


class Importer(ABC):
    """Reads one foreign format. An importer is made without arguments."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a file is of this format; a file of any kind may come, and none is executed."""

    @abstractmethod
    def convert(self, path: Path) -> ImportedNet:
        """Convert a checkpoint that was recognised.

        Raises:
            WeightsError: it is broken, or lacks what the net needs.
            MissingDependencyError: reading it takes an optional package that is not installed.
        """
