"""Reading and writing ``style.toml``: every fault is found with its place, and none needs torch."""

from __future__ import annotations

import dataclasses
import functools
import math
import tomllib
import types
import typing
from collections.abc import Hashable, Mapping
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
    check_version,
)


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


def _read(wanted: Any, value: Any, path: str) -> Any:
    """Read a value as a type that an annotation names; dataclasses recursively."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        return _read_table(typing.cast("type[Any]", wanted), value, path)
    if wanted is Version:
        return check_version(value, path)
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
    fields = _fields(typing.cast("Hashable", wanted))
    for key in value:
        if key not in fields:
            from difflib import get_close_matches

            near = get_close_matches(key, fields, n=1)
            advice = f"; did you mean {near[0]!r}?" if near else ""
            raise RecordError(f"there is no such field{advice}", field=_join(path, key))
    read = {}
    for name, (kind, field) in fields.items():
        if name in value:
            read[name] = _read(kind, value[name], _join(path, name))
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise RecordError("it is missing", field=_join(path, name))
    try:
        made = wanted(**read)
    except OptionError as error:
        raise RecordError(str(error), field=path) from error
    if hasattr(made, "check"):
        try:
            made.check()
        except RecordError as error:
            raise RecordError(error.reason, field=_join(path, error.field)) from error
    return made


@functools.cache
def _fields(wanted: type[Any]) -> dict[str, tuple[Any, dataclasses.Field[Any]]]:
    """Each field with its type. Evaluating annotations took a third of a listing's time."""
    hints = typing.get_type_hints(wanted)
    return {field.name: (hints[field.name], field) for field in dataclasses.fields(wanted)}


def _read_union(arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    if type(None) in arguments:  # an optional field that is there
        return _read(arguments[0], value, path)
    # bool before int: True is an int to Python, and not to TOML.
    for kind in arguments:
        if type(value) is kind:
            return _read_scalar(kind, value, path)
        if isinstance(value, list) and typing.get_origin(kind) is tuple:
            return _read_list(typing.get_args(kind), value, path)
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
