"""A ready-made test class, with a test for each component of a plugin."""

from __future__ import annotations

from typing import ClassVar

from stylezoo.testing.examination import assert_conforms
from stylezoo.testing.plugin import check_plugin


class PluginConformance:
    """Inherit from it in a test file, and name the plugin; pytest does the rest.

    ::

        from stylezoo.testing import PluginConformance

        class TestMine(PluginConformance):
            plugin = "mine"

    Attributes:
        plugin: the name of the plugin or of its distribution.
        skip: the names of checks to leave out.
    """

    plugin: ClassVar[str]
    skip: ClassVar[tuple[str, ...]] = ()

    def test_conforms(self) -> None:
        """The plugin keeps every promise."""
        assert_conforms(check_plugin(self.plugin, skip=self.skip))
