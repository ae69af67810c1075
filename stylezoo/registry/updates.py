"""Which styles on this machine have newer versions, and which were withdrawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from stylezoo.interfaces.source import RegistrySource, newest

if TYPE_CHECKING:
    from stylezoo.registry.store import StoredStyle


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """A style with a newer version than the one on this machine.

    Attributes:
        name: of the style.
        here: the newest version on this machine.
        newest: the newest available version.
        source: the source that has it.
    """

    name: str
    here: Version
    newest: Version
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """A version on this machine that its registry has withdrawn and no source lists any more.

    Attributes:
        name: of the style.
        version: the version here.
        source: the source that has withdrawn it.
        newer: the newest available version, if it is newer.
    """

    name: str
    version: Version
    source: str
    newer: Version | None


def find_updates(
    sources: Mapping[str, RegistrySource],
) -> tuple[list[Update], list[Withdrawal]]:
    """Compare what is on this machine with what the sources list, as last refreshed.

    Args:
        sources: by name, in lookup order.

    Raises:
        UnavailableError: a folder cannot be read.
    """
    here: dict[str, list[Version]] = {}
    listed: dict[str, tuple[Version, str]] = {}
    for source_name, source in sources.items():
        for name in source.names():
            here.setdefault(name, []).extend(source.local_versions(name))
            latest = newest(source.versions(name))
            if name not in listed or latest > listed[name][0]:
                listed[name] = latest, source_name
    withdrawn = [
        (style.record.name, style.record.version, source_name)
        for source_name, style in _withdrawn_by(sources)
        if style.record.version not in here.get(style.record.name, [])
    ]
    for name, version, _ in withdrawn:
        here.setdefault(name, []).append(version)

    updates = []
    for name, versions in sorted(here.items()):
        if versions and name in listed:
            latest, source_name = listed[name]
            present = newest(sorted(versions))
            if latest > present:
                updates.append(Update(name=name, here=present, newest=latest, source=source_name))
    withdrawals = []
    for name, version, source_name in withdrawn:
        latest = listed[name][0] if name in listed else version
        withdrawals.append(
            Withdrawal(
                name=name,
                version=version,
                source=source_name,
                newer=latest if latest > version else None,
            )
        )
    return updates, withdrawals


def _withdrawn_by(
    sources: Mapping[str, RegistrySource],
) -> Iterator[tuple[str, StoredStyle]]:
    from stylezoo.registry.remote import RemoteSource

    for name, source in sources.items():
        if isinstance(source, RemoteSource):
            for style in source.withdrawn():
                yield name, style
