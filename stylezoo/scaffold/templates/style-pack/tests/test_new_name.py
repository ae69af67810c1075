"""The plugin conforms to its interface, and each of its styles is complete."""

from pathlib import Path

import pytest

import stylezoo
import stylezoo_new_name
from stylezoo.testing import PluginConformance, assert_conforms, check_style

STYLES = sorted((Path(stylezoo_new_name.__file__).parent / "styles").glob("*/*/style.toml"))


class TestPlugin(PluginConformance):
    """Runs the conformance kit on everything that the plugin registers."""

    plugin = "stylezoo-new-name"


@pytest.mark.parametrize("record", STYLES, ids=lambda record: record.parent.parent.name)
def test_style_conforms(record):
    assert_conforms(check_style(record.parent))


@pytest.mark.parametrize("record", STYLES, ids=lambda record: record.parent.parent.name)
def test_style_is_found_by_name(record):
    version, name = record.parent.name, record.parent.parent.name
    assert str(stylezoo.load(f"{name}@{version}").record.version) == version
