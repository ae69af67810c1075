"""The record of a style, ``style.toml``, as frozen dataclasses.

The dataclasses are the format: their fields are the TOML keys, and the JSON Schema beside this
module is generated from them. The ``faults`` of each are those that types cannot express.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from packaging.version import Version

from stylezoo.components import COMPONENT_NAME
from stylezoo.errors import OptionError, RecordError
from stylezoo.objective_config import ObjectiveConfig, Scalar
from stylezoo.registry.entry import StyleEntry
from stylezoo.registry.record_text import (
    DISTRIBUTION,
    MAX_LINE,
    MAX_WORD,
    SHA256,
    check_addresses,
    check_file_path,
    check_licence,
    check_line,
    check_style_name,
    check_version,
)
from stylezoo.registry.spec import is_repository

SCHEMA = 1
RECORD_FILE = "style.toml"
MAX_RECORD_BYTES = 256 * 1024
MAX_INTEGER = 2**31
MAX_TEXT = 10_000
MAX_ENTRIES = 100

Status = Literal["stable", "experimental", "deprecated"]
Role = Literal["weights", "golden", "preview", "card", "painting"]


@dataclass(frozen=True, kw_only=True)
class Net:
    """How to build the transform net: a registered name, never something to import.

    Attributes:
        name: a registered transform net.
        arguments: its keyword arguments.
        plugin: the distribution that provides it, to name if it is missing.
    """

    name: str
    arguments: Mapping[str, Scalar] = dataclasses.field(hash=False)
    plugin: str

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        if not COMPONENT_NAME.fullmatch(self.name):
            yield RecordError(
                f"{self.name!r} is not the name of a net; use lower-case letters, digits, '-' and "
                "'_', not an import path",
                field="name",
            )
        # It is shown as what to install: pip must not mistake it for an option or address.
        if not DISTRIBUTION.fullmatch(self.plugin):
            yield RecordError(
                f"{self.plugin[:100]!r} is not the name of a distribution, like 'stylezoo'",
                field="plugin",
            )


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of the style, in the same folder as the record.

    Attributes:
        path: relative to the folder.
        role: what it is for.
        size: in bytes.
        sha256: of its content, in hex.
        dtype: of the tensors, such as ``"float16"``; for safetensors only.
        tensors: how many; for safetensors only.
    """

    path: str
    role: Role
    size: int
    sha256: str
    dtype: str | None = None
    tensors: int | None = None

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        yield from _caught(check_file_path, self.path)
        yield from _at_least("size", self.size, 1)
        yield from _sha256(self.sha256)
        if self.tensors is not None:
            yield from _at_least("tensors", self.tensors, 1)


@dataclass(frozen=True, kw_only=True)
class IO:
    """What the net takes and gives.

    Attributes:
        input_range: smallest and largest value of its input.
        output_range: the same of its output.
        minimum_size: H and W must be at least this.
        stride: H and W must be multiples of this.
        tiling: whether a picture may be cut up, styled in tiles and reassembled.
    """

    input_range: tuple[float, float] = (0.0, 1.0)
    output_range: tuple[float, float] = (0.0, 1.0)
    minimum_size: int
    stride: int
    tiling: bool

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        for name in ("input_range", "output_range"):
            low, high = getattr(self, name)
            if low >= high:
                yield RecordError(f"[{low}, {high}] is empty", field=name)
        yield from _at_least("minimum_size", self.minimum_size, 1)
        yield from _at_least("stride", self.stride, 1)


@dataclass(frozen=True, kw_only=True)
class StyleImage:
    """The painting that the style is made from.

    Attributes:
        title: of the work.
        artist: of the work.
        year: in words, such as ``"c. 1831"``.
        source: where the picture of the work is from.
    """

    title: str
    artist: str
    year: str
    source: str

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        yield from _caught(check_line, self.title, "title", MAX_LINE)
        yield from _caught(check_addresses, self.source, "source")


