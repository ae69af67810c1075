"""From what a user wrote to a style folder: sources are asked in order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from stylezoo.errors import (
    OfflineError,
    RegistryFormatError,
    StyleNotFoundError,
    StyleZooError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import RegistrySource, SourceWarning
from stylezoo.registry.config import HUB_PREFIX
from stylezoo.registry.offline import offline_variable
from stylezoo.registry.record import RECORD_FILE, Record
from stylezoo.registry.record_io import read_record
from stylezoo.registry.spec import StyleSpec

if TYPE_CHECKING:
    from stylezoo.registry.transport import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedStyle:
    """A style that was found.

    Attributes:
        record: what it is.
        source: the name of the source; None for a path.
        fetch: fetches the files if they are not on this machine, and returns their folder. It does
            not verify what was here before. Its argument, if any, is called with the number of
            bytes that are here.
        here: returns the folder of the files on this machine, without fetching or repairing them;
            None if they are not here.
    """

    record: Record
    source: str | None
    fetch: Callable[[Progress | None], Path]
    here: Callable[[], Path | None]

    @property
    def folder(self) -> Path:
        """The folder of the files, fetched if needed."""
        return self.fetch(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """A source's answer about a style: known versions, oldest first, and why no newer ones."""

    source: str
    versions: Sequence[Version] = ()
    error: UnavailableError | RegistryFormatError | None = None
    mute: bool = False  # it knows nothing at all, and would have to ask again


def resolve(spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> ResolvedStyle:
    """Find a style.

    The first source with a version in the range wins, with its newest; a pre-release is chosen
    only if the range names one, or there is nothing else. Servers are asked for news only if no
    source knows a match. A repository on the Hub is a source of its own, which ``sources`` may
    hold under its location.

    Args:
        spec: what is wanted.
        sources: by name, in lookup order.

    Raises:
        StyleNotFoundError: no source has the name, or the path is not a style's.
        VersionNotFoundError: none of the available versions match.
        RecordError: the record breaks the format.
        UnavailableError, OfflineError: no source that answers has it, and others do not answer.
        RegistryError: a source that is asked cannot be trusted.
        OptionError: it does not hold the styles that ``spec`` names.
    """
    found = _resolve(spec, sources)
    found.record.check_styles(spec.shares)
    return found


def _resolve(spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> ResolvedStyle:
    if spec.path is not None:
        return _resolve_path(spec.path)
    if spec.repository is not None:
        from stylezoo.registry.hub_repository import HubRepository

        location = f"{HUB_PREFIX}{spec.repository}"
        repository = sources.get(location) or HubRepository(spec.repository)
        return _resolve_name(spec.repository, spec, {location: repository})
    assert spec.name is not None
    return _resolve_name(spec.name, spec, sources)


def _resolve_name(
    name: str, spec: StyleSpec, sources: Mapping[str, RegistrySource]
) -> ResolvedStyle:
    answers = _ask(name, spec, sources)
    chosen = _first_match(spec, answers)
    if chosen is None:
        answers = _ask_again(name, sources, answers)
        chosen = _first_match(spec, answers)
    if chosen is None:
        raise _not_found(name, spec, sources, answers)
    source_name, version = chosen
    _warn_of_others_before(name, source_name, version, answers)
    source = sources[source_name]
    return ResolvedStyle(
        record=source.record(name, version),
        source=source_name,
        fetch=lambda progress: source.fetch(name, version, progress),
        here=lambda: source.local_folder(name, version),
    )


def _resolve_path(path: Path) -> ResolvedStyle:
    if not path.exists():
        raise StyleNotFoundError(f"{path} does not exist")
    if not (path / RECORD_FILE).is_file():
        raise StyleNotFoundError(
            f"{path} is not a style folder: it holds no {RECORD_FILE}; to use a style by its name, "
            "see: stylezoo list"
        )
    return ResolvedStyle(
        record=read_record(path),
        source=None,
        fetch=lambda progress: path,
        here=lambda: path,
    )


def _ask(name: str, spec: StyleSpec, sources: Mapping[str, RegistrySource]) -> list[_Answer]:
    """Ask the sources in turn, up to the first with a match: later ones change nothing."""
    answers = []
    for source_name, source in sources.items():
        try:
            answer = _Answer(source=source_name, versions=source.versions(name))
        except UnavailableError as error:
            answer = _Answer(source=source_name, error=error, mute=True)
        answers.append(answer)
        if _first_match(spec, [answer]) is not None:
            break
    return answers


def _ask_again(
    name: str, sources: Mapping[str, RegistrySource], answers: Iterable[_Answer]
) -> list[_Answer]:
    """Let each source ask its server again, unless that has just failed."""
    again = []
    for answer in answers:
        source = sources[answer.source]
        try:
            if answer.error is None:
                source.refresh()
                answer = replace(answer, versions=source.versions(name))
        except (UnavailableError, RegistryFormatError) as error:
            answer = replace(answer, error=error)
        again.append(answer)
    return again


def _first_match(spec: StyleSpec, answers: Iterable[_Answer]) -> tuple[str, Version] | None:
    for answer in answers:
        matching = list(spec.versions.filter(answer.versions))
        if matching:
            return answer.source, max(matching)
    return None


def _warn_of_others_before(
    name: str, source: str, version: Version, answers: Iterable[_Answer]
) -> None:
    """Warn if the order of sources alone would have given something else."""
    for answer in answers:
        if answer.source == source:
            return
        if answer.versions:
            has = ", ".join(map(str, answer.versions))
            reason = f"{answer.source!r}, which comes before it, has {name} only in {has}"
        elif answer.error is not None:
            reason = (
                f"{answer.source!r}, which comes before it, could not be searched: {answer.error}"
            )
        else:
            continue
        warnings.warn(
            f"{name} {version} is taken from {source!r}; {reason}", SourceWarning, stacklevel=4
        )


def _not_found(
    name: str, spec: StyleSpec, sources: Mapping[str, RegistrySource], answers: Sequence[_Answer]
) -> StyleZooError:
    silent = [(answer.source, answer.error) for answer in answers if answer.error is not None]
    versions = {version for answer in answers for version in answer.versions}
    if versions:
        listing = ", ".join(str(version) for version in sorted(versions))
        wanted = spec.text.partition("@")[2].partition(":")[0]
        missing = f"{name} has no version {wanted}; it has: {listing}"
    else:
        missing = f"there is no style {name!r}{_advice(name, sources, answers)}"
    if silent and spec.repository is not None:
        return silent[0][1]
    # As long as a server was not asked, nobody knows whether it exists.
    if any(isinstance(error, OfflineError) for _, error in silent):
        return OfflineError(
            f"{missing}, as far as can be told offline ({offline_variable()} is set); when online, "
            f"unset it and run: stylezoo fetch {spec.text}"
        )
    if silent:
        listing = "; ".join(
            f"{source!r} could not be searched: {error}" for source, error in silent
        )
        return type(silent[0][1])(f"{missing}; {listing}")
    return VersionNotFoundError(missing) if versions else StyleNotFoundError(missing)


def _advice(name: str, sources: Mapping[str, RegistrySource], answers: Sequence[_Answer]) -> str:
    from difflib import get_close_matches

    answering = [sources[answer.source] for answer in answers if not answer.mute]
    known = sorted({known for source in answering for known in source.names()})
    near = get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return "" if any(answer.error for answer in answers) else "; see: stylezoo list"
