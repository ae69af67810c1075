"""The installed plugins, and one more that a test brings."""

import stylezoo
from stylezoo import Catalog


def catalog_with(kind, name, made):
    """The catalog with one more component.

    Args:
        kind: plural, as in its hook: ``"losses"``.
        name: registered name.
        made: the component or its factory.
    """
    catalog = Catalog.discover()
    hook = stylezoo.hookimpl(lambda register: register(name, made))
    catalog.add(type("Plugin", (), {f"register_{kind}": staticmethod(hook)}), "tests")
    return catalog
