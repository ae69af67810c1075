"""The record: what it accepts, and how precisely it names what is wrong."""

import copy
import dataclasses
import json
import pickle
import tomllib

import jsonschema
import pytest
import tomli_w

from stylezoo.errors import RecordError
from stylezoo.registry.record import status_of
from stylezoo.registry.record_io import parse_record, read_record, record_to_dict, render_record
from stylezoo.registry.schema import SCHEMA_FILE, record_json_schema


@pytest.fixture
def table(toy_style):
    """A valid record as a plain table, to break."""
    return tomllib.loads((toy_style / "style.toml").read_text())


def put(table, path, value):
    """Set the value at a path like "files.0.size", or delete it if the value is ``...``."""
    *parents, last = path.split(".")
    for part in parents:
        table = table[int(part)] if part.isdigit() else table[part]
    if value is ...:
        del table[last]
    else:
        table[int(last) if last.isdigit() else last] = value


def test_round_trip(toy_style):
    record = read_record(toy_style)
    again = parse_record(render_record(record), origin="again")
    assert again == record
    assert record_to_dict(again) == tomllib.loads((toy_style / "style.toml").read_text())


def test_a_record_is_an_ordinary_value(toy_style):
    record = read_record(toy_style)
    assert pickle.loads(pickle.dumps(record)) == copy.deepcopy(record) == record
    assert dataclasses.asdict(record)["net"]["arguments"] == dict(record.net.arguments)
    assert hash(record) == hash(read_record(toy_style))


def test_what_is_done_to_a_record_stays_with_it(toy_style):
    record = read_record(toy_style)
    record.net.arguments["width"] = 99
    assert read_record(toy_style).net.arguments["width"] == 4


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("0.9.0", "experimental"),
        ("1.0.0rc1", "experimental"),
        ("1.0.0.dev2", "experimental"),
        ("1.0.0", "stable"),
        ("2.0.0b1", "experimental"),
        ("1.0.0.post1", "stable"),
    ],
)
def test_a_version_that_is_no_release_yet_is_experimental(version, status):
    assert status_of(version) == status


def test_optional_tables_may_be_missing(table):
    del table["quality"]
    record = parse_record(tomli_w.dumps(table), origin="x")
    assert record.quality is None
    assert "quality" not in record_to_dict(record)


