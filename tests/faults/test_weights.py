"""Faults 48 to 51: weights that are broken, hostile, for another net or a missing one."""

import hashlib
import io
import json
import pickle
import re
import shutil
import struct
import subprocess
import sys
import time
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

import stylezoo
from stylezoo.errors import PluginError, WeightsError
from stylezoo.registry.weights import load_weights


def safetensors(header, data=b""):
    """A file with this header, given as a value or as raw bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start=0, stop=8, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]}


def zip_bytes():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/data.pkl", b"x")
    return buffer.getvalue()


GOOD = safetensors({"a": tensor()}, bytes(8))
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"

# What safetensors refuses too, and other files that go by the name of a weights file.
BROKEN = {
    "too short": (b"1234", "4 bytes long, too short"),
    "header over the limit": (struct.pack("<Q", 100_000_001) + bytes(99), "longer than 1000000"),
    "header longer than the file": (struct.pack("<Q", 9000) + bytes(99), "truncated in its header"),
    "not json": (safetensors(b"{'a': 1}"), "broken header"),
    "not utf-8": (safetensors(b'{"\xff\xfe": 1}'), "broken header"),
    "truncated": (GOOD[:-1], "its tensors have 8 bytes, but the file has 7"),
    "trailing bytes": (GOOD + b"x", "its tensors have 8 bytes, but the file has 9"),
    "a zip after it": (GOOD + zip_bytes(), "its tensors have 8 bytes, but the file has"),
    "overlap": (
        safetensors({"a": tensor(), "b": tensor(4, 12)}, bytes(12)),
        "b does not start where the tensor before it ends",
    ),
    "a hole": (
        safetensors({"a": tensor(), "b": tensor(12, 20)}, bytes(20)),
        "b does not start where the tensor before it ends",
    ),
    "reversed offsets": (safetensors({"a": tensor(8, 0)}, bytes(8)), "does not take -8 bytes"),
    "shape unlike its bytes": (
        safetensors({"a": tensor(shape=(3,))}, bytes(8)),
        r"its shape \[3\] as F32 does not take 8 bytes",
    ),
    "overflow": (safetensors({"a": tensor(shape=(2**62, 4))}, bytes(8)), "is not a list of sizes"),
    "no elements of a huge shape": (
        safetensors({"a": tensor(0, 0, shape=(2**62, 0))}),
        "is not a list of sizes",
    ),
    "negative": (safetensors({"a": tensor(shape=(-2, -1))}, bytes(8)), "is not a list of sizes"),
    "a truth value": (
        safetensors({"a": tensor(shape=(True, 2))}, bytes(8)),
        "is not a list of sizes",
    ),
    "a fraction": (safetensors({"a": tensor(shape=(2.0,))}, bytes(8)), "is not a list of sizes"),
    "many dimensions": (
        safetensors({"a": tensor(shape=[1] * 99)}, bytes(8)),
        "is not a list of sizes",
    ),
    "unknown dtype": (safetensors({"a": tensor(dtype="F99")}, bytes(8)), "its dtype is 'F99'"),
    "no text as dtype": (safetensors({"a": tensor(dtype=[1])}, bytes(8)), "its dtype is"),
    "an entry that is none": (safetensors({"a": 3}, bytes(8)), "its keys must be exactly"),
    "one key more": (
        safetensors({"a": {**tensor(), "x": 1}}, bytes(8)),
        "its keys must be exactly",
    ),
    "metadata of numbers": (
        safetensors({"__metadata__": {"x": 1}, "a": tensor()}, bytes(8)),
        "its metadata is not a table of texts",
    ),
    "metadata that is a list": (
        safetensors({"__metadata__": [], "a": tensor()}, bytes(8)),
        "its metadata is not a table of texts",
    ),
    "metadata twice": (
        safetensors(b'{"__metadata__": {}, "__metadata__": {}, "a": 1}'),
        "a key appears twice",
    ),
    "a tensor twice": (
        safetensors(
            b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, '
            b'"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
            bytes(8),
        ),
        "a key appears twice",
    ),
    "deep nesting": (safetensors(b"[" * 100_000 + b"]" * 100_000), "broken header"),
    "NaN": (
        safetensors(b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 8]}}', bytes(8)),
        "is not a list of sizes",
    ),
    "no tensors": (safetensors({}), "holds 0 tensors"),
    "a nameless tensor": (
        safetensors({"": tensor()}, bytes(8)),
        "a tensor has the invalid name ''",
    ),
    "a very long name": (
        safetensors({"x" * 9999: tensor()}, bytes(8)),
        "a tensor has the invalid name 'xxx",
    ),
    "a third of a million lists": (
        safetensors(b"[" + b"[]," * 330_000 + b"[]]"),
        "it is not an object",
    ),
    "a list": (safetensors([1, 2, 3]), "it is not an object"),
    "html": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "is an HTML page"),
    "git lfs": (POINTER, "a Git LFS pointer, not the file itself"),
    "pickle": (pickle.dumps(["x"] * 9), "is a Python pickle"),
    "zip": (zip_bytes(), "a zip archive or a PyTorch pickle"),
    "empty": (b"", "0 bytes long, too short"),
}


def net():
    return stylezoo.create_net("johnson", width=4, norm="instance")


@pytest.mark.parametrize("kind", BROKEN)
def test_fault_48_broken_weights_are_refused_with_the_reason(kind, tmp_path, unchanged):
    content, reason = BROKEN[kind]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with unchanged(tmp_path), pytest.raises(WeightsError, match=reason) as caught:
        load_weights(net(), path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 1000


class Bomb:
    """Unpickling it would leave a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_fault_48_a_pickle_is_never_run(tmp_path, fails, astronaut):
    trace = tmp_path / "trace"
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Bomb(str(trace))))
    message = fails("apply", path, astronaut, "-o", tmp_path / "out.png")
    assert "is a Python pickle, not safetensors; pickles are never loaded" in message
    assert sorted(tmp_path.iterdir()) == [path]


