"""Weights files: what loads, and the error for each broken kind."""

import json
import pickle
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

import stylezoo
from stylezoo.errors import IntegrityError, OutputError, PluginError, WeightsError
from stylezoo.registry.publish import write_style
from stylezoo.registry.record_io import read_record
from stylezoo.registry.weights import load_weights, read_net_metadata, save_weights


def toy_net():
    return stylezoo.create_net("johnson", width=4, norm="instance")


@pytest.fixture
def weights(toy_style, tmp_path):
    """A copy of good weights, to break."""
    return shutil.copy(toy_style / "model.safetensors", tmp_path / "model.safetensors")


def rewrite(path, change):
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def header_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_half_precision_weights_load_as_float32(toy_style):
    net = toy_net()
    load_weights(net, toy_style / "model.safetensors")
    stored = load_file(toy_style / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    for name, tensor in net.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, stored[name].float())


def test_the_same_weights_make_the_same_bytes(tmp_path):
    net = toy_net()
    for name in ("a", "b"):
        save_weights(
            tmp_path / name,
            net.state_dict(),
            dtype=torch.float16,
            net_name="johnson",
            net_arguments={"width": 4, "norm": "instance"},
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_weights_that_are_not_finite_are_told_of_by_the_name_of_their_file(tmp_path):
    """Its folder is a temporary one that means nothing to the user."""
    with pytest.raises(WeightsError, match=r"^model.safetensors would have non-finite values in"):
        save_weights(
            tmp_path / "model.safetensors",
            {"large": torch.tensor([1e6])},
            dtype=torch.float16,
            net_name="johnson",
            net_arguments={},
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_tied_parameters_are_stored_each(tmp_path, dtype):
    tied = torch.rand(3, 3)
    tensors = {"a": tied, "b": tied, "c": tied[0]}
    save_weights(tmp_path / "tied", tensors, dtype=dtype, net_name="none", net_arguments={})
    stored = load_file(tmp_path / "tied")
    assert stored.keys() == tensors.keys()
    assert all(torch.equal(stored[name], tensors[name].to(dtype)) for name in tensors)


def test_a_bare_file_says_which_net_it_is_for_and_loads(weights, astronaut):
    assert read_net_metadata(weights) == ("johnson", {"width": 4, "norm": "instance"})
    style = stylezoo.load(weights)
    assert style.record is None
    assert style(astronaut).size == (512, 512)


def test_a_bare_file_without_metadata_is_refused(weights):
    rewrite(weights, lambda tensors: None)
    with pytest.raises(WeightsError, match="does not say which net it is for"):
        stylezoo.load(weights)


def test_a_bare_file_with_metadata_that_nests_without_end_is_refused(weights):
    save_file(load_file(weights), weights, metadata={"stylezoo.net": "[" * 200_000})
    with pytest.raises(WeightsError, match="does not say which net it is for"):
        stylezoo.load(weights)


def test_a_bare_file_that_names_something_to_import_is_refused(weights):
    save_file(
        load_file(weights),
        weights,
        metadata={"stylezoo.net": '{"name": "os:system", "arguments": {}}'},
    )
    with pytest.raises(WeightsError, match="'os:system', which is not the name of a net"):
        stylezoo.load(weights)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def drop_one(tensors):
    del tensors["decoder.4.bias"]


def add_one(tensors):
    tensors["extra"] = torch.zeros(1)


def reshape_one(tensors):
    tensors["decoder.4.bias"] = torch.zeros(4)


def make_nan(tensors):
    tensors["decoder.4.bias"][1] = float("nan")


def make_integer(tensors):
    tensors["decoder.4.bias"] = torch.zeros(3, dtype=torch.int32)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (cut, "is broken"),
        (lambda path: rewrite(path, drop_one), r"lacks the tensors decoder\.4\.bias"),
        (lambda path: rewrite(path, add_one), "tensors that the net does not have: extra"),
        (lambda path: rewrite(path, reshape_one), r"decoder\.4\.bias \(\[4\] instead of \[3\]\)"),
        (lambda path: rewrite(path, make_nan), r"has non-finite values in decoder\.4\.bias"),
        (lambda path: rewrite(path, make_integer), r"the wrong type: decoder\.4\.bias"),
        (lambda path: path.write_bytes(b""), "0 bytes long, too short"),
        (lambda path: path.write_bytes(pickle.dumps(["x"] * 9)), "is a Python pickle"),
        (lambda path: torch.save({"a": torch.zeros(3)}, path), "zip archive or a PyTorch pickle"),
        (lambda path: path.write_text("<!DOCTYPE html>" + " " * 99), "is an HTML page"),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:"),
            "is a Git LFS pointer",
        ),
        (
            lambda path: path.write_bytes(struct.pack("<Q", 2**60) + b" " * 99),
            "longer than 1000000",
        ),
        (
            lambda path: path.write_bytes(struct.pack("<Q", 500) + b" " * 99),
            "truncated in its header",
        ),
        (lambda path: path.write_bytes(header_bytes({})), "holds 0 tensors"),
        (lambda path: path.write_bytes(header_bytes(b"[1]" + b" " * 9)), "it is not an object"),
        (
            lambda path: path.write_bytes(header_bytes({f"t{i}": {} for i in range(2001)})),
            "holds 2001 tensors",
        ),
        (
            lambda path: path.write_bytes(header_bytes(b'{"a": {}, "a": {}}')),
            "a key appears twice",
        ),
        (
            lambda path: path.write_bytes(
                header_bytes({"a": {"dtype": "F32", "shape": [2**62, 0], "data_offsets": [0, 0]}})
            ),
            "is broken|lacks the tensors",
        ),
    ],
)
def test_broken_weights_are_refused_with_the_reason(weights, spoil, reason):
    spoil(weights)
    with pytest.raises(WeightsError, match=reason):
        load_weights(toy_net(), weights)


