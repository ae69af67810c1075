"""The styles in a registry's folder: what may be served, and how styles are added."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from stylezoo.errors import IntegrityError, OutputError, PublishError
from stylezoo.files import new_folder, remove_path
from stylezoo.registry.entry import StyleEntry
from stylezoo.registry.index import IndexEntry
from stylezoo.registry.index_io import check_place
from stylezoo.registry.locks import locked
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.strict_json import parse_object
from stylezoo.registry.verify import sha256_of, verify_files
from stylezoo.registry.weights import read_header

PLACE_FILE = "hub.json"
"""Next to a record whose other files are on the Hub; gives the repository and commit."""

_MAX_PLACE = 10_000
_LEFTOVER = re.compile(r"\.(?P<version>.+)-[0-9a-f]{8}")  # as new_folder names folders


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a registry's folder of styles holds.

    Attributes:
        entries: every version of every style, as listed in the index.
        bases_elsewhere: bases of adapters that the registry does not hold, such as ``"museum
            1.0.0"``. Loading them takes another source that does, such as the embedded styles.
    """

    entries: tuple[IndexEntry, ...]
    bases_elsewhere: tuple[str, ...]


def read_contents(styles: Path, checked: Callable[[], None] = lambda: None) -> Contents:
    """Check and list every style in the ``styles`` folder of a registry.

    What a client would skip is refused here, so that nobody wonders why it is not served.
    Half-copied styles left by a killed process are removed.

    Args:
        styles: holds ``<name>/<version>/``.
        checked: called after each version.

    Raises:
        PublishError: a folder is not a style's or not in lower case, a version is there twice, or
            an adapter does not fit the base that is here.
        RecordError, IntegrityError, WeightsError: a style is invalid.
        OutputError: a leftover cannot be removed.
    """
    entries = []
    records = []
    for name_folder in _folders(styles):
        versions: dict[Version, str] = {}
        for folder in _folders(name_folder):
            record = read_record(folder)
            if (record.name, str(record.version)) != (name_folder.name, folder.name):
                raise PublishError(
                    f"{folder} holds {record.name} {record.version}; its folder must be "
                    f"{record.name}/{record.version}"
                )
            if record.version in versions:
                raise PublishError(
                    f"{folder} and {versions[record.version]} are the same version; keep "
                    "one of them"
                )
            versions[record.version] = folder.name
            entries.append(_entry(folder, record))
            records.append(record)
            checked()
    return Contents(entries=tuple(entries), bases_elsewhere=_bases_elsewhere(records))


def _bases_elsewhere(records: Sequence[Record]) -> tuple[str, ...]:
    """The bases of adapters that are missing from the records; those present must fit.

    One that is in a repository on the Hub is found there, whatever is here.
    """
    held = {(record.name, record.version): record for record in records}
    elsewhere = set()
    for record in records:
        if record.base is None or record.base.repository is not None:
            continue
        base = held.get((record.base.name, record.base.version))
        label = f"{record.base.name} {record.base.version}"
        if base is None:
            elsewhere.add(label)
        elif base.file("weights").sha256 != record.base.sha256:
            raise PublishError(
                f"{record.name} {record.version} builds on {label} with the sha256 "
                f"{record.base.sha256}; the one in this registry has different weights, so it "
                "could not be loaded: train it on this one, or leave it out"
            )
    return tuple(sorted(elsewhere))


def add_style(
    registry: Path, style: Path, *, repository: str | None = None, commit: str | None = None
) -> Record | None:
    """Copy a style into a registry's folder; it appears complete or not at all.

    Args:
        registry: the folder.
        style: the style's folder.
        repository: Hub repository that holds its files; then only its record is copied.
        commit: of the repository, 40 hex digits.

    Returns:
        Its record; None if the registry already has exactly this style.

    Raises:
        PublishError: the registry has this version with different bytes, or a name that differs
            only in case.
        RecordError, IntegrityError, WeightsError: the style is invalid.
        OutputError: it cannot be written.
    """
    record = read_record(style)
    _check_files(style, record)
    place = None
    if repository is not None or commit is not None:
        place = {"repository": repository, "commit": commit}
        check_place(place)
    with locked(registry / ".lock", f"the registry {registry}"):
        return _add(registry / "styles", style, record, place)


def add_to_folder(styles: Path, style: Path) -> Record | None:
    """Copy a style into a plain folder of styles, as ``FolderSource`` reads it.

    Args:
        styles: the folder; it need not exist.
        style: the style's folder.

    Returns:
        Its record; None if the folder already has exactly this style.

    Raises:
        PublishError, RecordError, IntegrityError, WeightsError, OutputError: see ``add_style``.
    """
    record = read_record(style)
    _check_files(style, record)
    try:
        styles.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{styles} cannot be created: {error.strerror}") from error
    with locked(styles / ".lock", f"the styles in {styles}"):
        return _add(styles, style, record, None)


