"""From what a user wrote to a style folder: sources are asked in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from stylezoo.errors import StyleNotFoundError, VersionNotFoundError
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.spec import StyleSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedStyle:
    """A style that was found.

    Attributes:
        record: what it is.
        folder: where its files are, not verified yet.
        source: the name of the source; None for a path.
    """

    record: Record
    folder: Path
    source: str | None


def resolve(spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> ResolvedStyle:
    """Find a style.

    The first source that has a version in the range wins, with its newest; a pre-release is
    taken only if the range names one, or there is nothing else.

    Args:
        spec: what is wanted.
        sources: by name, in the order to ask them.

    Raises:
        StyleNotFoundError: no source has the name, or the path leads to no style.
        VersionNotFoundError: the versions there are do not match.
        RecordError: the record breaks the format.
    """
    if spec.path is not None:
        return _resolve_path(spec.path)
    assert spec.name is not None
    for source_name, source in sources.items():
        matching = list(spec.versions.filter(source.versions(spec.name)))
        if matching:
            version = max(matching)
            return ResolvedStyle(
                record=source.record(spec.name, version),
                folder=source.folder(spec.name, version),
                source=source_name,
            )
    raise _not_found(spec.name, spec, sources)


def _resolve_path(path: Path) -> ResolvedStyle:
    if not path.exists():
        raise StyleNotFoundError(f"{path} does not exist")
    if not (path / RECORD_FILE).is_file():
        raise StyleNotFoundError(
            f"{path} is no style folder: it holds no {RECORD_FILE}; for a style by name, "
            "see: stylezoo list"
        )
    return ResolvedStyle(record=read_record(path), folder=path, source=None)


def _not_found(
    name: str, spec: StyleSpec, sources: Mapping[str, RegistrySource]
) -> StyleNotFoundError | VersionNotFoundError:
    versions = {version for source in sources.values() for version in source.versions(name)}
    if versions:
        listing = ", ".join(str(version) for version in sorted(versions))
        wanted = spec.text.partition("@")[2].partition(":")[0]
        return VersionNotFoundError(f"{name} has no version {wanted}; it has: {listing}")
    known = sorted({known for source in sources.values() for known in source.names()})
    near = get_close_matches(name, known, n=1)
    advice = f"did you mean {near[0]!r}?" if near else "see: stylezoo list"
    return StyleNotFoundError(f"there is no style {name!r}; {advice}")
