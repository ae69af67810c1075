"""Fuzz targets: every reader of external data, with inputs close to valid ones.

A target is fed one input and may either accept it or raise an error of its own class. What it
accepts must be what it promises, checked by a second reader where there is one.
"""

from __future__ import annotations

import copy
import json
import os
import struct
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import tomli_w
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from stylezoo.errors import (
    InvalidSpecError,
    LockFileError,
    RecordError,
    RegistryError,
    RegistryFormatError,
    StyleZooError,
    WeightsError,
)
from stylezoo.registry.config import read_config_file
from stylezoo.registry.index_io import read_targets
from stylezoo.registry.lock_file import read_lock_file
from stylezoo.registry.record_io import parse_record, read_record, render_record
from stylezoo.registry.spec import StyleSpec
from stylezoo.registry.strict_json import parse_object
from stylezoo.registry.weights import read_header, read_net_metadata

STYLES = Path(__file__).parents[2] / "registry" / "stylezoo_styles" / "styles"
FOLDER = tempfile.TemporaryDirectory(prefix="stylezoo-fuzz-")  # removed when this process ends

Tree = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader to fuzz.

    Attributes:
        inputs: strategy for its inputs.
        feed: feeds it one input.
        error: the class of errors it may raise.
    """

    inputs: SearchStrategy[Any]
    feed: Callable[[Any], None]
    error: type[StyleZooError]


# Values of every kind, including those at the limits of what is allowed.
_SCALARS: SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 2**31, 2**31 + 1, 2**48, 2**63, 10**9, 10**30]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "unknown",
            "../x",
            "/x",
            "C:\\x",
            "CON",
            "a\0",
            "ａ",
            "x" * 10_001,
            "os:system",
            "1.0.0",
            "1!2.0+local",
            "(" * 500,
            "MIT OR " * 900 + "MIT",
            "2026-13-45",
            "0" * 64,
            "model.safetensors",
            "\u202e",
            "\x1b[2J",
        ]
    ),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=6,
)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the path to every value in a tree of tables and lists."""
    found = [path] if path else []
    if isinstance(tree, dict):
        inner: Any = tree.items()
    else:
        inner = enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        found += _places(value, (*path, key))
    return found


@st.composite
def changed_trees(draw: st.DrawFn, tree: Tree) -> Tree:
    """Make up to three changes to a tree: values replaced, removed, duplicated or added."""
    changed = copy.deepcopy(tree)
    for _ in range(draw(st.integers(0, 3))):
        places = _places(changed)
        if not places:
            break
        *path, last = draw(st.sampled_from(places))
        holder: Any = changed
        for key in path:
            holder = holder[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add", "double"]))
        if action == "replace":
            holder[last] = draw(_VALUES)
        elif action == "remove":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(draw(_VALUES) if action == "add" else holder[last])
        elif action == "add":
            holder[draw(st.text(min_size=1, max_size=8))] = draw(_VALUES)
    return changed


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Overwrite, insert, remove, repeat or cut off some of the bytes."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        length = draw(st.integers(0, 40))
        action = draw(st.sampled_from(["overwrite", "insert", "remove", "repeat", "cut"]))
        if action == "overwrite":
            changed[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
        elif action == "insert":
            changed[at:at] = draw(st.binary(max_size=8))
        elif action == "remove":
            del changed[at : at + length]
        elif action == "repeat":
            changed[at:at] = changed[at : at + length]
        else:
            del changed[at:]
    return bytes(changed)


def _written(name: str, content: bytes) -> Path:
    """Write content to a file of this process."""
    path = Path(FOLDER.name) / name
    path.write_bytes(content)
    return path


# Records.


def _small_record() -> Tree:
    (folder,) = (STYLES / "starry-night").iterdir()
    table = tomllib.loads((folder / "style.toml").read_text())
    table.pop("quality", None)
    return table


RECORD = _small_record()
RECORD_BYTES = tomli_w.dumps(RECORD).encode()


def _feed_record_tree(table: Tree) -> None:
    record = parse_record(tomli_w.dumps(table), origin="fuzz")
    assert parse_record(render_record(record), origin="again") == record


def _feed_record_bytes(content: bytes) -> None:
    read_record(_written("style.toml", content).parent)


# The index.

CUSTOM = {
    "summary": "Waves",
    "tags": ["sea", "blue"],
    "status": "stable",
    "licence": "CC0-1.0",
    "net": "johnson",
    "styles": [["monet", "Water Lilies"]],
    "total_size": 300_000,
    "repository": "alice/ink",
    "commit": "0" * 40,
}
INDEX = {
    "styles/ink/1.0.0/style.toml": {"length": 5000, "sha256": "0" * 64, "custom": CUSTOM},
    "styles/ink/1.1.0/style.toml": {"length": 5000, "sha256": "1" * 64, "custom": CUSTOM},
}
INDEX_BYTES = json.dumps(INDEX).encode()


def _feed_index_tree(tree: Tree) -> None:
    targets = {
        path: (entry.get("length"), entry.get("sha256"), entry.get("custom"))
        if isinstance(entry, dict)
        else (None, None, entry)
        for path, entry in tree.items()
    }
    for versions in read_targets(targets).values():
        for entry in versions:
            assert entry.summary.isprintable()
            assert 0 < entry.size <= entry.total_size


def _feed_index_bytes(content: bytes) -> None:
    value = parse_object(content, "fuzz")
    assert value == json.loads(content)
    _feed_index_tree(value)


# Headers of weights files.

HEADER = {
    "__metadata__": {"stylezoo.net": '{"name": "johnson", "arguments": {"width": 4}}'},
    "a.weight": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]},
    "a.bias": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]},
    "count": {"dtype": "I64", "shape": [], "data_offsets": [20, 28]},
}
DATA = bytes(28)


