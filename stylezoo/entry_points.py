"""Find the installed plugins from the metadata of distributions, without importing any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions

from stylezoo.errors import PluginError

GROUP = "stylezoo"
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginEntry:
    """One entry point of the group ``stylezoo``.

    Attributes:
        name: name of the entry point.
        distribution: the distribution that declares it.
        version: version of that distribution.
        module: the import path it names, or that of an added module; empty for another object.
        fault: what is wrong with the declaration, if anything.
    """

    name: str
    distribution: str
    version: str
    module: str = ""
    fault: str = ""

    def load(self) -> object:
        """Import the object the entry point names.

        Raises:
            PluginError: the declaration is broken. The import may raise anything else.
        """
        if self.fault:
            raise PluginError(self.fault)
        plugin: object = EntryPoint(self.name, self.module, GROUP).load()
        return plugin


def find_entries() -> list[PluginEntry]:
    """Find the entry points of all installed distributions, stylezoo's own first.

    A distribution found several times on the path counts once, where Python imports it from. One
    with an unreadable declaration does not affect the others, which
    ``importlib.metadata.entry_points`` does not guarantee.
    """
    found: dict[str, list[PluginEntry]] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt")
        except (OSError, UnicodeDecodeError):
            continue  # there is no telling whether it has plugins
        if text and _has_group(text):
            name, version = _origin(distribution)
            # Several distributions may lack names, and none may hide another.
            key = f"{UNKNOWN} {len(found)}" if name == UNKNOWN else _normalized(name)
            found.setdefault(key, list(_entries(distribution, name, version)))
    return [
        entry
        for key in sorted(found, key=lambda key: (key != "stylezoo", key))
        for entry in found[key]
    ]


def _has_group(text: str) -> bool:
    return any(line.strip() == f"[{GROUP}]" for line in text.splitlines())


def _entries(distribution: Distribution, name: str, version: str) -> Iterator[PluginEntry]:
    try:
        points = distribution.entry_points.select(group=GROUP)
    except Exception as error:  # importlib.metadata may raise anything on broken text
        fault = f"its entry_points.txt cannot be read ({error}); reinstall {name}"
        yield PluginEntry(name=name, distribution=name, version=version, fault=fault)
        return
    for point in points:
        broken = EntryPoint.pattern.match(point.value) is None
        yield PluginEntry(
            name=point.name,
            distribution=name,
            version=version,
            module=point.value,
            fault=f"its entry point names {point.value!r}, which is not a module" if broken else "",
        )


def _origin(distribution: Distribution) -> tuple[str, str]:
    """Name and version; an interrupted install may lack the file that holds them."""
    try:
        metadata = distribution.metadata
        known = {key: metadata[key] for key in metadata}
        return known.get("Name") or UNKNOWN, known.get("Version") or UNKNOWN
    except Exception:  # importlib.metadata may raise anything if it is missing
        return UNKNOWN, UNKNOWN


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
