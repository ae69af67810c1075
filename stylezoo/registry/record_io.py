"""Reading and writing ``style.toml``: every fault is located, and torch is not needed."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from packaging.version import Version

from stylezoo.errors import OptionError, RecordError
from stylezoo.registry.record import (
    MAX_ENTRIES,
    MAX_INTEGER,
    MAX_RECORD_BYTES,
    MAX_TEXT,
    RECORD_FILE,
    SCHEMA,
    Record,
    file_faults,
    role_faults,
    style_faults,
)
from stylezoo.registry.record_text import check_style_name, check_version
from stylezoo.registry.strict_toml import parse_toml


@dataclass(frozen=True, slots=True)
class RecordParts:
    """What could be read of a record, despite any faults.

    Attributes:
        fields: the valid fields of ``Record``, by name. A list holds None in place of invalid
            entries.
        faults: every fault, each with its field.
        table: the record as it was written; empty if it is not TOML.
    """

    fields: Mapping[str, Any]
    faults: tuple[RecordError, ...]
    table: Mapping[str, Any]

    def sound(self, name: str) -> dict[str, Any]:
        """The sound fields of a table of plain values, whose other fields may have faults."""
        faulty = {fault.field for fault in self.faults}
        fields = self.table.get(name)
        if name in faulty or not isinstance(fields, dict):
            return {}
        return {key: value for key, value in fields.items() if f"{name}.{key}" not in faulty}


def parse_record(text: str, *, origin: str) -> Record:
    """Parse a record.

    Args:
        text: TOML.
        origin: what to call it in errors, such as its path.

    Raises:
        RecordError: it breaks the format; ``field`` says where.
    """
    try:
        return copy.deepcopy(_parse(text))
    except RecordError as error:
        raise RecordError(error.reason, field=error.field, origin=origin) from error


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> Record:
    """Parse a record, cached by its text; copying one takes a quarter of the time."""
    faults: list[RecordError] = []
    record = _read(Record, _parse_table(text), "", faults)
    if faults:
        raise faults[0]
    assert isinstance(record, Record)
    return record


def parse_record_parts(text: str) -> RecordParts:
    """Parse as much of a record as possible, collecting every fault instead of the first."""
    faults: list[RecordError] = []
    try:
        table = _parse_table(text)
    except RecordError as error:
        return RecordParts({}, (error,), {})
    fields = _read_fields(Record, table, "", faults)
    # Faults of several fields taken together, as far as they are present.
    faults += _caught_style_name(fields)
    files = fields.get("files", (None,))
    if None not in files:
        faults += file_faults(files)
        if not any(fault.field.startswith("style") for fault in faults):
            faults += style_faults(fields.get("style"), fields.get("styles", ()), files)
        if "test" in fields and "preview" in fields:
            faults += role_faults(fields["test"], fields["preview"], files)
    return RecordParts(fields, tuple(faults), table)


def _caught_style_name(fields: Mapping[str, Any]) -> list[RecordError]:
    try:
        if "name" in fields:
            check_style_name(fields["name"])
    except RecordError as error:
        return [error]
    return []


def _parse_table(text: str) -> dict[str, Any]:
    if len(text.encode()) > MAX_RECORD_BYTES:
        raise RecordError(f"it is larger than {MAX_RECORD_BYTES // 1024} kB")
    try:
        table = parse_toml(text)
    except ValueError as error:
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
    return table


def read_record(folder: Path) -> Record:
    """Read the ``style.toml`` of a style folder.

    Raises:
        RecordError: it is missing, cannot be read or breaks the format.
    """
    return parse_record(read_record_text(folder), origin=str(folder / RECORD_FILE))


def read_record_text(folder: Path) -> str:
    """Read the text of ``style.toml``, up to just over the size limit of a record.

    Raises:
        RecordError: it is missing, cannot be read or is not UTF-8.
    """
    path = folder / RECORD_FILE
    try:
        if path.exists() and not path.is_file():  # reading a pipe would block
            raise RecordError("it is not a file", origin=str(path))
        with path.open("rb") as file:
            return file.read(MAX_RECORD_BYTES + 1).decode()
    except OSError as error:
        raise RecordError(f"it cannot be read: {error.strerror}", origin=str(path)) from error
    except UnicodeDecodeError as error:
        raise RecordError(f"it is not UTF-8: {error}", origin=str(path)) from error


def record_to_dict(record: Record) -> dict[str, Any]:
    """The record as plain values for TOML or JSON, without those that are None."""
    plain = _plain(record)
    assert isinstance(plain, dict)
    return plain


def render_record(record: Record) -> str:
    """The record as TOML; ``parse_record`` gives it back."""
    import tomli_w

    return tomli_w.dumps(record_to_dict(record), multiline_strings=False)


class _Broken:
    """Stands for a value with a fault."""


_BROKEN = _Broken()


def _read(wanted: Any, value: Any, path: str, faults: list[RecordError]) -> Any:
    """Read a value as an annotated type; dataclasses are read recursively.

    Faults are added to ``faults``, and the value is then ``_BROKEN``.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        return _read_table(typing.cast("type[Any]", wanted), value, path, faults)
    if origin is tuple:
        entries = _read_list(arguments, value, path, faults)
        return _BROKEN if entries is None or _BROKEN in entries else entries
    if origin is types.UnionType:
        return _read_union(arguments, value, path, faults)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _read_arguments(arguments[1], value, path, faults)
    try:
        if wanted is Version:
            return check_version(value, path)
        if origin is Literal:
            return _read_choice(arguments, value, path)
        return _read_scalar(wanted, value, path)
    except RecordError as error:
        faults.append(error)
        return _BROKEN


