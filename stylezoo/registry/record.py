"""The record of a style: ``style.toml``, read into frozen dataclasses and checked field by field.

The dataclasses are the format: their fields are the TOML's keys, and the JSON Schema beside this
module is made from them. Reading a record needs neither torch nor the files that it lists.
"""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import types
import typing
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.version import InvalidVersion, Version

from stylezoo.errors import RecordError

SCHEMA = 1
RECORD_FILE = "style.toml"
MAX_RECORD_BYTES = 256 * 1024
MAX_INTEGER = 2**31
MAX_TEXT = 10_000
MAX_ENTRIES = 100
UNKNOWN = "unknown"

STYLE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
COMPONENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}")
WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)

Status = Literal["stable", "experimental", "deprecated"]
Role = Literal["weights", "golden", "preview", "card"]
Scalar = bool | int | float | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Net:
    """How to build the transform net: a registered name, never something to import.

    Attributes:
        name: a registered transform net.
        arguments: its keyword arguments.
        plugin: the distribution that provides it, to name where it is missing.
    """

    name: str
    arguments: Mapping[str, Scalar]
    plugin: str

    def _check(self) -> None:
        if not COMPONENT_NAME.fullmatch(self.name):
            raise RecordError(
                f"{self.name!r} is no name of a net: lower-case letters, digits, '-' and '_', "
                "never an import path",
                field="name",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
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

    def _check(self) -> None:
        check_file_path(self.path)
        _at_least("size", self.size, 1)
        if not SHA256.fullmatch(self.sha256):
            raise RecordError(f"{self.sha256!r} is not 64 hex digits", field="sha256")
        if self.tensors is not None:
            _at_least("tensors", self.tensors, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class IO:
    """What the net takes and gives.

    Attributes:
        input_range: smallest and largest value of its input.
        output_range: of its output.
        minimum_size: H and W must be at least this.
        stride: H and W must be multiples of this.
        tiling: whether a picture may be cut up, styled in parts and put together again.
    """

    input_range: tuple[float, float] = (0.0, 1.0)
    output_range: tuple[float, float] = (0.0, 1.0)
    minimum_size: int
    stride: int
    tiling: bool

    def _check(self) -> None:
        for name in ("input_range", "output_range"):
            low, high = getattr(self, name)
            if low >= high:
                raise RecordError(f"[{low}, {high}] is empty", field=name)
        _at_least("minimum_size", self.minimum_size, 1)
        _at_least("stride", self.stride, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class StyleImage:
    """The painting that the style is made from.

    Attributes:
        title: of the work.
        artist: of the work.
        year: in words, such as ``"c. 1831"``.
        source: where the picture of it is from.
    """

    title: str
    artist: str
    year: str
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How the weights were made.

    Attributes:
        recipe: in words, with the numbers.
        seed: of the training.
        command: that makes them again.
        data: the photos, and whose they are.
    """

    recipe: str
    seed: int
    command: str
    data: str


@dataclass(frozen=True, kw_only=True, slots=True)
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

    def _check(self) -> None:
        try:
            date.fromisoformat(self.created)
        except ValueError:
            raise RecordError(f"{self.created!r} is no ISO date", field="created") from None


@dataclass(frozen=True, kw_only=True, slots=True)
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

    def _check(self) -> None:
        for field in dataclasses.fields(self):
            check_licence(getattr(self, field.name), field.name)


@dataclass(frozen=True, kw_only=True, slots=True)
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

    def _check(self) -> None:
        for name in ("height", "width"):
            _at_least(name, getattr(self, name), 1)
            if getattr(self, name) > 1024:
                raise RecordError("more than 1024 pixels make a slow test", field=name)
        if not 0 < self.tolerance <= 0.1:
            raise RecordError(f"{self.tolerance} is not in (0, 0.1]", field="tolerance")


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """The measured quality: means over held-out photos at 512 px; lower is better.

    Attributes:
        command: that measures it again.
        photos: how many.
        objective: of the net's pictures.
        objective_untrained: of an untrained net's pictures.
        objective_photo: of the photos themselves.
    """

    command: str
    photos: int
    objective: float
    objective_untrained: float
    objective_photo: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A small picture of the style at work.

    Attributes:
        path: of the file.
        caption: what is shown.
    """

    path: str
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
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
        style: the painting.
        training: how the weights were made.
        provenance: who made them.
        licence: of each part.
        test: that the weights do here what they did there.
        preview: a small picture.
        quality: measured, if it was.
    """

    schema: int
    name: str
    version: Version
    status: Status
    summary: str
    tags: tuple[str, ...] = ()
    net: Net
    io: IO
    style: StyleImage
    training: Training
    provenance: Provenance
    licence: Licence
    test: GoldenTest
    preview: Preview
    quality: Quality | None = None
    files: tuple[File, ...]

    def _check(self) -> None:
        check_style_name(self.name)
        paths = [file.path for file in self.files]
        folded = [unicodedata.normalize("NFKC", path).casefold() for path in paths]
        for index, path in enumerate(folded):
            if path in folded[:index]:
                raise RecordError(
                    f"{paths[index]!r} stands twice, or differs only in case",
                    field=f"files[{index}].path",
                )
        for role in ("weights", "golden", "preview"):
            count = sum(file.role == role for file in self.files)
            if count != 1:
                raise RecordError(f"{count} files have the role {role!r}, not 1", field="files")
        named: tuple[tuple[str, str, Role], ...] = (
            ("test.output", self.test.output, "golden"),
            ("preview.path", self.preview.path, "preview"),
        )
        for field, path, role in named:
            if path != self.file(role).path:
                raise RecordError(
                    f"{path!r} is not the file with the role {role!r}, {self.file(role).path!r}",
                    field=field,
                )

    def file(self, role: Role) -> File:
        """The file with this role: weights, golden and preview exist once in every record."""
        return next(file for file in self.files if file.role == role)


def parse_record(text: str, *, origin: str) -> Record:
    """Read a record.

    Args:
        text: TOML.
        origin: what to call it in errors, such as its path.

    Raises:
        RecordError: it breaks the format; ``field`` says where.
    """
    try:
        if len(text.encode()) > MAX_RECORD_BYTES:
            raise RecordError(f"it is larger than {MAX_RECORD_BYTES // 1024} kB")
        try:
            table = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise RecordError(f"it is not TOML: {error}") from error
        schema = table.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise RecordError(
                f"{schema} is newer than this stylezoo reads ({SCHEMA}); "
                "run: pip install --upgrade stylezoo",
                field="schema",
            )
        if schema != SCHEMA or isinstance(schema, bool):
            raise RecordError(f"it is {schema!r}, not {SCHEMA}", field="schema")
        record = _read(Record, table, "")
    except RecordError as error:
        raise RecordError(error.reason, field=error.field, origin=origin) from error
    assert isinstance(record, Record)
    return record


def read_record(folder: Path) -> Record:
    """Read ``style.toml`` of a style folder.

    Raises:
        RecordError: it is missing, cannot be read or breaks the format.
    """
    path = folder / RECORD_FILE
    try:
        with path.open("rb") as file:
            content = file.read(MAX_RECORD_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise RecordError(f"it cannot be read: {error.strerror}", origin=str(path)) from error
    except UnicodeDecodeError as error:
        raise RecordError(f"it is not UTF-8: {error}", origin=str(path)) from error
    return parse_record(text, origin=str(path))


def record_to_dict(record: Record) -> dict[str, Any]:
    """The record as plain values for TOML or JSON; what is None is left out."""
    plain = _plain(record)
    assert isinstance(plain, dict)
    return plain


def render_record(record: Record) -> str:
    """The record as TOML; ``parse_record`` gives it back."""
    import tomli_w

    return tomli_w.dumps(record_to_dict(record), multiline_strings=False)


def check_style_name(name: str, field: str = "name") -> None:
    """Check the name of a style.

    Raises:
        RecordError: it is not kebab-case, or too long.
    """
    if not STYLE_NAME.fullmatch(name) or len(name) > 64 or WINDOWS_DEVICE.fullmatch(name):
        raise RecordError(
            f"{name!r} is no style name: lower-case letters and digits in groups joined by '-', "
            "at most 64",
            field=field,
        )


def check_file_path(path: str, field: str = "path") -> None:
    """Check that a path stays in its folder on every platform.

    Raises:
        RecordError: it is absolute, leaves the folder, or cannot exist on some platform.
    """
    parts = path.split("/")
    unsafe = (
        not path
        or len(path) > 255
        or any(character in path for character in '\\:*?"<>|')
        or any(ord(character) < 32 or ord(character) == 127 for character in path)
        or any(part in ("", ".", "..") or part.endswith((".", " ")) for part in parts)
        or any(WINDOWS_DEVICE.fullmatch(part) for part in parts)
        or unicodedata.normalize("NFC", path) != path
    )
    if unsafe:
        raise RecordError(f"{path[:100]!r} is not a plain relative path", field=field)


def check_licence(licence: str, field: str) -> None:
    """Check a licence.

    Raises:
        RecordError: it is neither an SPDX expression nor ``"unknown"``.
    """
    if licence == UNKNOWN:
        return
    try:
        canonicalize_license_expression(licence)
    except InvalidLicenseExpression as error:
        raise RecordError(
            f"{licence!r} is no SPDX licence expression; see https://spdx.org/licenses, "
            f"or write {UNKNOWN!r}",
            field=field,
        ) from error


def _at_least(field: str, value: int, low: int) -> None:
    if value < low:
        raise RecordError(f"{value} is less than {low}", field=field)


def _read(wanted: Any, value: Any, path: str) -> Any:
    """Read a value as a type that an annotation names; dataclasses recursively."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        return _read_table(typing.cast("type[Any]", wanted), value, path)
    if wanted is Version:
        return _read_version(value, path)
    if origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(repr, arguments))
            raise RecordError(f"{value!r} is none of {choices}", field=path)
        return value
    if origin is types.UnionType:
        return _read_union(arguments, value, path)
    if origin is tuple:
        return _read_list(arguments, value, path)
    if origin is not None and issubclass(origin, Mapping):
        return _read_arguments(arguments[1], value, path)
    return _read_scalar(wanted, value, path)


def _read_table(wanted: type[Any], value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise RecordError(f"{value!r} is not a table", field=path)
    hints = typing.get_type_hints(wanted)
    fields = {field.name: field for field in dataclasses.fields(wanted)}
    for key in value:
        if key not in fields:
            near = get_close_matches(key, fields, n=1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise RecordError(f"there is no such field{advice}", field=_join(path, key))
    read = {}
    for name, field in fields.items():
        if name in value:
            read[name] = _read(hints[name], value[name], _join(path, name))
        elif field.default is dataclasses.MISSING:
            raise RecordError("it is missing", field=_join(path, name))
    made = wanted(**read)
    if hasattr(made, "_check"):
        try:
            made._check()
        except RecordError as error:
            raise RecordError(error.reason, field=_join(path, error.field)) from error
    return made


def _read_version(value: Any, path: str) -> Version:
    try:
        version = Version(value)
    except (InvalidVersion, TypeError):
        raise RecordError(f"{value!r} is no version (PEP 440), like '1.0.0'", field=path) from None
    if version.local or str(version) != value:
        raise RecordError(f"{value!r} is not in its plain form, like '1.0.0'", field=path)
    return version


def _read_union(arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    if type(None) in arguments:  # an optional field that is there
        return _read(arguments[0], value, path)
    # bool before int: True is an int to Python, and not to TOML.
    for kind in arguments:
        if type(value) is kind:
            return _read_scalar(kind, value, path)
    raise RecordError(f"{value!r} is no text, number or truth value", field=path)


def _read_list(arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise RecordError(f"{value!r} is not a list", field=path)
    if Ellipsis in arguments:
        if len(value) > MAX_ENTRIES:
            raise RecordError(f"{len(value)} entries are more than {MAX_ENTRIES}", field=path)
        kinds = [arguments[0]] * len(value)
    else:
        kinds = list(arguments)
        if len(value) != len(kinds):
            raise RecordError(f"it has {len(value)} entries, not {len(kinds)}", field=path)
    return tuple(
        _read(kind, entry, f"{path}[{index}]")
        for index, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    )


def _read_arguments(kind: Any, value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{value!r} is not a table", field=path)
    for key in value:
        if not key.isidentifier() or len(key) > 64:
            raise RecordError(f"{key[:100]!r} is no name of an argument", field=path)
    return types.MappingProxyType(
        {key: _read(kind, entry, _join(path, key)) for key, entry in value.items()}
    )


def _read_scalar(wanted: Any, value: Any, path: str) -> Any:
    names = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise RecordError(f"{value!r} is not {names[wanted]}", field=path)
    if wanted is str and len(value) > MAX_TEXT:
        raise RecordError(f"{len(value)} characters are more than {MAX_TEXT}", field=path)
    if wanted is int and abs(value) > MAX_INTEGER:
        raise RecordError(f"{value} is out of range", field=path)
    if wanted is float and not math.isfinite(value):
        raise RecordError(f"{value} is not finite", field=path)
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: _plain(entry) for name, entry in pairs if entry is not None}
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Version) else value
