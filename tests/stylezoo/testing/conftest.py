import re

import pytest


@pytest.fixture
def assert_found():
    """Assert that a report has an error of a check whose text matches a pattern."""

    def assert_found(report, check, pattern):
        errors = [str(finding) for finding in report.errors]
        mine = [text for text in errors if text.startswith((f"{check} ", f"{check}:"))]
        assert any(re.search(pattern, text) for text in mine), errors

    return assert_found
