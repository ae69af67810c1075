"""Pinned styles: where several share a name and version, the hash decides which one is meant.

A lock file pins a style by the sha256 of its record, an adapter its base by that of the weights.
Any source that has those bytes may provide them. So may the store, when no source lists them any
more: withdrawing a version takes it from those who ask for it by name, not from those who have it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    refuse: Callable[[Sequence[OtherStyle]], StyleZooError],
) -> ResolvedStyle:
    """Find a style with known bytes in the first source that has them, or in the store.

    Args:
        spec: names one version.
        sources: by name, in lookup order. One that cannot be reached or trusted is skipped, as
            any other may have the bytes.
        weights: the sha256 of its weights.
        record: the sha256 of its ``style.toml``, if that is pinned too.
        refuse: makes the error if there are only other styles of this name and version.

    Raises:
        StyleNotFoundError, VersionNotFoundError: there is none of this name and version.
        UnavailableError, OfflineError: it is not here, and a source cannot be reached.
        StyleZooError: what ``refuse`` makes, or what the first source that failed raised.
    """
    places: dict[str, RegistrySource]
    if spec.repository is not None:  # which is a source of its own
        from stylezoo.registry.hub_repository import HubRepository

        repository = HubRepository(spec.repository, wanted=record)
        places = {repository.location: repository}
    else:
        places = {**sources, IN_STORE: _PinnedInStore(weights, record)}
    others: list[OtherStyle] = []
    missing: list[StyleZooError] = []
    failures: dict[str, StyleZooError] = {}
    for name, source in _in_turn(spec, places, failures):
        try:
            found = resolve(spec, {name: source})
            other = _difference(found, weights, record)
        except (StyleNotFoundError, VersionNotFoundError) as error:
            missing.append(error)
        except StyleZooError as error:
            failures[name] = error
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
    if base.repository is None:
        return _find_base(base.name, base, adapter, sources)
    try:
        return _find_base(base.name, base, adapter, sources)
    except (StyleNotFoundError, VersionNotFoundError, UnavailableError, IntegrityError):
        return _find_base(base.repository, base, adapter, sources)


def _find_base(
    name: str, base: Base, adapter: str, sources: Mapping[str, RegistrySource]
) -> ResolvedStyle:
    spec = StyleSpec.parse(f"{name}@=={base.version}")

    def refuse(others: Sequence[OtherStyle]) -> IntegrityError:
        here = " and ".join(
            f"the one from {other.found.source!r} has {other.sha256}" for other in others
        )
        return IntegrityError(
            f"{adapter} builds on {spec.text} with weights of sha256 {base.sha256}, which no "
            f"source has; {here}; add the registry that has it with: stylezoo registries add "
            "LOCATION"
        )

    try:
        return resolve_pinned(spec, sources, weights=base.sha256, refuse=refuse)
    except (StyleNotFoundError, VersionNotFoundError, UnavailableError) as error:
        raise type(error)(f"{adapter} builds on {spec.text}, which is missing: {error}") from error


class _PinnedInStore(RegistrySource):
    """Only the styles of the store that have the pinned bytes."""

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
        return sorted({one.record.version for one in self._styles() if one.record.name == name})

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


def _in_turn(
    spec: StyleSpec, places: Mapping[str, RegistrySource], failures: dict[str, StyleZooError]
) -> Iterator[tuple[str, RegistrySource]]:
    """The sources that list the version as last refreshed, then those that must ask again."""
    name = spec.name or spec.repository
    assert name is not None, "what is pinned has no path"
    unaware = {}
    for place, source in places.items():
        try:
            lists_it = any(True for _ in spec.versions.filter(source.versions(name)))
        except StyleZooError as error:
            failures[place] = error
            continue
        if lists_it:
            yield place, source
        else:
            unaware[place] = source
    yield from unaware.items()


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
