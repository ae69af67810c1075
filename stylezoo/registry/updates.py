"""What is newer than the styles on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.version import Version

from stylezoo.interfaces.source import RegistrySource, newest


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """A style that there is in a newer version than on this machine.

    Attributes:
        name: of the style.
        here: the newest version on this machine.
        newest: the newest version that there is.
        source: which has it.
    """

    name: str
    here: Version
    newest: Version
    source: str


def find_updates(sources: Mapping[str, RegistrySource]) -> Iterator[Update]:
    """Compare what is on this machine with what the sources list, as far as they were told.

    Args:
        sources: by name, in the order to ask them.
    """
    here: dict[str, list[Version]] = {}
    listed: dict[str, tuple[Version, str]] = {}
    for source_name, source in sources.items():
        for name in source.names():
            here.setdefault(name, []).extend(source.local_versions(name))
            latest = newest(source.versions(name))
            if name not in listed or latest > listed[name][0]:
                listed[name] = latest, source_name
    for name, versions in sorted(here.items()):
        latest, source_name = listed[name]
        if versions and latest > newest(sorted(versions)):
            present = newest(sorted(versions))
            yield Update(name=name, here=present, newest=latest, source=source_name)
