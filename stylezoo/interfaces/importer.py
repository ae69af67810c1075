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
    """A foreign checkpoint converted to a stylezoo net.

    Attributes:
        net: the registered name of the transform net.
        arguments: arguments of the net.
        tensors: its state dict.
        format: the original format of the checkpoint, in words.
    """

    net: str
    arguments: dict[str, Scalar]
    tensors: dict[str, Tensor]
    format: str


class Importer(ABC):
    """Reads one foreign format. An importer is made without arguments."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a file has this format. It may be of any kind, and must not be executed."""

    @abstractmethod
    def convert(self, path: Path) -> ImportedNet:
        """Convert a recognised checkpoint.

        Raises:
            WeightsError: it is broken, or lacks what the net needs.
            MissingDependencyError: reading it needs an optional package that is not installed.
        """
