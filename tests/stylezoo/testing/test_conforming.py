"""stylezoo's own plugins conform: a test for each component, as third parties have them."""

from stylezoo.testing import PluginConformance


class TestFirstParty(PluginConformance):
    plugin = "stylezoo"
