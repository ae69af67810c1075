"""Build a style folder from a trained net and the facts that only a person can supply."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylezoo import __version__
from stylezoo.catalog import Catalog
from stylezoo.errors import RecordError
from stylezoo.images import Photo
from stylezoo.objective_config import ObjectiveConfig, Scalar
from stylezoo.registry.golden import golden_input
from stylezoo.registry.publish import PAINTING, StoredDtype, StyleDraft, write_style
from stylezoo.registry.record import (
    Licence,
    Provenance,
    Quality,
    Record,
    Status,
    StyleImage,
    Training,
    status_of,
)
from stylezoo.registry.record_io import RecordParts
from stylezoo.registry.record_text import UNKNOWN, check_style_name, check_version
from stylezoo.style import Style

if TYPE_CHECKING:
    from PIL import Image

    from stylezoo.interfaces.net import TransformNet

PREVIEW_SIZE = 512  # longest side, pixels
PATTERN_SIZE = (384, 512)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a style that only a person can supply; None for those not given.

    Attributes:
        name: name of the style, in kebab-case.
        title: title of the painting.
        artist: who painted it.
        year: when, in words.
        source: where the picture of the painting is from.
        author: who trained the style.
        recipe: how it was trained, in words.
        data: the training photos, and whose they are.
        weights_licence: licence of the weights, an SPDX expression.
        image_licence: licence of the picture of the painting.
        data_licence: licence of the training photos.
        code_licence: licence of the code that made the style.
        style_size: longest side of the painting in training, in pixels; None if unknown.
        status: None to derive it from the version.
        version: version of the style.
        summary: one line; None to build one from title and artist.
        tags: search keywords.
        seed: training seed.
        command: the command that reproduces the training.
        notes: anything else worth knowing.
        created: an ISO date; None for today.
        software: what trained it; None for this version of stylezoo.
    """

    name: str | None = None
    title: str | None = None
    artist: str | None = None
    year: str | None = None
    source: str | None = None
    author: str | None = None
    recipe: str | None = None
    data: str | None = None
    weights_licence: str | None = None
    image_licence: str | None = None
    data_licence: str | None = None
    code_licence: str = "Apache-2.0"
    style_size: int | None = None
    status: Status | None = None
    version: str = "1.0.0"
    summary: str | None = None
    tags: tuple[str, ...] = ()
    seed: int = 0
    command: str = UNKNOWN
    notes: str = ""
    created: str | None = None
    software: str | None = None

    @property
    def missing(self) -> list[str]:
        """The required fields that were not given."""
        return [name for name in NEEDED if getattr(self, name) is None]

    def filled(self) -> Facts:
        """Return a copy with the missing facts set to unknown."""
        unknown: dict[str, Any] = dict.fromkeys(self.missing, UNKNOWN)
        return dataclasses.replace(self, **unknown)

    def faults(self) -> dict[str, str]:
        """What is wrong with the given facts, by field."""
        known = self.filled()
        found = {fault.field: fault.reason for fault in known.image().faults()}
        found |= {fault.field: fault.reason for fault in known.training().faults()}
        found |= {fault.field: fault.reason for fault in known.provenance().faults()}
        for fault in known.licence().faults():
            found[_LICENCES[fault.field]] = fault.reason
        if self.name is not None:
            found |= _fault_of("name", check_style_name, self.name)
        return found | _fault_of("version", check_version, self.version)

    def image(self) -> StyleImage:
        """The painting; the facts must be filled."""
        return StyleImage(
            title=_told(self.title),
            artist=_told(self.artist),
            year=_told(self.year),
            source=_told(self.source),
        )

    def training(self) -> Training:
        """How the weights were made; the facts must be filled."""
        return Training(
            recipe=_told(self.recipe),
            seed=self.seed,
            command=self.command,
            data=_told(self.data),
            style_size=self.style_size,
        )

    def licence(self) -> Licence:
        """The licences; the facts must be filled."""
        return Licence(
            weights=_told(self.weights_licence),
            code=self.code_licence,
            style_image=_told(self.image_licence),
            training_data=_told(self.data_licence),
        )

    def provenance(self) -> Provenance:
        """Who made the style; the facts must be filled."""
        return Provenance(
            author=_told(self.author),
            created=self.created or datetime.now(UTC).date().isoformat(),
            software=self.software or f"stylezoo {__version__}",
            notes=self.notes,
        )


