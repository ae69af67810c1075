"""Styles that are pinned: where several have one name and version, the hash decides which it is.

A lock file pins a style by the sha256 of its record, an adapter its base by that of the weights.
Whichever source has those bytes may give them. So may the store, when no source lists them any
more: withdrawing a version takes it from those who ask for it by name, not from those who have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from stylezoo.interfaces.source import RegistrySource
from stylezoo.registry.record import RECORD_FILE, Base, Record
from stylezoo.registry.resolve import ResolvedStyle, resolve
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.store import Store, StoredStyle
from stylezoo.registry.verify import sha256_of

IN_STORE = "the cache"  # no registry can be called this


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherStyle:
    """A style of the right name and version that is not the one that is pinned.

    Attributes:
        found: the style.
        what: of it differs: its record, or its weights.
        sha256: of that.
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
    """Find a style whose bytes are known, in the first source that has these, or in the store.

    Args:
        spec: names one version.
        sources: by name, in the order to ask them.
        weights: the sha256 of its weights.
        record: the sha256 of its ``style.toml``, if that is pinned too.
        refuse: makes the error for when there are only others of this name and version.

    Raises:
        StyleNotFoundError, VersionNotFoundError: there is none of this name and version.
        UnavailableError, OfflineError: it is not here, and a source cannot be asked.
        StyleZooError: what ``refuse`` makes, or what ``resolve`` raises besides.
    """
    stored = _PinnedInStore(weights, record)
    left = {**sources, IN_STORE: stored}
    others: list[OtherStyle] = []
    while True:
        try:
            found = resolve(spec, left)
        except (StyleNotFoundError, VersionNotFoundError) as error:
            raise (refuse(others) if others else error) from error
        except UnavailableError:
            # A source lists the version, and cannot be asked what it is.
            if spec.name is None or not list(spec.versions.filter(stored.versions(spec.name))):
                raise
            return resolve(spec, {IN_STORE: stored})
        other = _difference(found, weights, record)
        if other is None:
            return found
        others.append(other)
        if found.source not in left:  # a repository on the Hub, which is a source of its own
            raise refuse(others)
        del left[found.source]


def resolve_base(record: Record, sources: Mapping[str, RegistrySource]) -> ResolvedStyle | None:
    """Find the style that an adapter builds on, in any of the sources, or in the store.

    Returns:
        The base; None for a style that is complete.

    Raises:
        See ``find_base``.
    """
    return None if record.base is None else find_base(record.base, record.name, sources)


def find_base(base: Base, adapter: str, sources: Mapping[str, RegistrySource]) -> ResolvedStyle:
    """Find the style that an adapter builds on.

    Args:
        base: as the adapter's record describes it.
        adapter: its name, for messages.
        sources: by name, in the order to ask them.

    Raises:
        StyleNotFoundError, VersionNotFoundError: there is none.
        UnavailableError, OfflineError: it is not here, and a source cannot be asked.
        IntegrityError: all of this name and version have other weights than those that the adapter
            was made on.
    """
    spec = StyleSpec.parse(f"{base.name}@=={base.version}")

    def refuse(others: Sequence[OtherStyle]) -> IntegrityError:
        here = " and ".join(f"that of {other.found.source!r} {other.sha256}" for other in others)
        return IntegrityError(
            f"{adapter} builds on {spec.text} with weights of the sha256 {base.sha256}, which no "
            f"source has; {here}; add the registry that has the right one with: stylezoo "
            "registries add LOCATION"
        )

    try:
        return resolve_pinned(spec, sources, weights=base.sha256, refuse=refuse)
    except (StyleNotFoundError, VersionNotFoundError, UnavailableError) as error:
        raise type(error)(f"{adapter} builds on {spec.text}, which is missing: {error}") from error


class _PinnedInStore(RegistrySource):
    """The styles of the store that have the bytes that are pinned, and no others."""

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
        """The folder of one version, every file of it hashed and right.

        Raises:
            VersionNotFoundError: it is not here.
            IntegrityError: it is damaged.
        """
        style = self._find(name, version)
        folder = self._store.folder(style.sha256)
        if folder is None:
            self._store.check(style.sha256)
            raise VersionNotFoundError(f"{self.location} has no {name} {version} any more")
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


def _difference(found: ResolvedStyle, weights: str, record: str | None) -> OtherStyle | None:
    sha256 = found.record.file("weights").sha256
    if sha256 != weights:
        return OtherStyle(found=found, what="weights", sha256=sha256)
    if record is not None:
        sha256 = sha256_of(found.folder / RECORD_FILE)
        if sha256 != record:
            return OtherStyle(found=found, what="record", sha256=sha256)
    return None