@dataclass(frozen=True, kw_only=True)
class Base:
    """The style whose weights an adapter builds on; its own file holds the others alone.

    Attributes:
        name: of the base.
        version: of the base, exactly.
        sha256: of the base's weights.
        repository: of its own on the Hugging Face Hub, ``owner/name``, where it also is; None if
            only a registry or an installed package has it.
    """

    name: str
    version: Version
    sha256: str
    repository: str | None = None

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        yield from _caught(check_style_name, self.name)
        yield from _sha256(self.sha256)
        if self.repository is not None and not is_repository(self.repository):
            yield RecordError(
                f"{self.repository!r} is not a repository on the Hub; write owner/name",
                field="repository",
            )

    @property
    def spec(self) -> str:
        """The spec to fetch it by."""
        return f"{self.repository or self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the weights were made.

    Attributes:
        recipe: in words, with the numbers.
        seed: of the training.
        command: the command that reproduces them.
        data: the photos, and whose they are.
        style_size: longest side that the painting was resized to, in pixels, which sets the size
            of the strokes; None if unknown.
    """

    recipe: str
    seed: int
    command: str
    data: str
    style_size: int | None = None

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        yield from _caught(check_addresses, self.data, "data")
        if self.style_size is not None:
            yield from _at_least("style_size", self.style_size, 1)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who made the style, when, with what.

    Attributes:
        author: a person or project.
        created: an ISO date.
        software: names and versions.
        notes: anything else worth knowing.
    """

    author: str
    created: str
    software: str
    notes: str = ""

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        try:
            date.fromisoformat(self.created)
        except ValueError:
            yield RecordError(f"{self.created!r} is not an ISO date", field="created")


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The licences, apart: each an SPDX expression, or ``"unknown"``, which is shown as such.

    Attributes:
        weights: of the weights.
        code: of the code that runs them.
        style_image: of the painting's picture.
        training_data: of the photos.
    """

    weights: str
    code: str
    style_image: str
    training_data: str

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        for field in dataclasses.fields(self):
            yield from _caught(check_licence, getattr(self, field.name), field.name)


@dataclass(frozen=True, kw_only=True)
class GoldenTest:
    """An input made by a formula, and the output that the weights must give for it.

    Attributes:
        input: name of the formula, see ``stylezoo.registry.golden``.
        height: of the input.
        width: of the input.
        output: path of the file with the output.
        tolerance: largest absolute difference allowed, for values in [0, 1].
    """

    input: Literal["waves"]
    height: int
    width: int
    output: str
    tolerance: float

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        for name in ("height", "width"):
            yield from _at_least(name, getattr(self, name), 1)
            if getattr(self, name) > 1024:
                yield RecordError(
                    f"{getattr(self, name)} is more than 1024 pixels, too slow for a test",
                    field=name,
                )
        if not 0 < self.tolerance <= 0.1:
            yield RecordError(f"{self.tolerance} is not in (0, 0.1]", field="tolerance")


@dataclass(frozen=True, kw_only=True)
class SizeQuality:
    """The measured quality at one size: means over photos that training has not seen.

    Attributes:
        size: longest side of the photos, in pixels.
        photos: how many.
        objective: what the net was trained to minimise, for its pictures.
        terms: each term of the objective, unweighted.
        untrained: the objective of the pictures of the same net with random weights.
        unstyled: the objective of the photos themselves.
        worst: the largest ratio of the objective to that of the photo itself.
        iterations_from_noise: iterations of explicit optimisation by L-BFGS, from white noise, to
            reach the style's objective (Johnson et al. 2016, figure 5).
        iterations_from_content: the same, from the photo.
        optimized: how many of the photos were optimised explicitly.
        capped: whether an optimisation was stopped before it was as good; the numbers of
            iterations are then lower bounds.
        seconds: time the style takes for a photo.
        iteration_seconds: time one iteration takes.
        speedup: of the style over 500 iterations (Johnson et al. 2016, table 1).
        ssim: structural similarity of photo and picture.
        shift: root mean square change when the photo moves by one pixel.
        noise: root mean square change when noise of deviation 0.01 is added to the photo.
    """

    size: int
    photos: int
    objective: float
    terms: Mapping[str, float] = dataclasses.field(hash=False)
    untrained: float
    unstyled: float
    worst: float
    iterations_from_noise: float
    iterations_from_content: float
    optimized: int
    capped: bool
    seconds: float
    iteration_seconds: float
    speedup: float
    ssim: float
    shift: float
    noise: float

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        for name in ("size", "photos", "optimized"):
            yield from _at_least(name, getattr(self, name), 1)


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The measured quality.

    Attributes:
        command: the command that measures it again.
        machine: the machine on which the times were measured.
        sizes: the measurements, one per size.
    """

    command: str
    machine: str
    sizes: tuple[SizeQuality, ...]

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        if not self.sizes:
            yield RecordError("it is empty", field="sizes")