def _safetensors(header: bytes, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + data


WEIGHTS_BYTES = _safetensors(json.dumps(HEADER).encode(), DATA)


def _feed_header_tree(tree: Tree) -> None:
    _feed_weights_bytes(_safetensors(json.dumps(tree).encode(), DATA))


def _feed_weights_bytes(content: bytes) -> None:
    path = _written("model.safetensors", content)
    read_header(path)
    safetensors.deserialize(content)  # what we accept, safetensors must accept
    read_net_metadata(path)


# What users write.

SPECS = (
    "~nobody/x",
    "museum@>=1,<2:monet=0.7,hokusai=0.3",
    "alice/ink@1.2.0",
    "./a/b:c",
    "great-wave@~=1.0",
)
LOCK = {
    "schema": 1,
    "styles": [
        {
            "name": "toy",
            "version": "1.0.0",
            "source": "embedded",
            "record": "0" * 64,
            "weights": "1" * 64,
        }
    ],
}
CONFIG = {
    "registries": [
        {"name": "museum", "location": "https://example.org/styles", "root": "root.json"},
        {"name": "mine", "location": "/srv/styles"},
    ]
}


def _feed_spec(text: str) -> None:
    spec = StyleSpec.parse(text)
    assert sum(part is not None for part in (spec.name, spec.path, spec.repository)) == 1


def _feed_lock(content: bytes) -> None:
    read_lock_file(_written("stylezoo.lock", content))


def _feed_config(content: bytes) -> None:
    os.environ["STYLEZOO_CONFIG"] = str(_written("registries.toml", content))
    read_config_file()


def _toml(tree: Tree) -> bytes:
    return tomli_w.dumps(tree).encode()


def _spoilt_texts() -> SearchStrategy[str]:
    spoilt = st.sampled_from(SPECS).flatmap(lambda spec: changed_bytes(spec.encode()))
    return st.one_of(st.text(max_size=60), spoilt.map(lambda raw: raw.decode("utf-8", "replace")))


TARGETS = {
    "record, as values": Target(
        inputs=changed_trees(RECORD), feed=_feed_record_tree, error=RecordError
    ),
    "record, as bytes": Target(
        inputs=changed_bytes(RECORD_BYTES), feed=_feed_record_bytes, error=RecordError
    ),
    "index, as values": Target(
        inputs=changed_trees(INDEX), feed=_feed_index_tree, error=RegistryFormatError
    ),
    "index, as bytes": Target(
        inputs=changed_bytes(INDEX_BYTES), feed=_feed_index_bytes, error=RegistryFormatError
    ),
    "weights, as values": Target(
        inputs=changed_trees(HEADER), feed=_feed_header_tree, error=WeightsError
    ),
    "weights, as bytes": Target(
        inputs=changed_bytes(WEIGHTS_BYTES), feed=_feed_weights_bytes, error=WeightsError
    ),
    "spec": Target(inputs=_spoilt_texts(), feed=_feed_spec, error=InvalidSpecError),
    "lock file": Target(
        inputs=st.one_of(changed_trees(LOCK).map(_toml), changed_bytes(_toml(LOCK))),
        feed=_feed_lock,
        error=LockFileError,
    ),
    "config": Target(
        inputs=st.one_of(changed_trees(CONFIG).map(_toml), changed_bytes(_toml(CONFIG))),
        feed=_feed_config,
        error=RegistryError,
    ),
}


def feed(target: Target, value: Any) -> bool:
    """Feed one input.

    Returns:
        True if it was accepted, False if it was refused with a proper error.
    """
    try:
        target.feed(value)
    except target.error as error:
        assert 0 < len(str(error)) < 2000
        assert str(error).isprintable()
        return False
    return True
