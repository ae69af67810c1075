"""How a plugin module wants its components checked: ``STYLEZOO_CHECKS``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from stylezoo.components import Component
from stylezoo.findings import Report
from stylezoo.testing.examination import names_of

SETTINGS = "STYLEZOO_CHECKS"
KINDS = ("backbone", "loss", "net", "norm", "source")
"""Kinds with a check function of their own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the components of a plugin are checked.

    Attributes:
        given: the arguments of each run of a component's check, by ``"kind:name"``.
        faults: what is wrong with the other settings, which are ignored.
    """

    given: Mapping[str, list[Mapping[str, Any]]]
    faults: tuple[str, ...] = ()

    def of(self, component: Component) -> list[Mapping[str, Any]]:
        """The arguments of each run of a component's check; by default one run without any."""
        return self.given.get(_key(component), [{}])


def module_of(kind: str) -> ModuleType:
    """The module with the checks of a kind."""
    return importlib.import_module(f"stylezoo.testing.{kind}")


def function_of(kind: str) -> Callable[..., Report]:
    """The check function of a kind."""
    function: Callable[..., Report] = getattr(module_of(kind), f"check_{kind}")
    return function


def read_settings(plugin: object, components: Iterable[Component]) -> Settings:
    """Read and validate a plugin's settings.

    Args:
        plugin: the module that its entry point names.
        components: what it registers.
    """
    settings = getattr(plugin, SETTINGS, {})
    if not isinstance(settings, Mapping):
        return Settings(
            {}, (f"{SETTINGS} is {settings!r}; it must be a dict with 'kind:name' keys",)
        )
    mine = {_key(component): component.kind for component in components}
    given, faults = {}, []
    for key, value in settings.items():
        runs = [value] if isinstance(value, Mapping) else value
        fault = _fault(key, runs, mine)
        if fault:
            faults.append(f"{SETTINGS}[{key!r}] {fault}")
        else:
            given[key] = list(runs)
    return Settings(given, tuple(faults))


def _key(component: Component) -> str:
    return f"{component.kind}:{component.name}"


def _fault(key: object, runs: Any, mine: Mapping[Any, str]) -> str | None:
    if key not in mine:
        return f"names nothing that the plugin registers; it registers: {', '.join(mine)}"
    kind = mine[key]
    if kind not in KINDS:
        return f"has no effect: the check of a {kind} takes no settings"
    if not isinstance(runs, list | tuple) or not all(isinstance(run, Mapping) for run in runs):
        return f"is {runs!r}; it must be a dict of arguments, or a list of them"
    if not runs:
        return "is empty, so nothing is checked; give the arguments, or skip checks by name"
    _, *known = inspect.signature(function_of(kind)).parameters
    known.remove("catalog")
    checks = names_of(module_of(kind).FIRST, module_of(kind).CHECKS)
    for run in runs:
        for name in run:
            if name not in known:
                return f"gives {name!r}; check_{kind} takes: {', '.join(known)}"
        for name in ("options", "arguments"):
            if not isinstance(run.get(name, {}), Mapping):
                return f"gives {name} {run[name]!r}; it must be a dict"
        skip = run.get("skip", ())
        if isinstance(skip, str) or not isinstance(skip, Collection):
            return f"skips {skip!r}; it must be a list of check names"
        for name in skip:
            if name not in checks:
                return f"skips {name!r}; the checks are: {', '.join(checks)}"
    return None