def would_add(styles: Path, style: Path) -> bool:
    """Whether a style would be new to a folder of styles; nothing is written.

    Raises:
        PublishError, RecordError, IntegrityError, WeightsError: see ``add_style``.
    """
    record = read_record(style)
    _check_files(style, record)
    target = styles / record.name / str(record.version)
    _refuse_twins(target, record)
    if target.exists():
        _same_or_refused(style, target, record)
    return not target.exists()


def _add(styles: Path, style: Path, record: Record, place: dict[str, Any] | None) -> Record | None:
    target = styles / record.name / str(record.version)
    _refuse_twins(target, record)
    for leftover in filter(_is_leftover, target.parent.glob(".*")):
        _remove(leftover)  # of a killed process: nobody else works here now
    if target.exists():
        _same_or_refused(style, target, record)
        if place is not None and _read_place(target) != place:
            raise PublishError(
                f"{target} already exists with its files elsewhere; a version never moves: give "
                "the style a new version"
            )
        return None
    _copy(style, target, record, place)
    return record


def _entry(folder: Path, record: Record) -> IndexEntry:
    place = _read_place(folder)
    if place is None:
        _check_files(folder, record)
    size = (folder / RECORD_FILE).stat().st_size
    return IndexEntry(
        **{field.name: getattr(record.entry, field.name) for field in fields(StyleEntry)},
        sha256=sha256_of(folder / RECORD_FILE),
        size=size,
        total_size=size + sum(file.size for file in record.files),
        repository=place["repository"] if place else None,
        commit=place["commit"] if place else None,
    )


def _check_files(folder: Path, record: Record) -> None:
    if (folder / RECORD_FILE).is_symlink():
        raise IntegrityError(f"{folder / RECORD_FILE} is a symbolic link; copy the file itself")
    verify_files(folder, record)
    for file in record.files:
        if file.path.casefold() == PLACE_FILE:
            raise PublishError(
                f"{record.name} has a file {file.path!r}, a name that registries reserve for the "
                "location of files; rename it"
            )
        if file.path.endswith(".safetensors"):
            read_header(folder / file.path)


def _read_place(folder: Path) -> dict[str, Any] | None:
    """Where the files of a style are; None if they are next to its record."""
    path = folder / PLACE_FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_PLACE)
        place = parse_object(content, str(path))
    except OSError as error:
        raise PublishError(f"{path} cannot be read: {error.strerror}") from error
    check_place(place)
    return place


def _is_leftover(path: Path) -> bool:
    """Whether this is a version's folder that ``new_folder`` was filling when killed."""
    found = _LEFTOVER.fullmatch(path.name)
    if found is None or path.is_symlink() or not path.is_dir():
        return False
    try:
        Version(found["version"])
    except InvalidVersion:
        return False
    return True


def _folders(folder: Path) -> list[Path]:
    """The folders of styles or versions, sorted; leftovers of killed processes are removed."""
    folders = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _is_leftover(path):
            _remove(path)
        elif path.name.startswith("."):
            continue  # such as .git: neither a style nor ours
        elif path.is_symlink() or not path.is_dir():
            raise PublishError(f"{path} is not a style folder; move it elsewhere")
        elif path.name != path.name.casefold():
            raise PublishError(
                f"{path} is not the name of a style or version; rename it in lower case"
            )
        else:
            folders.append(path)
    return folders


def _refuse_twins(target: Path, record: Record) -> None:
    """Refuse a style if an existing name differs only in case, or a version only in spelling."""
    for folder, name in ((target.parent.parent, record.name), (target.parent, target.name)):
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name != name and path.name.casefold() == name.casefold():
                raise PublishError(f"{path} already exists and differs from {name} only in case")
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        try:
            same = path.name != target.name and Version(path.name) == record.version
        except InvalidVersion:
            continue
        if same:
            raise PublishError(f"{path} already exists and is the same version as {target.name}")


def _same_or_refused(style: Path, target: Path, record: Record) -> None:
    try:
        same = (style / RECORD_FILE).read_bytes() == (target / RECORD_FILE).read_bytes()
    except OSError:
        same = False
    if not same:
        raise PublishError(
            f"{target} already exists with different bytes; a version never changes: give "
            "the style a new version"
        )
    if not (target / PLACE_FILE).exists():
        verify_files(target, record)


def _copy(style: Path, target: Path, record: Record, place: dict[str, Any] | None) -> None:
    with new_folder(target) as unfinished:
        shutil.copyfile(style / RECORD_FILE, unfinished / RECORD_FILE, follow_symlinks=False)
        if place is not None:
            (unfinished / PLACE_FILE).write_text(json.dumps(place), encoding="utf-8")
            return
        for file in record.files:
            (unfinished / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(style / file.path, unfinished / file.path, follow_symlinks=False)
        verify_files(unfinished, record)  # the files may have changed since they were checked


def _remove(leftover: Path) -> None:
    try:
        remove_path(leftover)
    except OSError as error:
        raise OutputError(f"{leftover} cannot be removed: {error.strerror}") from error
