"""Which registries a user has, and where: the config file and STYLEZOO_REGISTRIES."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryConfig:
    """One registry.

    Attributes:
        location: a folder's path, ``https://...``, or ``hub:owner/name``.
        root: path of the ``root.json`` whose keys are trusted; None for a plain folder of styles,
            which is trusted as this machine's own disk is.
        seed: a folder with metadata known to be good when it was packed, which a registry must
            not be older than; None for none.
    """

    location: str
    root: Path | None = None
    seed: Path | None = None
