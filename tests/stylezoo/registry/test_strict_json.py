"""Untrusted JSON has exactly one reading, or is refused."""

import json
import time

import pytest

from stylezoo.errors import RegistryFormatError
from stylezoo.registry.strict_json import MAX_DEPTH, parse_object


def test_an_object_is_read():
    content = '{"a": [1, 2.5, "ü", null, true], "b": {"c": {}}}'
    assert parse_object(content.encode(), "it") == json.loads(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1"),
        (b'{"a": 1,\n "b": }', "line 2"),
        (b'{"a": 1} x', "line 1"),
        (b"[]", "it is a list, not an object"),
        (b"null", "not an object"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        (b'{"a": 1, "b": {"c": 1, "c": 1}}', "the key 'c' appears twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": "\xff"}', "it: .*utf-8|utf-8"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "digits"),
        (b'{"a":' * 100_000, "too deeply"),
        (b"[" * 100_000, "too deeply"),
    ],
)
def test_what_has_no_one_reading_is_refused(content, reason):
    with pytest.raises(RegistryFormatError, match=reason) as caught:
        parse_object(content, "it")
    assert str(caught.value).startswith("it")
    assert len(str(caught.value)) < 500


def test_a_repeated_key_takes_no_longer_than_none():
    """Looking for each key in a list of all took minutes for a file of a few hundred kB."""
    keys = ",".join(f'"{number:x}":0' for number in range(61_000))
    began = time.process_time()
    parse_object(f"{{{keys}}}".encode(), "it")
    once = time.process_time() - began
    began = time.process_time()
    with pytest.raises(RegistryFormatError, match="the key 'ee47' appears twice"):
        parse_object(f'{{{keys},"ee47":0}}'.encode(), "it")
    assert time.process_time() - began < 20 * once


def test_depth_is_bounded():
    good = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    parse_object(good, "it")
    with pytest.raises(RegistryFormatError, match="deeper than 32 levels"):
        parse_object(b'{"a":' + good + b"}", "it")
