"""stylezoo's own plugins conform, with a test per component as in third-party plugins."""

from stylezoo.testing import PluginConformance


class TestFirstParty(PluginConformance):
    plugin = "stylezoo"
