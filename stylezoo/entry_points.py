"""The plugins that are installed: what their distributions say of them, before any is imported."""

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
        name: of the entry point.
        distribution: the distribution that declares it.
        version: of that distribution.
        module: the import path that it names; empty for a plugin that is handed over as an object.
        fault: what is wrong with its declaration, if anything is.
    """

    name: str
    distribution: str
    version: str
    module: str = ""
    fault: str = ""

    def load(self) -> object:
        """Import what the entry point names.

        Raises:
            PluginError: the declaration is broken. The import may raise anything else.
        """
        if self.fault:
            raise PluginError(self.fault)
        plugin: object = EntryPoint(self.name, self.module, GROUP).load()
        return plugin


def find_entries() -> list[PluginEntry]:
    """Every entry point of an installed distribution, stylezoo's own first.

    A distribution that is on the path several times counts once, where Python imports it from.
    One whose declaration cannot be read does no harm to the others, which
    ``importlib.metadata.entry_points`` would not promise.
    """
    found: dict[str, list[PluginEntry]] = {}
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt")
        except (OSError, UnicodeDecodeError):
            continue  # nobody can tell whether it has plugins
        if text and _has_group(text):
            name, version = _origin(distribution)
            # Those that lack their names may be many, and none may hide another.
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
    except Exception as error:  # importlib.metadata raises whatever the broken text leads to
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
            fault=f"its entry point names {point.value!r}, which is no module" if broken else "",
        )


def _origin(distribution: Distribution) -> tuple[str, str]:
    """Name and version; an install that was interrupted may lack the file that says them."""
    try:
        metadata = distribution.metadata
        known = {key: metadata[key] for key in metadata}
        return known.get("Name") or UNKNOWN, known.get("Version") or UNKNOWN
    except Exception:  # importlib.metadata raises whatever the missing text leads to
        return UNKNOWN, UNKNOWN


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