HUGE = {
    "300,000 tensors": safetensors({f"t{i}": tensor(0, 0, shape=(0,)) for i in range(300_000)}),
    "a header of 90 MB": safetensors(b'{"a": "' + b" " * 90_000_000 + b'"}'),
    "5 MB of metadata": safetensors({"__metadata__": {"x": "y" * 5_000_000}, "a": tensor()}),
    "2001 tensors": safetensors({f"t{i}": tensor(0, 0, shape=(0,)) for i in range(2001)}),
}


@pytest.mark.parametrize("kind", HUGE)
def test_fault_49_huge_headers_are_refused_at_once(kind, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(HUGE[kind])
    wanted = net()
    seconds = []
    for _ in range(3):  # the machine may be busy for a moment
        started = time.perf_counter()
        with pytest.raises(WeightsError, match=r"longer than 1000000|2001 tensors"):
            load_weights(wanted, path)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.1


def drop(tensors):
    for name in list(tensors)[:7]:
        del tensors[name]


def add(tensors):
    tensors.update({f"extra{i}": torch.zeros(1) for i in range(7)})


def reshape(tensors):
    tensors.update({name: torch.zeros(9, 9) for name in list(tensors)[:7]})


def retype(tensors):
    tensors.update({name: tensors[name].int() for name in list(tensors)[:7]})


def spoil(tensors):
    for name in list(tensors)[:7]:
        tensors[name].view(-1)[0] = float("nan")


def overflow(tensors):
    for name in list(tensors)[:7]:
        tensors[name].view(-1)[0] = float("inf")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop, "lacks the tensors"),
        (add, "has tensors that the net does not have:"),
        (reshape, "has tensors of the wrong shape:"),
        (retype, "has tensors of the wrong type:"),
        (spoil, "has non-finite values in"),
        (overflow, "has non-finite values in"),
    ],
)
def test_fault_50_other_tensors_are_listed_up_to_five(change, reason, toy_style, tmp_path):
    tensors = load_file(toy_style / "model.safetensors")
    change(tensors)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    wanted = net()
    before = {name: value.clone() for name, value in wanted.state_dict().items()}
    with pytest.raises(WeightsError, match=rf"{reason} .* and 2 more$") as caught:
        load_weights(wanted, path)
    named = {*wanted.state_dict(), *tensors} & set(re.findall(r"[\w.]+", str(caught.value)))
    assert len(named) == 5
    assert all(torch.equal(value, before[name]) for name, value in wanted.state_dict().items())


def test_fault_50_a_style_whose_weights_do_not_fit_leaves_no_picture(
    toy_style, tmp_path, fails, astronaut
):
    style = shutil.copytree(toy_style, tmp_path / "style")
    tensors = load_file(style / "model.safetensors")
    add(tensors)
    old = (style / "model.safetensors").read_bytes()
    save_file(tensors, style / "model.safetensors")
    new = (style / "model.safetensors").read_bytes()
    record = style / "style.toml"
    text = record.read_text().replace(f"size = {len(old)}", f"size = {len(new)}")
    text = text.replace(hashlib.sha256(old).hexdigest(), hashlib.sha256(new).hexdigest())
    record.write_text(text)
    message = fails("apply", style, astronaut, "-o", tmp_path / "out.png")
    assert "has tensors that the net does not have: extra0, extra1, " in message
    assert not (tmp_path / "out.png").exists()


LARGEST = """
import resource, sys, time
import torch, stylezoo
from stylezoo.errors import WeightsError

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

stylezoo.create_net("johnson", width=4, norm="instance")
before, started = megabytes(), time.perf_counter()
try:
    stylezoo.load(sys.argv[1])
except WeightsError as error:
    print(error)
print(megabytes() - before < 100, time.perf_counter() - started < 10)
"""


def test_fault_50_a_net_that_its_weights_cannot_fill_takes_no_memory(toy_style, tmp_path):
    """The largest net within the bounds has 1.2 billion parameters."""
    style = shutil.copytree(toy_style, tmp_path / "style")
    record = style / "style.toml"
    text = record.read_text()
    assert "width = 4\n" in text
    record.write_text(text.replace("width = 4\n", "width = 256\nresidual_blocks = 64\n"))
    done = subprocess.run([sys.executable, "-c", LARGEST, style], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    message, bounded = done.stdout.splitlines()
    assert "lacks the tensors" in message
    assert bounded == "True True"


@pytest.mark.parametrize("name", ["magic", "os-system"])
def test_fault_51_a_net_that_nobody_provides_names_what_to_install(
    name, toy_style, tmp_path, fails, unchanged, astronaut
):
    style = shutil.copytree(toy_style, tmp_path / "style")
    record = style / "style.toml"
    text = record.read_text().replace('name = "johnson"', f'name = "{name}"')
    record.write_text(text.replace('plugin = "stylezoo"', 'plugin = "stylezoo-magic"'))
    with unchanged(tmp_path):
        with pytest.raises(PluginError, match=re.escape("run: pip install stylezoo-magic")):
            stylezoo.load(style)
        message = fails("apply", style, astronaut, "-o", tmp_path / "out.png")
    assert f"needs the net {name!r}, which no installed plugin provides" in message
