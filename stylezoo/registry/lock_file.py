"""The lock file: exact versions and hashes, so that the same names always mean the same bytes.

A style is locked by the sha256 of its record, which holds the hashes of all its files, and of the
weights of the base that an adapter builds on. The source is where to look first; the hashes decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from stylezoo.errors import (
    LockFileError,
    RecordError,
    StyleNotFoundError,
    VersionNotFoundError,
)
from stylezoo.files import write_file
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.pinned import OtherStyle, resolve_pinned
from stylezoo.registry.record import RECORD_FILE
from stylezoo.registry.record_text import SHA256, check_style_name, check_version
from stylezoo.registry.resolve import ResolvedStyle, resolve
from stylezoo.registry.spec import StyleSpec, is_repository
from stylezoo.registry.strict_toml import parse_toml
from stylezoo.registry.verify import sha256_of, verify_files

LOCK_FILE = "stylezoo.lock"
SCHEMA = 1
MAX_BYTES = 1_000_000

_HEADING = "# Exact versions and hashes of styles. Written by: stylezoo lock\n\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedStyle:
    """One style of a lock file.

    Attributes:
        name: as users write it, without a version.
        version: the exact version.
        source: where it was found.
        record: sha256 of its ``style.toml``.
        weights: sha256 of its weights.
    """

    name: str
    version: str
    source: str
    record: str
    weights: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LockFile:
    """A parsed lock file.

    Attributes:
        path: of the file.
        styles: by name.
    """

    path: Path
    styles: Mapping[str, LockedStyle]

    def resolve(self, spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> ResolvedStyle:
        """Find a style exactly as it is locked, in a source or in the store.

        Args:
            spec: what is wanted; a range must allow the locked version.
            sources: by name, in lookup order.

        Raises:
            LockFileError: it is not locked, or the sources have something else.
            UnavailableError, OfflineError: it is not here, and a source cannot be reached.
            OptionError: it does not hold the styles that ``spec`` names.
        """
        locked = self._locked(spec)
        first = {name: source for name, source in sources.items() if name == locked.source}
        exact = StyleSpec.exact(locked.name, locked.version)
        try:
            found = resolve_pinned(
                exact,
                {**first, **sources},
                weights=locked.weights,
                record=locked.record,
                refuse=lambda others: self._refused(locked, others),
            )
        except (StyleNotFoundError, VersionNotFoundError) as error:
            raise LockFileError(
                f"{self.path} locks {locked.name} {locked.version}, which no source has: {error}"
            ) from error
        found.record.check_styles(spec.shares)
        return found

    def _locked(self, spec: StyleSpec) -> LockedStyle:
        name = spec.name or spec.repository
        if name is None:
            raise LockFileError(f"{spec.text} is a path; {self.path} locks styles by name")
        locked = self.styles.get(name)
        if locked is None:
            raise LockFileError(
                f"{self.path} does not lock {name!r}; rewrite it with: "
                f"stylezoo lock {' '.join([*self.styles, name])} -o {self.path} --overwrite"
            )
        if not spec.versions.contains(Version(locked.version), prereleases=True):
            raise LockFileError(
                f"{self.path} locks {locked.name} {locked.version}, which is not what "
                f"{spec.text!r} asks for"
            )
        return locked

    def _refused(self, locked: LockedStyle, others: Sequence[OtherStyle]) -> LockFileError:
        told = [
            f"{locked.name} {locked.version} from {other.found.source!r} does not match the lock: "
            f"the sha256 of its {other.what} is {other.sha256}, but {self.path} has "
            f"{getattr(locked, other.what)}"
            for other in others
        ]
        return LockFileError("; ".join(told))


def find_style(
    spec: StyleSpec, sources: Mapping[str, RegistrySource], locked: str | Path | None = None
) -> ResolvedStyle:
    """Find a style as a lock file says if there is one, else by the order of the sources.

    Raises:
        StyleZooError: see ``resolve`` and ``LockFile.resolve``.
    """
    if locked is None:
        return resolve(spec, sources)
    return read_lock_file(Path(locked)).resolve(spec, sources)


def lock_style(spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> LockedStyle:
    """Find a style, fetch and verify its files, and return what to lock.

    Raises:
        LockFileError: it is a path, which means different bytes on another machine.
        StyleZooError: it cannot be found, fetched or verified.
    """
    name = spec.name or spec.repository
    if name is None:
        raise LockFileError(f"{spec.text} is a path; only styles by name can be locked")
    found = resolve(spec, sources)
    folder = found.folder
    verify_files(folder, found.record)
    return LockedStyle(
        name=name,
        version=str(found.record.version),
        source=found.source or "",
        record=sha256_of(folder / RECORD_FILE),
        weights=found.record.file("weights").sha256,
    )


def write_lock_file(path: Path, styles: Sequence[LockedStyle], *, overwrite: bool) -> None:
    """Write a lock file atomically.

    Raises:
        LockFileError: a style is to be locked twice.
        OutputError: it exists and may not be replaced, or cannot be written.
    """
    import tomli_w

    by_name: dict[str, LockedStyle] = {}
    for style in styles:
        other = by_name.setdefault(style.name, style)
        if other is not style:
            raise LockFileError(
                f"{style.name} is requested in versions {other.version} and {style.version}; a "
                "lock file holds one version of each style"
            )

    table = {"schema": SCHEMA, "styles": [asdict(style) for style in styles]}
    write_file(path, (_HEADING + tomli_w.dumps(table)).encode(), overwrite=overwrite)


def read_lock_file(path: Path) -> LockFile:
    """Read a lock file.

    Raises:
        LockFileError: it is missing, cannot be read, or breaks the format.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LockFileError(
            f"{path} cannot be read: {error.strerror}; create it with: stylezoo lock NAME -o {path}"
        ) from error
    if len(content) > MAX_BYTES:
        raise LockFileError(f"{path} is not a lock file: it is longer than {MAX_BYTES} bytes")
    try:
        table = parse_toml(content.decode())
    except ValueError as error:  # TOML and UTF-8
        raise LockFileError(f"{path} is not a lock file: it is not TOML: {error}") from error
    schema = table.get("schema")
    if schema != SCHEMA or isinstance(schema, bool):
        raise LockFileError(
            f"{path} has the schema {repr(schema)[:50]}, but this stylezoo reads {SCHEMA}; "
            "rewrite it with stylezoo lock, or upgrade stylezoo"
        )
    entries = table.get("styles")
    if not isinstance(entries, list):
        raise LockFileError(f"{path} is not a lock file: it has no [[styles]]")
    styles = [_read_style(entry, f"{path}: styles[{n}]") for n, entry in enumerate(entries)]
    by_name = {style.name: style for style in styles}
    if len(by_name) != len(styles):
        raise LockFileError(f"{path} locks a style twice")
    return LockFile(path=path, styles=by_name)


def _read_style(entry: Any, where: str) -> LockedStyle:
    names = set(LockedStyle.__dataclass_fields__)
    if not isinstance(entry, dict) or set(entry) != names:
        raise LockFileError(f"{where} must have exactly the keys {', '.join(sorted(names))}")
    for name, value in entry.items():
        if not isinstance(value, str):
            raise LockFileError(f"{where}.{name} is {str(value)[:100]}, not text")
    style = LockedStyle(**entry)
    for name in ("record", "weights"):
        if not SHA256.fullmatch(getattr(style, name)):
            shown = getattr(style, name)[:100]
            raise LockFileError(f"{where}.{name} is not 64 hex digits: {shown!r}")
    try:
        check_version(style.version)
        if not is_repository(style.name):
            check_style_name(style.name)
    except RecordError as error:
        raise LockFileError(f"{where}: {error}") from error
    return style