@dataclass(frozen=True, kw_only=True)
class PackStyle:
    """One of the styles of a pack: a net that holds several.

    Attributes:
        name: of the style in the pack, in kebab-case.
        image: the painting.
        style_weight: weight of the objective's style term for this painting.
        painting: path of the painting's file, if it may be redistributed.
        quality: the measured quality, if any.
    """

    name: str
    image: StyleImage
    style_weight: float
    painting: str | None = None
    quality: Quality | None = None

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        yield from _caught(check_style_name, self.name)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A small picture of the style at work.

    Attributes:
        path: of the file.
        caption: what is shown.
    """

    path: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """All that is known of one version of a style. A version's bytes never change.

    Attributes:
        schema: version of this format.
        name: of the style, in kebab-case.
        version: of the style (PEP 440).
        status: whether to rely on it.
        summary: one line.
        tags: words to search by.
        net: how to build the net.
        files: what belongs to the style besides the record.
        io: what the net takes and gives.
        style: the painting; None for a pack.
        styles: a pack's styles, in the order of the net; empty for a single style.
        base: what an adapter builds on; None for a complete style.
        training: how the weights were made.
        provenance: who made them.
        licence: of each part.
        test: checks that the weights give the same output on this machine.
        preview: a small picture.
        objective: what the net was trained to minimise; None if unknown.
        quality: the measured quality, if any; for a pack it is with each style.
    """

    schema: int
    name: str
    version: Version
    status: Status
    summary: str
    tags: tuple[str, ...] = ()
    net: Net
    io: IO
    style: StyleImage | None = None
    styles: tuple[PackStyle, ...] = ()
    base: Base | None = None
    training: Training
    provenance: Provenance
    licence: Licence
    test: GoldenTest
    preview: Preview
    objective: ObjectiveConfig | None = None
    quality: Quality | None = None
    files: tuple[File, ...]

    def faults(self) -> Iterator[RecordError]:
        """Faults that the types cannot express."""
        yield from _caught(check_style_name, self.name)
        yield from _caught(check_line, self.summary, "summary", MAX_LINE)
        for index, tag in enumerate(self.tags):
            yield from _caught(check_line, tag, f"tags[{index}]", MAX_WORD)
        yield from file_faults(self.files)
        yield from style_faults(self.style, self.styles, self.files)
        yield from role_faults(self.test, self.preview, self.files)

    @property
    def entry(self) -> StyleEntry:
        """The entry that lists and searches use."""
        return StyleEntry(
            name=self.name,
            version=self.version,
            status=self.status,
            summary=self.summary,
            tags=self.tags,
            licence=self.licence.weights,
            net=self.net.name,
            styles=tuple((style.name, style.image.title) for style in self.styles),
        )

    def check_styles(self, named: Iterable[str]) -> None:
        """Refuse styles that the pack does not hold.

        Args:
            named: names of its styles; empty for the pack as a whole.

        Raises:
            OptionError: it does not hold one of them, or is a single style.
        """
        held = [style.name for style in self.styles]
        for name in named:
            if not held:
                raise OptionError(
                    f"{self.name} is a single style, not a pack, so it has no style {name!r}; "
                    f"leave out {name!r}"
                )
            if name not in held:
                raise OptionError(f"{self.name} has no style {name!r}; it has: {', '.join(held)}")

    def file(self, role: Role) -> File:
        """The file with this role: weights, golden and preview exist once in every record.

        Raises:
            RecordError: there is none, as may be the case for a painting or card. A pack may have
                a painting for each of its styles; see ``PackStyle.painting``.
        """
        for file in self.files:
            if file.role == role:
                return file
        raise RecordError(f"no file has the role {role!r}", field="files", origin=self.name)

    @property
    def paintings(self) -> tuple[File, ...]:
        """The paintings in the folder: at most one, or for a pack one per style."""
        return tuple(file for file in self.files if file.role == "painting")


def file_faults(files: Sequence[File]) -> Iterator[RecordError]:
    """Faults of a record's files taken together."""
    paths = [file.path for file in files]
    folded = [unicodedata.normalize("NFKC", path).casefold() for path in paths]
    for index, path in enumerate(folded):
        if path in folded[:index]:
            yield RecordError(
                f"{paths[index]!r} is listed twice, or differs from another only in case",
                field=f"files[{index}].path",
            )
    for role in ("weights", "golden", "preview"):
        count = sum(file.role == role for file in files)
        if count != 1:
            yield RecordError(f"{count} files have the role {role!r}, not 1", field="files")


