"""The JSON Schema of a record, made from the dataclasses that read it.

``style.schema.json`` beside this module is its output, for editors and other programs. What a
schema cannot express is left to ``parse_record``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from packaging.version import Version

from stylezoo.components import COMPONENT_NAME
from stylezoo.registry import record, record_text

SCHEMA_FILE = "style.schema.json"

_PATTERNS: dict[tuple[type[Any], str], str] = {
    (record.Record, "name"): record_text.STYLE_NAME.pattern,
    (record.PackStyle, "name"): record_text.STYLE_NAME.pattern,
    (record.Base, "name"): record_text.STYLE_NAME.pattern,
    (record.Base, "sha256"): record_text.SHA256.pattern,
    (record.Net, "name"): COMPONENT_NAME.pattern,
    (record.Net, "plugin"): record_text.DISTRIBUTION.pattern,
    (record.File, "sha256"): record_text.SHA256.pattern,
}


def record_json_schema() -> dict[str, Any]:
    """The schema of ``style.toml``, as JSON Schema draft 2020-12."""
    schema = _table(record.Record)
    schema["properties"]["schema"] = {"const": record.SCHEMA}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stylezoo style record",
        **schema,
    }


def _table(wanted: type[Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(wanted)
    properties = {}
    required = []
    for field in dataclasses.fields(wanted):
        schema = _schema(hints[field.name])
        if (wanted, field.name) in _PATTERNS:
            schema["pattern"] = f"^{_PATTERNS[wanted, field.name]}$"
        properties[field.name] = schema
        if field.default is field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    return {
        "type": "object",
        "description": (wanted.__doc__ or "").splitlines()[0],
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema(wanted: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        return _table(typing.cast("type[Any]", wanted))
    if wanted is Version:
        return {"type": "string"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is types.UnionType:
        kinds = [kind for kind in arguments if kind is not type(None)]
        if len(kinds) == 1:
            return _schema(kinds[0])
        return {"anyOf": [_schema(kind) for kind in kinds]}
    if origin is tuple and Ellipsis in arguments:
        return {"type": "array", "items": _schema(arguments[0]), "maxItems": record.MAX_ENTRIES}
    if origin is tuple:
        kinds = [_schema(kind) for kind in arguments]
        return {"type": "array", "prefixItems": kinds, "minItems": len(kinds), "items": False}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return _scalar(wanted)


def _scalar(wanted: type[Any]) -> dict[str, Any]:
    if wanted is bool:
        return {"type": "boolean"}
    if wanted is int:
        limit = record.MAX_INTEGER
        return {"type": "integer", "minimum": -limit, "maximum": limit}
    if wanted is float:
        return {"type": "number"}
    return {"type": "string", "maxLength": record.MAX_TEXT}


if __name__ == "__main__":
    import json
    from pathlib import Path

    Path(__file__).with_name(SCHEMA_FILE).write_bytes(
        (json.dumps(record_json_schema(), indent=2) + "\n").encode()
    )
