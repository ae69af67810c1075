"""Reading an index: from the targets that a registry signs, and from this machine's own copy."""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from packaging.version import Version

from stylezoo.components import COMPONENT_NAME
from stylezoo.errors import RecordError, RegistryFormatError
from stylezoo.files import write_file
from stylezoo.registry.config import is_hub_name
from stylezoo.registry.index import Index, IndexEntry
from stylezoo.registry.record import MAX_ENTRIES, MAX_RECORD_BYTES, RECORD_FILE, Status
from stylezoo.registry.record_text import (
    MAX_LINE,
    MAX_WORD,
    SHA256,
    check_line,
    check_style_name,
    check_version,
)

INDEX_SCHEMA = 1
"""Schema of each target's ``custom``. A registry with a higher one needs a newer stylezoo."""

WITHDRAWN = "withdrawn"
"""Key in the targets: path and sha256 of records that were once signed and no longer are."""

MAX_STYLES = 100_000
MAX_TOTAL_SIZE = 2**40

_COMMIT = re.compile(r"[0-9a-f]{40}")
_COPY_SCHEMA = 1


def target_path(name: str, version: Version) -> str:
    """The TUF target that stands for one version of a style: its record."""
    return f"styles/{name}/{version}/{RECORD_FILE}"


def custom_of(entry: IndexEntry) -> dict[str, Any]:
    """What a registry signs for an entry besides the size and sha256 of its record."""
    custom: dict[str, Any] = {
        "summary": entry.summary,
        "tags": list(entry.tags),
        "status": entry.status,
        "licence": entry.licence,
        "net": entry.net,
        "styles": [list(pair) for pair in entry.styles],
        "total_size": entry.total_size,
    }
    if entry.repository is not None:
        custom |= {"repository": entry.repository, "commit": entry.commit}
    return custom


def read_targets(
    targets: Mapping[str, tuple[Any, Any, Any]],
) -> dict[str, tuple[IndexEntry, ...]]:
    """Make the entries of an index from TUF targets.

    They are signed, yet each value is checked: a registry's keys vouch for its styles, not for
    what its values may do to a terminal, a file system or this machine's memory.

    Args:
        targets: length, sha256 and ``custom`` of each target, by path.

    Raises:
        RegistryFormatError: a value is out of bounds; the message names it.
    """
    if len(targets) > MAX_STYLES:
        raise RegistryFormatError(f"the index lists {len(targets)} styles, more than {MAX_STYLES}")
    entries = []
    for path, (length, sha256, custom) in targets.items():
        try:
            entries.append(_read_target(path, length, sha256, custom))
        except RecordError as error:
            where = f"{path[:200]!r}: {error.field}" if error.field else f"{path[:200]!r}"
            raise RegistryFormatError(f"the index, {where}: {error.reason}") from error
    return _by_name(entries)


def write_copy(path: Path, index: Index) -> None:
    """Write this machine's own copy of a verified index.

    Raises:
        OutputError: it cannot be written.
    """
    rows = {
        name: [
            [
                str(entry.version),
                entry.status,
                entry.summary,
                entry.tags,
                entry.licence,
                entry.net,
                entry.styles,
                entry.sha256,
                entry.size,
                entry.total_size,
                entry.repository,
                entry.commit,
            ]
            for entry in versions
        ]
        for name, versions in index.entries.items()
    }
    copy = {
        "schema": _COPY_SCHEMA,
        "expires": index.expires.isoformat(),
        "refreshed": index.refreshed.isoformat(),
        "entries": rows,
    }
    content = json.dumps(copy, separators=(",", ":")).encode()
    digest = hashlib.sha256(content).hexdigest().encode()
    write_file(path, digest + b"\n" + content, overwrite=True)


def read_copy(path: Path) -> Index | None:
    """Read this machine's own copy of an index; None if there is none, or it is damaged.

    Only the user writes where it is kept. Its sha256 shows that it is what was written, and that
    was checked value by value: checking ten thousand styles again would take longer than
    searching them.
    """
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        with _without_collecting():
            copy = json.loads(content)
        if copy["schema"] != _COPY_SCHEMA:
            return None
        return Index(
            entries=_CopiedEntries(copy["entries"]),
            expires=datetime.fromisoformat(copy["expires"]).astimezone(UTC),
            refreshed=datetime.fromisoformat(copy["refreshed"]).astimezone(UTC),
        )
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


# The __init__ of a frozen dataclass takes twice as long, and a search makes ten thousand.
_new_entry = object.__new__
_FIELD_SETTERS = tuple(getattr(IndexEntry, field.name).__set__ for field in fields(IndexEntry))


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Keep the garbage collector from scanning a large document again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _CopiedEntries(Mapping[str, tuple[IndexEntry, ...]]):
    """The entries of a copy, each created on first access."""

    def __init__(self, rows: dict[str, list[list[Any]]]) -> None:
        self._rows = rows
        self._made: dict[str, tuple[IndexEntry, ...]] = {}

    def __getitem__(self, name: str) -> tuple[IndexEntry, ...]:
        made = self._made.get(name)
        if made is None:
            made = tuple([_entry_of_row(name, row) for row in self._rows[name]])
            self._made[name] = made
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _entry_of_row(name: str, row: list[Any]) -> IndexEntry:
    version, status, summary, tags, licence, net, styles, *rest = row
    packed = tuple([(one, title) for one, title in styles]) if styles else ()
    values = (name, _version(version), status, summary, tuple(tags), licence, net, packed, *rest)
    entry: IndexEntry = _new_entry(IndexEntry)
    for set_field, value in zip(_FIELD_SETTERS, values, strict=True):
        set_field(entry, value)
    return entry