def style_faults(
    style: StyleImage | None, styles: Sequence[PackStyle], files: Sequence[File]
) -> Iterator[RecordError]:
    """Faults of a record's styles and their paintings taken together."""
    if (style is None) == (not styles):
        yield RecordError("it needs a table [style], or for a pack [[styles]]", field="style")
    paintings = [file.path for file in files if file.role == "painting"]
    if not styles and len(paintings) > 1:
        yield RecordError("several files have the role 'painting'", field="files")
    names = [one.name for one in styles]
    for index, one in enumerate(styles):
        if one.name in names[:index]:
            yield RecordError(f"{one.name!r} is listed twice", field=f"styles[{index}].name")
        if one.painting is not None and one.painting not in paintings:
            yield RecordError(
                f"{one.painting!r} is not a file with the role 'painting'",
                field=f"styles[{index}].painting",
            )


def role_faults(test: GoldenTest, preview: Preview, files: Sequence[File]) -> Iterator[RecordError]:
    """Faults where the golden test or preview names another file than the list of files."""
    named: tuple[tuple[str, str, Role], ...] = (
        ("test.output", test.output, "golden"),
        ("preview.path", preview.path, "preview"),
    )
    for field, path, role in named:
        listed = [file.path for file in files if file.role == role]
        if listed and path not in listed:
            yield RecordError(
                f"{path!r} is not the file with the role {role!r}, {listed[0]!r}", field=field
            )


def check_licences(licence: Licence) -> None:
    """Check each of the licences.

    Raises:
        RecordError: one is neither an SPDX expression nor ``"unknown"``.
    """
    for fault in licence.faults():
        raise fault


def status_of(version: str) -> Status:
    """Derive the status from a version: below 1.0.0, and in pre-releases, nothing is promised.

    Raises:
        RecordError: it is not a version.
    """
    told = check_version(version)
    return "stable" if told.major and not told.is_prerelease else "experimental"


def _at_least(field: str, value: int, low: int) -> Iterator[RecordError]:
    if value < low:
        yield RecordError(f"{value} is less than {low}", field=field)


def _sha256(text: str) -> Iterator[RecordError]:
    if not SHA256.fullmatch(text):
        yield RecordError(f"{text!r} is not 64 hex digits", field="sha256")


def _caught(check: Callable[..., object], *arguments: str | int) -> Iterator[RecordError]:
    """Yield the fault that a check raises, if any."""
    try:
        check(*arguments)
    except RecordError as error:
        yield error
