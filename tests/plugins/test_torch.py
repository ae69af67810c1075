"""PyTorch's two runtimes: the net itself, and one hard to tell from it."""

import numpy as np
import pytest
import torch

import stylezoo
from stylezoo.device import choose_runtime
from stylezoo.errors import ComponentNotFoundError
from stylezoo.images import open_photo
from stylezoo_torch.runtime import on_device


@pytest.fixture(scope="module")
def pixels(astronaut):
    return open_photo(astronaut).resized(256).rgb


@pytest.mark.parametrize("spec", ["the-scream", "starry-night", "museum:great-wave"])
def test_bfloat16_shows_the_same_picture(spec, pixels):
    exact = stylezoo.load(spec, device="cpu", runtime="torch")
    half = stylezoo.load(spec, device="cpu", runtime="torch-bf16")
    expected, found = exact(pixels), half(pixels)
    difference = found - expected
    assert np.abs(difference).max() > 1e-4  # it did compute in another precision
    assert -10 * np.log10(np.mean(difference**2)) > 45  # decibels; 48 is one level of 255
    # No tint; on CPUs without AMX, where it is not the default, slightly more is allowed.
    tint = 0.1 if choose_runtime("cpu") == "torch-bf16" else 0.2
    assert abs(difference.mean()) * 255 < tint
    # The loaded net is unchanged, and so is its output.
    assert {parameter.dtype for parameter in half.net.parameters()} == {torch.float32}
    assert np.array_equal(stylezoo.load(spec, device="cpu", runtime="torch")(pixels), expected)


def test_bfloat16_is_taken_where_the_cpu_has_amx(monkeypatch, pixels):
    assert choose_runtime("cuda:0") == choose_runtime("mps") == "torch"
    for fast, runtime in ((True, "torch-bf16"), (False, "torch")):
        monkeypatch.setattr("stylezoo.device._cpu_has_amx", lambda fast=fast: fast)
        assert choose_runtime("cpu") == runtime
        named = stylezoo.load("the-scream", device="cpu", runtime=runtime)
        assert np.array_equal(stylezoo.load("the-scream", device="cpu")(pixels), named(pixels))


def devices(net):
    return {tensor.device.type for tensor in (*net.parameters(), *net.buffers())}


def test_a_pack_stays_whole_where_it_is_when_one_of_its_styles_goes_elsewhere(pixels):
    pack = stylezoo.load("museum", device="cpu")
    expected = pack(pixels, style="udnie")
    one = pack.net.blend([1, *[0] * (len(pack.styles) - 1)])
    assert devices(on_device(one, torch.device("meta"))) == {"meta"}  # stands for a GPU
    assert devices(one) == devices(pack.net) == {"cpu"}
    assert np.array_equal(pack(pixels, style="udnie"), expected)
    assert on_device(one, torch.device("cpu")) is one  # no second copy in memory


def test_a_runtime_that_nobody_has_is_named():
    with pytest.raises(ComponentNotFoundError, match="did you mean 'torch-bf16'"):
        stylezoo.load("the-scream", runtime="torch-bf1")