@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    return Version(text)


def _by_name(entries: Iterable[IndexEntry]) -> dict[str, tuple[IndexEntry, ...]]:
    found: defaultdict[str, list[IndexEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.name].append(entry)
    by_name = {}
    for name, versions in found.items():
        if len(versions) > 1:
            versions.sort(key=lambda entry: entry.version)
            for one, next_one in itertools.pairwise(versions):
                if one.version == next_one.version:  # 1.0 and 1.0.0 are the same version
                    raise RegistryFormatError(
                        f"the index lists {name} {one.version} twice, also as {next_one.version}"
                    )
        by_name[name] = tuple(versions)
    return by_name


def _read_target(path: str, length: Any, sha256: Any, custom: Any) -> IndexEntry:
    parts = path.split("/")
    if len(parts) != 4 or parts[0] != "styles" or parts[3] != RECORD_FILE:
        raise RecordError(f"it is not of the form styles/NAME/VERSION/{RECORD_FILE}")
    check_style_name(parts[1])
    version = check_version(parts[2])
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise RecordError(f"{sha256!r} is not 64 hex digits", field="sha256")
    if not isinstance(custom, dict):
        raise RecordError("it is missing or not an object", field="custom")
    size = _integer(length, "length", MAX_RECORD_BYTES)
    repository, commit = _place(custom)
    return IndexEntry(
        name=parts[1],
        version=version,
        status=_status(custom),
        summary=_text(custom.get("summary"), "custom.summary", MAX_LINE),
        tags=tuple(_word(tag, f"custom.tags[{i}]") for i, tag in _list(custom, "tags")),
        # Not checked for SPDX, as records are: an identifier newer than the list that is installed
        # here would make the whole index unreadable.
        licence=_word(custom.get("licence"), "custom.licence"),
        net=_net(custom),
        styles=tuple(_style(pair, f"custom.styles[{i}]") for i, pair in _list(custom, "styles")),
        sha256=sha256,
        size=size,
        total_size=_integer(
            custom.get("total_size"), "custom.total_size", MAX_TOTAL_SIZE, low=size
        ),
        repository=repository,
        commit=commit,
    )


def _text(value: Any, field: str, limit: int) -> str:
    if not isinstance(value, str):
        raise RecordError(f"{str(value)[:100]!r} is not text", field=field)
    return check_line(value, field, limit)


def _word(value: Any, field: str) -> str:
    return _text(value, field, MAX_WORD)


def _integer(value: Any, field: str, high: int, low: int = 1) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RecordError(
            f"{str(value)[:100]!r} is not an integer from {low} to {high}",
            field=field,
        )
    return value


def _list(custom: Mapping[str, Any], name: str) -> Iterable[tuple[int, Any]]:
    value = custom.get(name)
    if not isinstance(value, list):
        raise RecordError("it is missing or not a list", field=f"custom.{name}")
    if len(value) > MAX_ENTRIES:
        raise RecordError(
            f"it has {len(value)} entries, more than {MAX_ENTRIES}", field=f"custom.{name}"
        )
    return enumerate(value)


def _status(custom: Mapping[str, Any]) -> str:
    value = custom.get("status")
    if value not in get_args(Status):
        raise RecordError(
            f"{str(value)[:100]!r} is not one of {', '.join(get_args(Status))}",
            field="custom.status",
        )
    return str(value)


def _net(custom: Mapping[str, Any]) -> str:
    value = _word(custom.get("net"), "custom.net")
    if not COMPONENT_NAME.fullmatch(value):
        raise RecordError(f"{value!r} is not the name of a net", field="custom.net")
    return value


def _style(pair: Any, field: str) -> tuple[str, str]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise RecordError(f"{str(pair)[:100]!r} is not a pair of a name and a title", field=field)
    name = _word(pair[0], field)
    check_style_name(name, field)
    return name, _text(pair[1], field, MAX_LINE)


def check_place(custom: Mapping[str, Any]) -> None:
    """Check the repository and commit on the Hub that hold a style's files.

    Args:
        custom: has ``repository`` and ``commit``.

    Raises:
        RecordError: one is missing or malformed.
    """
    repository, commit = custom.get("repository"), custom.get("commit")
    if not isinstance(repository, str) or not is_hub_name(repository):
        raise RecordError(
            f"{str(repository)[:100]!r} is not a repository on the Hub, owner/name",
            field="repository",
        )
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise RecordError(f"{str(commit)[:100]!r} is not 40 hex digits", field="commit")


def _place(custom: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Repository and commit, both or neither."""
    if "repository" not in custom and "commit" not in custom:
        return None, None
    try:
        check_place(custom)
    except RecordError as error:
        raise RecordError(error.reason, field=f"custom.{error.field}") from error
    return custom["repository"], custom["commit"]
