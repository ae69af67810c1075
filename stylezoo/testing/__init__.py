"""The conformance kit: does a component keep the promises of its interface?

::

    from stylezoo.testing import assert_conforms, check_loss

    def test_conforms():
        assert_conforms(check_loss("mine"))

Each check finds every fault at once and returns a Report: for each fault, what was seen, what was
expected, for which input, and what to do. docs/testing.md lists the checks.

Importing this package imports none of torch, numpy or pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylezoo.findings import Finding, Report
    from stylezoo.testing.backbone import check_backbone
    from stylezoo.testing.conformance import PluginConformance
    from stylezoo.testing.examination import assert_conforms
    from stylezoo.testing.loss import check_loss
    from stylezoo.testing.net import check_net
    from stylezoo.testing.norm import check_norm
    from stylezoo.testing.plugin import check_plugin
    from stylezoo.testing.source import check_source
    from stylezoo.testing.style import check_style

_HOME_OF = {
    "Finding": "stylezoo.findings",
    "PluginConformance": "stylezoo.testing.conformance",
    "Report": "stylezoo.findings",
    "assert_conforms": "stylezoo.testing.examination",
    "check_backbone": "stylezoo.testing.backbone",
    "check_loss": "stylezoo.testing.loss",
    "check_net": "stylezoo.testing.net",
    "check_norm": "stylezoo.testing.norm",
    "check_plugin": "stylezoo.testing.plugin",
    "check_source": "stylezoo.testing.source",
    "check_style": "stylezoo.testing.style",
}

__all__ = [
    "Finding",
    "PluginConformance",
    "Report",
    "assert_conforms",
    "check_backbone",
    "check_loss",
    "check_net",
    "check_norm",
    "check_plugin",
    "check_source",
    "check_style",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'stylezoo.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value  # later look-ups skip this function
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
