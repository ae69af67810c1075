"""``stylezoo plugins``: show what is installed and provided, and check that it conforms."""

from __future__ import annotations

import dataclasses
import sys

import click

from stylezoo.catalog import default_catalog
from stylezoo.cli.output import print_json, print_line, print_table
from stylezoo.cli.progress import progress
from stylezoo.plugin_loader import PluginInfo


@click.command("plugins")
@click.option(
    "--check",
    "checked",
    metavar="NAME",
    help="Run the conformance checks on a plugin, or on all those of a distribution.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(checked: str | None, as_json: bool) -> None:
    """List the plugins and what they provide, without importing any of it.

    With --check, try whether each component keeps the promises of its interface, as the
    plugin's own tests do with stylezoo.testing. What is only advice leaves the exit code 0.
    """
    if checked is not None:
        _check(checked, as_json)
        return
    plugins = default_catalog().plugins
    if as_json:
        print_json([plugin_to_dict(plugin) for plugin in plugins])
        return
    rows = [row for plugin in plugins for row in _rows(plugin)]
    print_table(("plugin", "from", "health", "import", "hook", "provides"), rows)


def _check(name: str, as_json: bool) -> None:
    from stylezoo.testing.examination import render
    from stylezoo.testing.plugin import check_plugin, find_plugins

    catalog = default_catalog()
    total = sum(len(plugin.components) for plugin in find_plugins(name, catalog))
    with progress(f"checking {name}", total) as advance:
        report = check_plugin(name, catalog=catalog, on_progress=lambda _: advance())
    if as_json:
        print_json({"ok": report.ok, **dataclasses.asdict(report)})
    else:
        print_line(render(report))
    if not report.ok:
        sys.exit(1)


def _rows(plugin: PluginInfo) -> list[tuple[str, ...]]:
    """One row per hook; the first also describes the plugin itself."""
    taken = "" if plugin.seconds is None else f"{plugin.seconds * 1000:.0f} ms"
    origin = f"{plugin.distribution} {plugin.version}"
    hooks = [(hook, ", ".join(names)) for hook, names in _by_hook(plugin).items()]
    first, *rest = hooks or [("", plugin.error or "")]
    head = (plugin.name, origin, plugin.status, taken, *first)
    return [head, *(("", "", "", "", *row) for row in rest)]


def _by_hook(plugin: PluginInfo) -> dict[str, list[str]]:
    """The names that a plugin registered, by hook."""
    names: dict[str, list[str]] = {}
    for component in plugin.components:
        names.setdefault(component.hook, []).append(component.name)
    return names


def plugin_to_dict(plugin: PluginInfo) -> dict[str, object]:
    """A plugin as plain values."""
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "status": plugin.status,
        "error": plugin.error,
        "import_seconds": plugin.seconds,
        "hooks": _by_hook(plugin),
        "components": [
            {"kind": c.kind, "name": c.name, "summary": c.summary} for c in plugin.components
        ],
    }
