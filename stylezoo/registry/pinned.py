"""Pinned styles: where several share a name and version, the hash decides which one is meant.

A lock file pins a style by the sha256 of its record, an adapter its base by that of the weights.
Whoever has those bytes may provide them: the store, which is asked first, even if no source lists
them any more, as withdrawing a version takes it from those who ask for it by name, not from those
who have it; then any source, and the repository that an adapter names for its base.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from stylezoo.errors import (
    IntegrityError,
    StyleNotFoundError,
    StyleZooError,
    UnavailableError,
    VersionNotFoundError,
)
from stylezoo.interfaces.source import RegistrySource, SourceWarning
from stylezoo.registry.record import RECORD_FILE, Base, Record
from stylezoo.registry.resolve import ResolvedStyle, resolve
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.store import Store, StoredStyle
from stylezoo.registry.verify import sha256_of

IN_STORE = "the cache"  # no registry can be called this


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherStyle:
    """A style of the right name and version that is not the pinned one.

    Attributes:
        found: the style.
        what: the part that differs: ``"record"`` or ``"weights"``.
        sha256: of that part.
    """

    found: ResolvedStyle
    what: str
    sha256: str


def resolve_pinned(
    spec: StyleSpec,
    sources: Mapping[str, RegistrySource],
    *,
    weights: str,
    record: str | None = None,
    repository: str | None = None,
    refuse: Callable[[Sequence[OtherStyle]], StyleZooError],
) -> ResolvedStyle:
    """Find a style with known bytes in the store, or in the first source that has them.

    Args:
        spec: names one version, by name or repository.
        sources: by name, in lookup order. One that cannot be reached or trusted is skipped, as
            any other may have the bytes.
        weights: the sha256 of its weights.
        record: the sha256 of its ``style.toml``, if that is pinned too.
        repository: on the Hub, where it is as well.
        refuse: makes the error if there are only other styles of this name and version.

    Raises:
        StyleNotFoundError, VersionNotFoundError: there is none of this name and version.
        UnavailableError, OfflineError: it is not here, and a source cannot be reached.
        StyleZooError: what ``refuse`` makes, or what the first source that failed raised.
    """
    places = []
    if spec.name is not None:
        by_name = {IN_STORE: _PinnedInStore(weights, record), **sources}
        places += [_Place(name, source, spec) for name, source in by_name.items()]
    hub_name = spec.repository or repository
    if hub_name is not None:
        from stylezoo.registry.hub_repository import HubRepository

        there = HubRepository(hub_name, wanted_record=record, wanted_weights=weights)
        places.append(_Place(there.location, there, spec.of_repository(hub_name)))
    others: list[OtherStyle] = []
    missing: list[StyleZooError] = []
    failures: dict[str, StyleZooError] = {}
    for place in _in_turn(places, failures):
        try:
            found = resolve(place.spec, {place.name: place.source})
            other = _difference(found, weights, record)
        except (StyleNotFoundError, VersionNotFoundError) as error:
            missing.append(error)
        except StyleZooError as error:
            failures[place.name] = error
        else:
            if other is None:
                _warn_of_failures(spec, failures)
                return found
            others.append(other)
    if failures:
        raise next(iter(failures.values()))
    if others:
        raise refuse(others)
    raise next((one for one in missing if isinstance(one, VersionNotFoundError)), missing[0])


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to look for a style: a source, with its name, and what to ask it for."""

    name: str
    source: RegistrySource
    spec: StyleSpec


def resolve_base(record: Record, sources: Mapping[str, RegistrySource]) -> ResolvedStyle | None:
    """Find the style that an adapter builds on, in any of the sources, or in the store.

    Returns:
        The base; None for a complete style.

    Raises:
        See ``find_base``.
    """
    return None if record.base is None else find_base(record.base, record.name, sources)


