"""The installed plugins, and one more that a test brings."""

import stylezoo
from stylezoo import Catalog


def catalog_with(kind, name, made):
    """The catalog with one more component.

    Args:
        kind: in the plural, as its hook has it: ``"losses"``.
        name: to register it by.
        made: the component, or what makes it.
    """
    catalog = Catalog.discover()
    hook = stylezoo.hookimpl(lambda register: register(name, made))
    catalog.add(type("Plugin", (), {f"register_{kind}": staticmethod(hook)}), "tests")
    return catalog