def test_many_faults_are_listed_up_to_five(weights):
    rewrite(weights, lambda tensors: tensors.clear() or tensors.update(x=torch.zeros(1)))
    with pytest.raises(WeightsError, match=r"lacks the tensors (\S+, ){4}\S+ and \d+ more"):
        load_weights(toy_net(), weights)


@pytest.fixture
def style_copy(toy_style, tmp_path):
    return shutil.copytree(toy_style, tmp_path / "style")


def test_a_flipped_byte_is_found_by_the_hash(style_copy):
    path = style_copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"has the sha256 .* its record says .* get toy 1"):
        stylezoo.load(style_copy)


def test_a_cut_file_is_found_by_its_size(style_copy):
    cut(style_copy / "model.safetensors")
    with pytest.raises(IntegrityError, match=r"has \d+ bytes, but its record says \d+"):
        stylezoo.load(style_copy)


def test_a_link_in_place_of_the_weights_is_refused(style_copy):
    path = style_copy / "model.safetensors"
    path.rename(style_copy / "elsewhere")
    path.symlink_to("elsewhere")
    with pytest.raises(IntegrityError, match="is not a regular file"):
        stylezoo.load(style_copy)


def test_a_missing_file_is_named(style_copy):
    (style_copy / "model.safetensors").unlink()
    with pytest.raises(IntegrityError, match=r"model\.safetensors cannot be read: No such file"):
        stylezoo.load(style_copy)


def test_an_architecture_that_nobody_provides_names_what_to_install(style_copy):
    record = style_copy / "style.toml"
    text = record.read_text().replace('"johnson"', '"magic"')
    record.write_text(text.replace('plugin = "stylezoo"', 'plugin = "stylezoo-magic"'))
    with pytest.raises(PluginError, match=r"net 'magic'.*run: pip install stylezoo-magic"):
        stylezoo.load(style_copy)


def test_a_style_folder_is_never_written_over(toy_style, style_copy):
    before = sorted(style_copy.iterdir())
    with pytest.raises(OutputError, match="exists and is not empty"):
        write_style(style_copy, net=toy_net(), draft=None, preview=None)
    assert sorted(style_copy.iterdir()) == before


def test_a_failed_write_leaves_nothing(tmp_path, toy_style):
    with pytest.raises(AttributeError):  # the draft fails half-way, after the weights
        write_style(tmp_path / "style", net=toy_net(), draft=object(), preview=None)
    assert list(tmp_path.iterdir()) == []


def test_golden_output_finds_other_weights(style_copy):
    from stylezoo.registry.golden import golden_difference

    record = read_record(style_copy)
    net = toy_net().eval()
    load_weights(net, style_copy / "model.safetensors")
    with torch.inference_mode():
        assert golden_difference(net, style_copy, record) <= record.test.tolerance
        net.decoder[4].bias += 0.1
        with pytest.raises(WeightsError, match="does not reproduce its golden output"):
            golden_difference(net, style_copy, record)


def test_golden_input_is_its_formula():
    from math import cos, pi, sin

    from stylezoo.registry.golden import golden_input

    image = golden_input("waves", 6, 10)
    assert image.shape == (1, 3, 6, 10)
    assert 0 <= image.min() <= image.max() <= 1
    c, y, x = 2, 5, 7
    expected = (
        0.5
        + sin(2 * pi * (c + 1) * (3 * y / 6 + x / 10)) / 4
        + cos(2 * pi * (5 * x / 10 - (c + 1) * y / 6)) / 4
    )
    assert image[0, c, y, x].item() == pytest.approx(expected, abs=1e-6)
