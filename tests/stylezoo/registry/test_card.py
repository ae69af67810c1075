"""The model card, as the Hub reads it."""

import dataclasses

import pytest

from stylezoo.registry.card import render_card
from stylezoo.registry.record_io import read_record


def test_tags_are_written_as_they_are(toy_style):
    record = dataclasses.replace(read_record(toy_style), tags=("🎨", 'ink "wash"', "墨"))
    # JSON escapes the first as a surrogate pair, which YAML reads as two broken characters.
    line = 'tags: ["style-transfer", "🎨", "ink \\"wash\\"", "墨"]'
    assert line in render_card(record).splitlines()


@pytest.mark.parametrize(
    ("licence", "on_the_hub"),
    [
        ("CC0-1.0", "cc0-1.0"),
        ("cc0-1.0", "cc0-1.0"),
        ("apache-2.0", "apache-2.0"),
        ("unknown", "other"),
        ("LicenseRef-Public-Domain", "other"),
    ],
)
def test_a_licence_in_any_case_is_the_hubs(toy_style, licence, on_the_hub):
    record = read_record(toy_style)
    record = dataclasses.replace(
        record, licence=dataclasses.replace(record.licence, weights=licence)
    )
    assert f"license: {on_the_hub}" in render_card(record).splitlines()
