"""What a person tells of a style or a pack, for its record."""

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
    """What only a person knows of a pack that is made of styles that are there.

    Attributes:
        name: in kebab-case.
        version: of it.
        summary: one line.
        tags: words to search by.
        author: who made it.
        command: that makes it again; recorded.
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
        """Who made it, today, with this software."""
        return Provenance(
            author=self.author,
            created=datetime.now(UTC).date().isoformat(),
            software=f"stylezoo {__version__}, torch {torch.__version__.partition('+')[0]}",
            notes=self.notes,
        )


@dataclass(frozen=True, kw_only=True)
class StyleDescription(PackDescription):
    """What only a person knows of a style that is trained. What is not said is unknown.

    Attributes:
        images: of each painting, by the name of its style: title, artist, year, where the
            picture of it is from.
        data: what the photos are, and whose.
        licence: of weights, code, style image and training data.

    Raises:
        RecordError: name, version or a licence breaks the format of records.
    """

    images: Mapping[str, StyleImage]
    data: str
    licence: Licence

    def __post_init__(self) -> None:
        # A mistake here must not come to light after an hour of training.
        super().__post_init__()
        check_licences(self.licence)
        for name in self.images:
            check_style_name(name)
