"""``stylezoo plugins``: what is installed and what it provides."""

from __future__ import annotations

import click

from stylezoo.catalog import PluginInfo, default_catalog
from stylezoo.cli.output import print_json, print_table


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the plugins and what they provide, without importing any of it."""
    plugins = default_catalog().plugins
    if as_json:
        print_json([plugin_to_dict(plugin) for plugin in plugins])
        return
    rows = [
        (
            plugin.name,
            f"{plugin.distribution} {plugin.version}",
            plugin.status,
            ", ".join(f"{c.kind} {c.name}" for c in plugin.components) or plugin.error or "",
        )
        for plugin in plugins
    ]
    print_table(("plugin", "from", "status", "provides"), rows)


def plugin_to_dict(plugin: PluginInfo) -> dict[str, object]:
    """A plugin as plain values."""
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "status": plugin.status,
        "error": plugin.error,
        "components": [
            {"kind": c.kind, "name": c.name, "summary": c.summary} for c in plugin.components
        ],
    }
