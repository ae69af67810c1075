"""docs/testing.md lists exactly the existing checks, and its examples run."""

import re

import pytest

from stylezoo.testing.plugin import known_checks


@pytest.fixture
def page(root):
    return (root / "docs" / "testing.md").read_text()


def test_every_check_is_documented(page):
    section = page.partition("## What is checked")[2]
    cells = re.findall(r"^\| (`[^|]*`) \|", section, flags=re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)}
    assert documented == {*known_checks(), "target"}


def test_its_tests_pass(page, stylezoo_catalog):
    snippets = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    names = {}
    for snippet in snippets:
        exec(compile(snippet, "testing.md", "exec"), names)
    names["test_the_loss_conforms"]()
    names["test_the_net_conforms_with_several_styles"]()
    names["test_the_norm_conforms"](stylezoo_catalog)
    assert names["TestMine"].plugin == "stylezoo-mine"


def test_every_function_is_listed_with_what_it_takes(page):
    import inspect

    from stylezoo import testing

    for name in testing.__all__:
        if not name.startswith("check_"):
            continue
        subject, *others = inspect.signature(getattr(testing, name)).parameters
        (row,) = re.findall(rf"^\| `{name}\({subject}\)` \| (.*) \|$", page, flags=re.MULTILINE)
        assert re.findall(r"`([a-z_]+)`", row) == others
