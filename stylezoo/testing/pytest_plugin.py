"""The pytest plugin that comes with stylezoo: fixtures, and the tests of PluginConformance.

pytest imports it at each start wherever stylezoo is installed, so it imports next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stylezoo.catalog import Catalog


@pytest.fixture
def stylezoo_catalog() -> Catalog:
    """An empty catalog that discovers nothing: a test adds just the plugins it wants."""
    from stylezoo.catalog import Catalog

    return Catalog()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of PluginConformance for each component of its plugin."""
    if "stylezoo_component" not in metafunc.fixturenames:
        return
    from stylezoo.testing.conformance import components_of

    components = components_of(getattr(metafunc.cls, "plugin", ""))
    metafunc.parametrize(
        "stylezoo_component", components, ids=[f"{c.kind}-{c.name}" for c in components]
    )
