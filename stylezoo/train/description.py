"""What a person says about a style or a pack, for its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from stylezoo import __version__
from stylezoo.registry.record import Licence, Provenance, StyleImage, check_licences
from stylezoo.registry.record_text import check_style_name, check_version


@dataclass(frozen=True, kw_only=True)
class PackDescription:
    """What only a person can say about a pack made of existing styles.

    Attributes:
        name: in kebab-case.
        version: of the pack.
        summary: one line.
        tags: words to search by.
        author: who made it.
        command: the command that makes it again, to record.
        notes: anything else worth knowing.

    Raises:
        RecordError: name or version breaks the format of records.
    """

    name: str
    version: str
    summary: str
    tags: tuple[str, ...]
    author: str
    command: str
    notes: str = ""

    def __post_init__(self) -> None:
        check_style_name(self.name)
        check_version(self.version)

    def provenance(self) -> Provenance:
        """The author, today's date and this software."""
        return Provenance(
            author=self.author,
            created=datetime.now(UTC).date().isoformat(),
            software=f"stylezoo {__version__}, torch {torch.__version__.partition('+')[0]}",
            notes=self.notes,
        )


@dataclass(frozen=True, kw_only=True)
class StyleDescription(PackDescription):
    """What only a person can say about a trained style. What is not known is ``"unknown"``.

    Attributes:
        images: title, artist, year and picture source of each painting, by the name of its
            style.
        data: what the photos are, and whose.
        licence: of weights, code, style image and training data.

    Raises:
        RecordError: name, version or a licence breaks the format of records.
    """

    images: Mapping[str, StyleImage]
    data: str
    licence: Licence

    def __post_init__(self) -> None:
        # A mistake must show now, not after an hour of training.
        super().__post_init__()
        check_licences(self.licence)
        for name in self.images:
            check_style_name(name)
