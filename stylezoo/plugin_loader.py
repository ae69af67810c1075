"""Load plugins one by one: each yields all its components, or the reason it failed.

pluggy's own entry-point loader would stop at the first failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pluggy

from stylezoo import hookspecs
from stylezoo.components import HOOKS, Component, Kind, check_registration, did_you_mean
from stylezoo.entry_points import PluginEntry
from stylezoo.errors import PluginError
from stylezoo.plugin_guard import guarded

PLUGIN_API = (1, 0)
"""The version of the hooks and interfaces; a plugin may declare the one it was written for."""


class PluginWarning(UserWarning):
    """A plugin was left out; the message says which and why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PluginInfo:
    """A plugin that was found, whether or not it could be loaded.

    Attributes:
        name: name of its entry point.
        distribution: the installed distribution it belongs to.
        version: version of that distribution.
        status: ``"ok"``, ``"failed"`` or ``"disabled"``.
        error: why it is not ok.
        components: what it registered.
        module: what its entry point names, or the module that was added; empty for an object.
        seconds: time taken to import it and call its hooks; None if not tried.
    """

    name: str
    distribution: str
    version: str
    status: Literal["ok", "failed", "disabled"]
    error: str | None = None
    components: tuple[Component, ...] = ()
    module: str = ""
    seconds: float | None = None


class PluginLoader:
    """Calls the hooks of one plugin at a time."""

    def __init__(self) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)

    def load(self, entry: PluginEntry, load: Callable[[], object]) -> PluginInfo:
        """Load one plugin: everything it registers, or nothing if any of it fails.

        Args:
            entry: what its metadata says.
            load: returns the module or other object with its hook implementations.
        """
        started = time.perf_counter()
        components: tuple[Component, ...] = ()
        error = None
        try:
            with guarded():
                components = self._register(load(), entry)
        except (Exception, SystemExit) as failure:  # third-party code may raise anything
            error = f"{type(failure).__name__}: {failure}".removeprefix("PluginError: ")
        return PluginInfo(
            name=entry.name,
            distribution=entry.distribution,
            version=entry.version,
            status="ok" if error is None else "failed",
            error=error,
            components=components,
            module=entry.module,
            seconds=time.perf_counter() - started,
        )

    def _register(self, plugin: object, entry: PluginEntry) -> tuple[Component, ...]:
        """Register a plugin with pluggy, and return the components it registers."""
        _check_api(plugin)
        unique = f"{entry.distribution}:{entry.name}"
        if self._pm.has_plugin(unique):
            raise PluginError(f"another entry point of this distribution has the name {unique!r}")
        other = self._pm.get_name(plugin)
        if other is not None:
            raise PluginError(
                f"it is the same module as the plugin {other!r}, which is already loaded"
            )
        try:
            self._pm.register(plugin, unique)
            self._check_hook_names(plugin)
            return self._call_hooks(plugin, entry)
        except BaseException:  # Ctrl-C too: half a plugin must not stay
            # pluggy records the name before it inspects the hooks, which may raise.
            if self._pm.has_plugin(unique):
                self._pm.unregister(name=unique)
            raise

    def _check_hook_names(self, plugin: object) -> None:
        # pluggy silently ignores a hook whose name it does not know.
        for caller in self._pm.get_hookcallers(plugin) or ():
            if not caller.has_spec():
                raise PluginError(
                    f"it implements a hook {caller.name!r}, which does not exist"
                    + did_you_mean(caller.name, HOOKS.values())
                )

    def _call_hooks(self, plugin: object, entry: PluginEntry) -> tuple[Component, ...]:
        others = [other for other in self._pm.get_plugins() if other is not plugin]
        registered: list[Component] = []
        for kind, hook in HOOKS.items():
            register = _register_for(kind, entry, registered)
            self._pm.subset_hook_caller(hook, others)(register=register)
        return tuple(registered)


def _register_for(
    kind: Kind, entry: PluginEntry, registered: list[Component]
) -> hookspecs.Register:
    """The function passed to the hook of a kind, which adds to what is registered."""

    def register(name: str, target: str | object, *, summary: str = "") -> None:
        check_registration(kind, name, target, summary, registered)
        registered.append(
            Component(
                kind=kind,
                name=name,
                summary=summary,
                target=target,
                plugin=entry.name,
                distribution=entry.distribution,
            )
        )

    return register


def _check_api(plugin: object) -> None:
    declared = getattr(plugin, "STYLEZOO_API", PLUGIN_API)
    is_pair = isinstance(declared, tuple) and len(declared) == 2
    if not is_pair or not all(isinstance(part, int) for part in declared):
        raise PluginError(f"its STYLEZOO_API is {declared!r}, not a pair of integers like (1, 0)")
    ours = ".".join(map(str, PLUGIN_API))
    theirs = ".".join(map(str, declared))
    if declared[0] != PLUGIN_API[0]:
        which = "stylezoo" if declared[0] > PLUGIN_API[0] else "the plugin"
        raise PluginError(f"it needs plugin API {theirs}, but this is {ours}; upgrade {which}")
    if declared[1] > PLUGIN_API[1]:
        raise PluginError(f"it needs plugin API {theirs}, but this is {ours}; upgrade stylezoo")