NEEDED = tuple(
    field.name
    for field in dataclasses.fields(Facts)
    if field.default is None
    and field.name not in ("summary", "created", "software", "style_size", "status")
)
"""The facts that a complete style requires."""

_LICENCES = {
    "weights": "weights_licence",
    "style_image": "image_licence",
    "training_data": "data_licence",
}


def facts_of_record(parts: RecordParts) -> Facts:
    """Collect the facts in a record, as far as it can be read; some may be ``unknown``."""
    fields = parts.fields
    told: dict[str, Any] = {
        name: fields[name] for name in ("name", "summary", "tags") if name in fields
    }
    if "version" in fields:
        told["version"] = str(fields["version"])
    for table, names in (
        ("style", ("title", "artist", "year", "source")),
        ("training", ("recipe", "data", "seed", "command", "style_size")),
        ("provenance", ("author", "notes", "created", "software")),
    ):
        told |= {name: value for name, value in parts.sound(table).items() if name in names}
    licences = {**_LICENCES, "code": "code_licence"}
    told |= {licences[name]: value for name, value in parts.sound("licence").items()}
    if fields.get("status") == "deprecated":  # the other statuses follow from the version
        told["status"] = fields["status"]
    return Facts(**told)


def make_style(
    folder: Path,
    *,
    net: TransformNet,
    net_name: str,
    net_arguments: Mapping[str, Scalar],
    facts: Facts,
    catalog: Catalog,
    dtype: StoredDtype,
    photo: Photo | None = None,
    photo_name: str = "",
    painting: Photo | Path | None = None,
    objective: ObjectiveConfig | None = None,
    quality: Quality | None = None,
) -> Record:
    """Write a complete style folder for a single-style net.

    Args:
        folder: the folder to make; it appears complete or not at all.
        net: the net with its weights, on the CPU.
        net_name: its registered name; ``plugin:name`` if several plugins register that name.
        net_arguments: arguments of the net.
        facts: those not given are recorded as unknown.
        catalog: where the net is registered.
        dtype: how to store the weights.
        photo: the photo to show the style on; None for a generated pattern.
        photo_name: what to call the photo.
        painting: the painting as the net was trained on it; a file is copied as is. Left out if
            its licence is unknown.
        objective: what the net was trained to minimise, if known.
        quality: the quality measured with these weights, if any.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
        RecordError: a fact breaks the format.
        WeightsError: the weights are not finite.
    """
    facts = facts.filled()
    what = photo_name if photo is not None else "A pattern"
    shown = (photo or _pattern()).resized(PREVIEW_SIZE)
    styled: Photo = Style(net=net.eval())(shown)
    known = facts.image_licence != UNKNOWN
    component = catalog.find("net", net_name)
    draft = StyleDraft(
        name=_told(facts.name),
        version=facts.version,
        status=facts.status or status_of(facts.version),
        summary=facts.summary or _summary(facts),
        tags=facts.tags,
        net_name=component.name,
        net_plugin=component.distribution,
        net_arguments=catalog.with_variant("net", net_name, dict(net_arguments)),
        style=facts.image(),
        training=facts.training(),
        provenance=facts.provenance(),
        licence=facts.licence(),
        objective=objective,
        quality=quality,
        preview=f"{what}, stylised at {PREVIEW_SIZE} px",
    )
    return write_style(
        folder,
        net=net,
        draft=draft,
        preview=styled.to_pil(),
        paintings=_paintings(painting) if painting is not None and known else {},
        dtype=dtype,
    )


def _paintings(painting: Photo | Path) -> dict[str, Image.Image | Path]:
    if isinstance(painting, Path):
        return {Path(PAINTING).with_suffix(painting.suffix.lower()).name: painting}
    return {PAINTING: painting.to_pil()}


def _summary(facts: Facts) -> str:
    known = [fact for fact in (facts.title, facts.artist) if fact not in (None, UNKNOWN)]
    return ", ".join(map(_told, known)) or f"The style {facts.name}"


def _pattern() -> Photo:
    waves = golden_input("waves", *PATTERN_SIZE)[0].permute(1, 2, 0)
    return Photo(rgb=waves.numpy())


def _told(fact: str | None) -> str:
    return UNKNOWN if fact is None else fact


def _fault_of(field: str, check: Callable[[str], object], value: str) -> dict[str, str]:
    try:
        check(value)
    except RecordError as error:
        return {field: error.reason}
    return {}
