"""Checks for a whole plugin: how it is imported, and everything that it registers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from stylezoo.catalog import Catalog, default_catalog
from stylezoo.components import Component
from stylezoo.errors import PluginError, StyleZooError
from stylezoo.findings import Finding, Report
from stylezoo.plugin_loader import PluginInfo
from stylezoo.testing.examination import Check, Findings, check_skipped, examine, names_of
from stylezoo.testing.imports import check_light, check_private_imports
from stylezoo.testing.settings import KINDS, Settings, function_of, module_of, read_settings


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin, and the catalog that it is in."""

    info: PluginInfo
    catalog: Catalog

    @property
    def module(self) -> str:
        """The module that it is; empty for an object of another kind that was added."""
        return self.info.module.partition(":")[0].strip()

    @property
    def settings(self) -> Settings:
        """Its own settings for the checks."""
        if not self.module or self.info.status != "ok":
            return Settings({})
        return read_settings(importlib.import_module(self.module), self.info.components)


def check_plugin(
    name: str,
    *,
    catalog: Catalog | None = None,
    skip: Collection[str] = (),
    on_progress: Callable[[str], None] | None = None,
) -> Report:
    """Check a plugin: how it is written, how it is imported, and every component it registers.

    To have a component checked other than with its defaults, a plugin gives the arguments of the
    check, in one dict or a list of them::

        STYLEZOO_CHECKS = {"backbone:deep": {"options": {"weights": "random"}}}

    Args:
        name: of the plugin, or of a distribution, to check all its plugins.
        catalog: where it is looked up; None for the installed plugins.
        skip: the names of checks to leave out.
        on_progress: called with each component's kind and name before its checks.

    Returns:
        Every fault found.

    Raises:
        PluginError: no such plugin is installed.
        OptionError: ``skip`` names an unknown check.
    """
    check_skipped(skip, known_checks())
    catalog = catalog or default_catalog()
    report = Report(subject=f"plugin {name!r}")
    for info in find_plugins(name, catalog):
        plugin = Installed(info, catalog)
        report_on(report, check_registration(info, catalog=catalog, skip=skip), "")
        for component in info.components:
            label = f"{component.kind} {component.name!r}"
            if on_progress is not None:
                on_progress(label)
            for run, found in check_component(component, plugin.settings, catalog, skip):
                report_on(report, found, ", ".join(filter(None, (label, run))))
    return report


def find_plugins(name: str, catalog: Catalog) -> list[PluginInfo]:
    """Find the plugin of this name, or those of a distribution.

    Raises:
        PluginError: there is none.
    """
    found = [info for info in catalog.plugins if name in (info.name, info.distribution)]
    if found:
        return found
    known = sorted({n for info in catalog.plugins for n in (info.name, info.distribution)})
    near = get_close_matches(name, known, n=1)
    advice = f" (did you mean {near[0]!r}?)" if near else ""
    raise PluginError(
        f"no plugin or distribution {name!r} is installed{advice}; installed: "
        f"{', '.join(known) or 'none'}. In the folder of the plugin, run: pip install -e ."
    )


def report_on(report: Report, part: Report, label: str) -> None:
    """Add another report's findings to a report, with a label before each place."""
    report.checks += [f"{label}: {check}" if label else check for check in part.checks]
    for finding in part.findings:
        where = ", ".join(text for text in (label, finding.where) if text)
        report.findings.append(
            Finding(
                check=finding.check,
                where=where,
                message=finding.message,
                severity=finding.severity,
            )
        )


def known_checks() -> Iterator[str]:
    """The names of all checks that may run on a plugin."""
    yield from names_of(REGISTRATION)
    for kind in KINDS:
        yield from names_of(module_of(kind).FIRST, module_of(kind).CHECKS)
    others = importlib.import_module("stylezoo.testing.others")
    yield from names_of(*others.CHECKS.values())


def check_registration(info: PluginInfo, *, catalog: Catalog, skip: Collection[str] = ()) -> Report:
    """Check how a plugin is written and imported, but not what it registers."""
    report = Report(subject=f"plugin {info.name!r}")
    examine(report, Installed(info, catalog), REGISTRATION, skip, f"plugin {info.name!r}")
    return report