@pytest.mark.parametrize(
    ("path", "value", "field", "reason"),
    [
        ("schema", 2, "schema", "2 is newer than this stylezoo reads (1); run: pip install"),
        ("schema", 0, "schema", "it is 0, not 1"),
        ("schema", True, "schema", "it is True, not 1"),
        ("schema", "1", "schema", "it is '1', not 1"),
        ("name", "Great Wave", "name", "'Great Wave' is not a style name"),
        ("name", "../x", "name", "is not a style name"),
        ("name", "con", "name", "is not a style name"),
        ("name", "a" * 65, "name", "is not a style name"),
        ("name", "wave\n", "name", "is not a style name"),
        ("name", ..., "name", "it is missing"),
        ("name", 7, "name", "7 is not text"),
        ("version", "one", "version", "'one' is not a version"),
        ("version", "1.0.0+local", "version", "not in its plain form"),
        ("version", "v1.0", "version", "not in its plain form"),
        ("version", 1.0, "version", "1.0 is not a version"),
        ("version", "9" * 5000, "version", "it has 5000 characters, more than 100"),
        ("status", "new", "status", "'new' is not one of 'stable', 'experimental', 'deprecated'"),
        ("tags", "ink", "tags", "'ink' is not a list"),
        ("tags", [1], "tags[0]", "1 is not text"),
        ("tags", ["x"] * 101, "tags", "it has 101 entries, more than 100"),
        ("summary", "x" * 10_001, "summary", "it has 10001 characters, more than"),
        ("summary", "two\nlines", "summary", "contains unprintable characters"),
        ("summary", "x" * 1001, "summary", "it has 1001 characters, more than 1000"),
        ("tags", ["x" * 101], "tags[0]", "it has 101 characters, more than 100"),
        ("sumary", "x", "sumary", "there is no such field; did you mean 'summary'?"),
        ("net.name", "os:system", "net.name", "not an import path"),
        ("net.name", "torch.nn", "net.name", "not an import path"),
        ("net.arguments", [], "net.arguments", "[] is not a table"),
        (
            "net.arguments.width",
            [1],
            "net.arguments.width",
            "[1] is not text, a number, true or false",
        ),
        ("net.arguments.width", 10**12, "net.arguments.width", "is out of range"),
        ("net.arguments.width", float("nan"), "net.arguments.width", "nan is not finite"),
        ("net.plugin", ..., "net.plugin", "it is missing"),
        ("files", [], "files", "0 files have the role 'weights', not 1"),
        ("files.0.sha256", "abc", "files[0].sha256", "'abc' is not 64 hex digits"),
        ("files.0.sha256", "A" * 64, "files[0].sha256", "is not 64 hex digits"),
        ("files.0.size", 0, "files[0].size", "0 is less than 1"),
        ("files.0.size", -5, "files[0].size", "-5 is less than 1"),
        ("files.0.size", "1", "files[0].size", "'1' is not an integer"),
        ("files.0.size", True, "files[0].size", "True is not an integer"),
        ("files.0.path", "../model", "files[0].path", "'../model' is not a plain relative path"),
        ("files.0.path", "/etc/passwd", "files[0].path", "is not a plain relative path"),
        ("files.0.path", "C:/x", "files[0].path", "is not a plain relative path"),
        ("files.0.path", "a\\b", "files[0].path", "is not a plain relative path"),
        ("files.0.path", "a\0b", "files[0].path", "is not TOML"),
        ("files.0.path", "nul.txt", "files[0].path", "is not a plain relative path"),
        ("files.0.path", "a//b", "files[0].path", "is not a plain relative path"),
        ("files.0.path", "dot.", "files[0].path", "is not a plain relative path"),
        ("files.0.path", "", "files[0].path", "is not a plain relative path"),
        (
            "files.0.path",
            "PREVIEW.JPG",
            "files[2].path",
            "is listed twice, or differs from another only in case",
        ),
        ("files.0.role", "code", "files[0].role", "'code' is not one of"),
        ("files.1.role", "weights", "files", "2 files have the role 'weights'"),
        ("io.stride", 0, "io.stride", "0 is less than 1"),
        ("io.input_range", [1, 0], "io.input_range", "[1.0, 0.0] is empty"),
        ("io.input_range", [0, 1, 2], "io.input_range", "it has 3 entries, not 2"),
        ("io.tiling", 1, "io.tiling", "1 is not true or false"),
        ("licence.weights", "free", "licence.weights", "'free' is not an SPDX licence expression"),
        ("licence.weights", ..., "licence.weights", "it is missing"),
        ("provenance.created", "yesterday", "provenance.created", "is not an ISO date"),
        ("test.tolerance", 1.0, "test.tolerance", "1.0 is not in (0, 0.1]"),
        ("test.height", 5000, "test.height", "5000 is more than 1024 pixels, too slow for a test"),
        ("test.input", "noise", "test.input", "'noise' is not one of 'waves'"),
        ("test.output", "other", "test.output", "is not the file with the role 'golden'"),
        ("preview.path", "other", "preview.path", "is not the file with the role 'preview'"),
        (
            "quality.sizes.0.objective",
            float("inf"),
            "quality.sizes[0].objective",
            "inf is not finite",
        ),
        ("quality.sizes", [], "quality.sizes", "it is empty"),
        ("quality.size", 3, "quality.size", "did you mean 'sizes'?"),
    ],
)
def test_each_fault_is_named_with_its_field(table, path, value, field, reason):
    put(table, path, value)
    text = tomli_w.dumps(table)
    if reason == "is not TOML":
        text, field = text.replace("\\u0000", "\0"), ""
    with pytest.raises(RecordError) as caught:
        parse_record(text, origin="here/style.toml")
    assert caught.value.field == field
    assert reason in caught.value.reason
    assert str(caught.value).startswith(f"here/style.toml: {field}")


@pytest.mark.parametrize("licence", ["unknown", "CC0-1.0", "MIT OR Apache-2.0", "LicenseRef-mine"])
def test_licences_that_are_legal(table, licence):
    table["licence"]["weights"] = licence
    assert parse_record(tomli_w.dumps(table), origin="x").licence.weights == licence


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is None, not 1"),
        (b"= 3", "it is not TOML"),
        (b"\xff\xfe", "it is not UTF-8"),
        (b"a = 1\na = 2", "it is not TOML"),
        (b"x = " + b"[" * 100_000, "it is not TOML"),
        (b"#" * 300_000, "it is larger than 256 kB"),
        (b"x = " + b"9" * 5000, "it is not TOML: an integer has more than 64 bits"),
        (b"schema = 0x" + b"f" * 5000, "the integer 'schema' has more than 64 bits"),
        (b"a.b = [1, -" + b"9" * 400 + b"]", r"the integer 'a\.b\[1\]' has more than 64 bits"),
        (b"schema" + b".x" * 2000 + b" = 1", "it nests deeper than 32 levels"),
    ],
)
def test_files_that_are_no_record(tmp_path, content, reason):
    (tmp_path / "style.toml").write_bytes(content)
    with pytest.raises(RecordError, match=reason):
        read_record(tmp_path)


def test_missing_record(tmp_path):
    with pytest.raises(RecordError, match=r"style\.toml: it cannot be read: No such file"):
        read_record(tmp_path)


def test_the_schema_that_ships_is_made_from_the_code(root):
    shipped = json.loads((root / "stylezoo" / "registry" / SCHEMA_FILE).read_text())
    assert shipped == record_json_schema()
    jsonschema.Draft202012Validator.check_schema(shipped)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "Great Wave"),
        ("schema", 2),
        ("net.name", "os:system"),
        ("files.0.sha256", "abc"),
        ("files.0.size", "1"),
        ("licence.code", ...),
        ("io.colour", True),
        ("test.input", "noise"),
    ],
)
def test_the_schema_accepts_what_the_code_does_and_refuses_faults(table, path, value):
    validator = jsonschema.Draft202012Validator(record_json_schema())
    validator.validate(table)
    put(table, path, value)
    assert not validator.is_valid(table)
