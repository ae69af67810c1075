"""A ready-made test class, with a test for each component of a plugin."""

from __future__ import annotations

from typing import ClassVar

from stylezoo.catalog import default_catalog
from stylezoo.components import Component
from stylezoo.errors import PluginError
from stylezoo.findings import Report
from stylezoo.testing.examination import assert_conforms, check_skipped
from stylezoo.testing.plugin import (
    Installed,
    check_component,
    check_registration,
    find_plugins,
    known_checks,
    report_on,
)


class PluginConformance:
    """Inherit from it in a test file, and name the plugin; pytest does the rest.

    ::

        from stylezoo.testing import PluginConformance

        class TestMine(PluginConformance):
            plugin = "mine"

    stylezoo's pytest plugin makes one test for each registered component.

    Attributes:
        plugin: the name of the plugin or of its distribution.
        skip: the names of checks to leave out.
    """

    plugin: ClassVar[str]
    skip: ClassVar[tuple[str, ...]] = ()

    def test_registration(self) -> None:
        """The plugin is installed, written and imported as it should be."""
        check_skipped(self.skip, known_checks())
        catalog = default_catalog()
        report = Report(subject=f"plugin {self.plugin!r}")
        for info in find_plugins(self.plugin, catalog):
            report_on(report, check_registration(info, catalog=catalog, skip=self.skip), "")
        assert_conforms(report)

    def test_component(self, stylezoo_component: Component) -> None:
        """A component keeps the promises of its interface."""
        catalog = default_catalog()
        label = f"{stylezoo_component.kind} {stylezoo_component.name!r}"
        report = Report(subject=label)
        for info in find_plugins(self.plugin, catalog):
            if stylezoo_component in info.components:
                settings = Installed(info, catalog).settings
                parts = check_component(stylezoo_component, settings, catalog, self.skip)
                for run, part in parts:
                    report_on(report, part, run)
        assert_conforms(report)


def components_of(plugin: str) -> list[Component]:
    """The components of a plugin or distribution; none if it is not installed."""
    try:
        found = find_plugins(plugin, default_catalog())
    except PluginError:
        return []  # test_registration reports it
    return [component for info in found for component in info.components]