def check_component(
    component: Component, settings: Settings, catalog: Catalog, skip: Collection[str]
) -> Iterator[tuple[str, Report]]:
    """Check a component, once for each run in its plugin's settings.

    Yields:
        What is particular to the run, empty if there is only one, and what was found in it.
    """
    name = component.full_name
    try:
        catalog.get(component.kind, name)
    except StyleZooError as error:
        finding = Finding(check="target", where="", message=str(error))
        yield "", Report(subject=name, checks=["target"], findings=[finding])
        return
    if component.kind not in KINDS:
        from stylezoo.testing.others import check_other

        yield "", check_other(component.kind, name, catalog, skip)
        return
    module = module_of(component.kind)
    runs = settings.of(component)
    for arguments in runs:
        left_out = {*skip, *arguments.get("skip", ())}
        applying = [n for n in names_of(module.FIRST, module.CHECKS) if n in left_out]
        check = function_of(component.kind)
        label = _described(arguments) if len(runs) > 1 else ""
        yield label, check(name, **{**arguments, "catalog": catalog, "skip": applying})


def _described(arguments: Mapping[str, Any]) -> str:
    """The arguments of a run as text, such as ``options {'weights': 'random'}``."""
    given = [f"{name} {value!r}" for name, value in arguments.items() if name != "skip"]
    return ", ".join(given) or "defaults"


def check_health(plugin: Installed, findings: Findings) -> None:
    """It was loaded, and registered something."""
    info = plugin.info
    if info.status != "ok":
        findings.error(f"it is {info.status}: {info.error}")
    elif not info.components:
        findings.error(
            "it registers nothing; is each hook decorated with @stylezoo.hookimpl, and does it "
            "call register?"
        )


def check_names(plugin: Installed, findings: Findings) -> None:
    """Its components are described, lazily imported, and not named like others."""
    for component in plugin.info.components:
        with findings.at(f"{component.kind} {component.name!r}"):
            if not component.summary:
                findings.advise("it has no summary; say in one line what it is")
            if plugin.module and not isinstance(component.target, str):
                findings.advise(
                    "it is registered as an object, which had to be imported first; register its "
                    "path, 'package.module:attribute'"
                )
            others = [
                other.distribution
                for other in plugin.catalog.components(component.kind)
                if other.name == component.name
                and (other.plugin, other.distribution) != (component.plugin, component.distribution)
            ]
            if others:
                findings.advise(
                    f"this name is also registered by {' and '.join(others)}, so users must write "
                    f"{component.full_name!r}; a unique name is easier for them"
                )


def check_settings(plugin: Installed, findings: Findings) -> None:
    """Its settings are valid for the checks."""
    for fault in plugin.settings.faults:
        findings.error(fault)


def check_import(plugin: Installed, findings: Findings) -> None:
    """Importing it brings along nothing heavy."""
    if plugin.module and plugin.info.status == "ok":
        check_light(plugin.module, findings)


def check_private(plugin: Installed, findings: Findings) -> None:
    """It uses only public names of stylezoo."""
    targets = [c.target for c in plugin.info.components if isinstance(c.target, str)]
    modules = [plugin.module, *(target.partition(":")[0] for target in targets)]
    check_private_imports([module for module in modules if module], findings)


def check_api_version(plugin: Installed, findings: Findings) -> None:
    """It says which version of the hooks it was written for."""
    if plugin.info.status != "ok" or not plugin.module:
        return
    if not hasattr(importlib.import_module(plugin.module), "STYLEZOO_API"):
        findings.advise(
            "it does not say which plugin API it was written for; write STYLEZOO_API = (1, 0) in "
            "its module, so that a later stylezoo can tell"
        )


def check_dependencies(plugin: Installed, findings: Findings) -> None:
    """Its distribution depends on stylezoo."""
    name = plugin.info.distribution
    try:
        needed = requires(name) or []
        names = [Requirement(text).name for text in needed]
    except (PackageNotFoundError, InvalidRequirement):
        return
    if "stylezoo" not in (name, *names):
        findings.advise(
            f"{name} does not depend on stylezoo, so pip may install it alone; add "
            f'"stylezoo" to the dependencies in pyproject.toml'
        )


REGISTRATION = (
    Check("health", check_health),
    Check("names", check_names),
    Check("settings", check_settings),
    Check("import", check_import),
    Check("private-names", check_private),
    Check("api-version", check_api_version),
    Check("dependencies", check_dependencies),
)