def _read_table(wanted: type[Any], value: Any, path: str, faults: list[RecordError]) -> Any:
    before = len(faults)
    if not isinstance(value, dict):
        faults.append(RecordError(f"{value!r} is not a table", field=path))
        return _BROKEN
    read = _read_fields(wanted, value, path, faults)
    if len(faults) > before:
        return _BROKEN
    try:
        made = wanted(**read)
    except OptionError as error:
        faults.append(RecordError(str(error), field=path))
        return _BROKEN
    if hasattr(made, "faults"):
        faults += [
            RecordError(fault.reason, field=_join(path, fault.field)) for fault in made.faults()
        ]
    return made if len(faults) == before else _BROKEN


def _read_fields(
    wanted: type[Any], table: dict[str, Any], path: str, faults: list[RecordError]
) -> dict[str, Any]:
    """The valid fields of a table; a list holds None in place of invalid entries."""
    fields = _fields(typing.cast("Hashable", wanted))
    for key in table:
        if key not in fields:
            from difflib import get_close_matches

            near = get_close_matches(key, fields, n=1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(RecordError(f"there is no such field{advice}", field=_join(path, key)))
    read = {}
    for name, (kind, field) in fields.items():
        where = _join(path, name)
        if name not in table:
            if field.default is field.default_factory is dataclasses.MISSING:
                faults.append(RecordError("it is missing", field=where))
            continue
        if typing.get_origin(kind) is tuple:
            entries = _read_list(typing.get_args(kind), table[name], where, faults)
            if entries is not None:
                read[name] = tuple(None if entry is _BROKEN else entry for entry in entries)
            continue
        entry = _read(kind, table[name], where, faults)
        if entry is not _BROKEN:
            read[name] = entry
    return read


@functools.cache
def _fields(wanted: type[Any]) -> dict[str, tuple[Any, dataclasses.Field[Any]]]:
    """Each field with its type, cached: evaluating annotations took a third of a listing's time."""
    hints = typing.get_type_hints(wanted)
    return {field.name: (hints[field.name], field) for field in dataclasses.fields(wanted)}


def _read_choice(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise RecordError(f"{value!r} is not one of {listed}", field=path)
    return value


def _read_union(
    arguments: tuple[Any, ...], value: Any, path: str, faults: list[RecordError]
) -> Any:
    if type(None) in arguments:  # an optional field that is present
        return _read(arguments[0], value, path, faults)
    # Not isinstance: True is an int in Python, but not in TOML.
    for kind in arguments:
        if type(value) is kind or (isinstance(value, list) and typing.get_origin(kind) is tuple):
            return _read(kind, value, path, faults)
    faults.append(RecordError(f"{value!r} is not text, a number, true or false", field=path))
    return _BROKEN


def _read_list(
    arguments: tuple[Any, ...], value: Any, path: str, faults: list[RecordError]
) -> tuple[Any, ...] | None:
    """The entries, each read or ``_BROKEN``; None if it is not a list of a valid length."""
    if not isinstance(value, list):
        faults.append(RecordError(f"{value!r} is not a list", field=path))
        return None
    kinds = [arguments[0]] * len(value) if Ellipsis in arguments else list(arguments)
    if len(value) > MAX_ENTRIES:
        reason = f"it has {len(value)} entries, more than {MAX_ENTRIES}"
    elif len(value) != len(kinds):
        reason = f"it has {len(value)} entries, not {len(kinds)}"
    else:
        return tuple(
            _read(kind, entry, f"{path}[{index}]", faults)
            for index, (kind, entry) in enumerate(zip(kinds, value, strict=True))
        )
    faults.append(RecordError(reason, field=path))
    return None


def _read_arguments(kind: Any, value: Any, path: str, faults: list[RecordError]) -> Any:
    if not isinstance(value, dict):
        faults.append(RecordError(f"{value!r} is not a table", field=path))
        return _BROKEN
    before = len(faults)
    read = {}
    for key, entry in value.items():
        if key.isidentifier() and len(key) <= 64:
            read[key] = _read(kind, entry, _join(path, key), faults)
        else:
            faults.append(RecordError(f"{key[:100]!r} is not the name of an argument", field=path))
    return read if len(faults) == before else _BROKEN


def _read_scalar(wanted: Any, value: Any, path: str) -> Any:
    names = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise RecordError(f"{value!r} is not {names[wanted]}", field=path)
    if wanted is str and len(value) > MAX_TEXT:
        raise RecordError(f"it has {len(value)} characters, more than {MAX_TEXT}", field=path)
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