def find_base(base: Base, adapter: str, sources: Mapping[str, RegistrySource]) -> ResolvedStyle:
    """Find the style that an adapter builds on: by its name, or else in its own repository.

    Args:
        base: as the adapter's record describes it.
        adapter: its name, for messages.
        sources: by name, in lookup order.

    Raises:
        StyleNotFoundError, VersionNotFoundError: there is none.
        UnavailableError, OfflineError: it is not here, and a source cannot be reached.
        IntegrityError: all styles of this name and version have other weights than those that the
            adapter was made on.
    """
    spec = StyleSpec.exact(base.name, base.version)

    def refuse(others: Sequence[OtherStyle]) -> IntegrityError:
        here = " and ".join(
            f"the one from {other.found.source!r} has {other.sha256}" for other in others
        )
        return IntegrityError(
            f"{adapter} builds on {base.spec} with weights of sha256 {base.sha256}, which no "
            f"source has; {here}; add the registry that has it with: stylezoo registries add "
            "LOCATION"
        )

    try:
        return resolve_pinned(
            spec, sources, weights=base.sha256, repository=base.repository, refuse=refuse
        )
    except (StyleNotFoundError, VersionNotFoundError, UnavailableError) as error:
        raise type(error)(f"{adapter} builds on {base.spec}, which is missing: {error}") from error


class _PinnedInStore(RegistrySource):
    """Only the styles of the store that have the pinned bytes, intact."""

    def __init__(self, weights: str, record: str | None) -> None:
        self._weights = weights
        self._record = record
        self._store = Store()

    @property
    def location(self) -> str:
        return str(self._store.root)

    def names(self) -> list[str]:
        return sorted({style.record.name for style in self._styles()})

    def versions(self, name: str) -> list[Version]:
        """The versions that are intact.

        Raises:
            IntegrityError: the only ones are damaged; another place can mend them.
        """
        styles = [style for style in self._styles() if style.record.name == name]
        intact = [style for style in styles if self._store.folder(style.sha256) is not None]
        if styles and not intact:
            self._store.check(styles[0].sha256)
        return sorted({style.record.version for style in intact})

    def record(self, name: str, version: Version) -> Record:
        return self._find(name, version).record

    def folder(self, name: str, version: Version) -> Path:
        """The folder of one version, with every file verified.

        Raises:
            VersionNotFoundError: it is not here.
            IntegrityError: it is damaged.
        """
        style = self._find(name, version)
        folder = self._store.folder(style.sha256)
        if folder is None:
            self._store.check(style.sha256)
            raise VersionNotFoundError(f"{self.location} no longer has {name} {version}")
        return folder

    def _find(self, name: str, version: Version) -> StoredStyle:
        for style in self._styles():
            if (style.record.name, style.record.version) == (name, version):
                return style
        raise VersionNotFoundError(f"{self.location} has no {name} {version}")

    def _styles(self) -> list[StoredStyle]:
        return [
            style
            for style in self._store.entries()
            if style.record.file("weights").sha256 == self._weights
            and self._record in (None, style.sha256)
        ]


def _in_turn(places: Iterable[_Place], failures: dict[str, StyleZooError]) -> Iterator[_Place]:
    """The places that list the version as last refreshed, then those that must ask again."""
    unaware = []
    for place in places:
        name = place.spec.name or place.spec.repository
        assert name is not None, "what is pinned has no path"
        try:
            lists_it = any(True for _ in place.spec.versions.filter(place.source.versions(name)))
        except StyleZooError as error:
            failures[place.name] = error
            continue
        if lists_it:
            yield place
        else:
            unaware.append(place)
    yield from unaware


def _warn_of_failures(spec: StyleSpec, failures: Mapping[str, StyleZooError]) -> None:
    """Warn of sources that failed, except those that merely could not be reached."""
    for source, error in failures.items():
        if not isinstance(error, UnavailableError):
            warnings.warn(
                f"{source!r} was skipped for {spec.text}: {error}", SourceWarning, stacklevel=4
            )


def _difference(found: ResolvedStyle, weights: str, record: str | None) -> OtherStyle | None:
    sha256 = found.record.file("weights").sha256
    if sha256 != weights:
        return OtherStyle(found=found, what="weights", sha256=sha256)
    if record is not None:
        sha256 = sha256_of(found.folder / RECORD_FILE)
        if sha256 != record:
            return OtherStyle(found=found, what="record", sha256=sha256)
    return None
