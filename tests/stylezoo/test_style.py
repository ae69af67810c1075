"""A loaded style: image types, sizes, options, repeatability."""

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import stylezoo
from stylezoo.errors import OptionError, PluginError
from stylezoo.images import Photo, open_photo
from stylezoo.interfaces.net import TransformNet


@pytest.fixture(scope="module")
def style(toy_style):
    return stylezoo.load(toy_style)


@pytest.fixture(scope="module")
def pixels(astronaut):
    return open_photo(astronaut).resized(64).rgb


def test_each_kind_comes_back_as_itself_with_the_same_picture(style, pixels, tmp_path):
    quantized = (pixels * 255).round().astype(np.uint8)
    pixels = quantized.astype(np.float32) / 255
    image = Image.fromarray(quantized)
    image.save(tmp_path / "photo.png")
    expected = style(pixels)
    assert expected.dtype == np.float32
    as_bytes = (expected * 255).round().astype(np.uint8)

    assert style(pixels.astype(np.float64)).dtype == np.float64
    assert np.array_equal(style(quantized), as_bytes)
    for source in (image, tmp_path / "photo.png", str(tmp_path / "photo.png")):
        out = style(source)
        assert isinstance(out, Image.Image)
        assert np.array_equal(np.asarray(out), as_bytes)
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    assert np.array_equal(style(tensor).numpy().transpose(1, 2, 0), expected)
    batch = style(torch.stack([tensor, tensor.flip(1)]).half())
    assert batch.shape == (2, *tensor.shape)
    assert batch.dtype == torch.float16
    photo = style(Photo(rgb=pixels, exif=b"x"))
    assert np.array_equal(photo.rgb, expected)
    assert photo.exif == b"x"


@pytest.mark.filterwarnings("error")
def test_a_tensor_with_gradients_is_taken_without_them(style, pixels):
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    assert torch.equal(style(tensor.clone().requires_grad_()), style(tensor))


def test_an_image_of_a_batch_is_styled_as_if_alone(style, pixels):
    one = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    other = torch.rand(one.shape, generator=torch.Generator().manual_seed(0))
    batch = style(torch.stack([one, other]))
    assert torch.equal(batch[0], style(one))
    assert torch.equal(batch[1], style(other))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 200), (257, 511), (64, 64)])
def test_any_size_comes_back_in_its_own(style, size):
    image = np.random.default_rng(0).random((*size, 3), dtype=np.float32)
    out = style(image)
    assert out.shape == image.shape
    assert np.isfinite(out).all()
    assert 0 <= out.min() <= out.max() <= 1


def test_a_size_that_the_net_takes_is_not_padded(toy_style, pixels):
    style = stylezoo.load(toy_style, runtime="torch")
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).unsqueeze(0)
    with torch.inference_mode():
        direct = style.net(tensor)
    assert torch.allclose(style(tensor), direct, atol=1e-6)


def test_repeated_runs_are_identical(style, pixels, toy_style):
    assert np.array_equal(style(pixels), style(pixels))
    assert np.array_equal(style(pixels), stylezoo.load(toy_style)(pixels))


def test_a_style_leaves_the_global_generator_alone(style, pixels):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    style(pixels, seed=9)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seeds_of_any_integer_type_in_torchs_range(style, pixels):
    assert np.array_equal(style(pixels, seed=np.int64(9)), style(pixels, seed=9))
    style(pixels, seed=2**64 - 1)
    for seed in (2**65, -1, 0.5):
        with pytest.raises(OptionError, match=f"the seed is {seed}; .* from 0 to {2**64 - 1}"):
            style(pixels, seed=seed)


def test_loading_leaves_the_global_generator_alone(toy_style):
    before = torch.random.get_rng_state()
    stylezoo.load(toy_style)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_strength_mixes_linearly(style, pixels):
    whole = style(pixels)
    assert np.array_equal(style(pixels, strength=0), pixels)
    half = style(pixels, strength=0.5)
    assert np.allclose(half, (whole + pixels) / 2, atol=1e-6)


def test_alpha_is_kept_and_colour_is_styled(style, pixels):
    image = Image.fromarray((pixels * 255).astype(np.uint8))
    ramp = Image.linear_gradient("L").resize(image.size)
    expected = style(image)
    image.putalpha(ramp)
    out = style(image)
    assert out.mode == "RGBA"
    assert np.array_equal(np.asarray(out.getchannel("A")), np.asarray(ramp))
    assert np.array_equal(np.asarray(out)[..., :3], np.asarray(expected))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 4), np.uint8), r"shape \(H, W, 3\), not \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"not \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"not \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.int32), "uint8 or float, not int32"),
        (np.full((4, 4, 3), 255.0), r"run from 255 to 255; floats must be in \[0, 1\]"),
        (np.full((4, 4, 3), np.nan), "run from nan to nan"),
        (torch.zeros(4, 4), r"not \(4, 4\)"),
        (torch.zeros(1, 4, 4), r"not \(1, 4, 4\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "must be float"),
        (torch.full((3, 4, 4), -1.0), "run from -1 to -1"),
        ([1, 2, 3], "not list"),
    ],
)
def test_what_is_no_image_is_refused_with_the_value(style, image, reason):
    with pytest.raises(OptionError, match=reason):
        style(image)


def test_what_does_not_fit_into_memory_is_refused_with_its_size(pixels):
    """A net asks for a pebibyte; on the CPU, torch raises a plain RuntimeError."""

    class Vast(TransformNet):
        stride = minimum_size = 1

        def forward(self, images):
            return torch.empty(1 << 50, dtype=torch.uint8)

    height, width = pixels.shape[:2]
    with pytest.raises(OptionError, match=f"{width} × {height} pixels do not fit into memory"):
        stylezoo.Style(net=Vast())(pixels)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda images: images[..., ::2, ::2],
            r"gave \(1, 3, 32, 32\) for a picture of \(1, 3, 64",
        ),
        (lambda images: images * float("nan"), "values that are not finite"),
        (lambda images: images.tolist(), "gave list for a picture"),
    ],
)
def test_what_is_no_picture_of_this_size_is_refused(toy_style, pixels, change, reason):
    style = stylezoo.Style(net=stylezoo.load(toy_style).net, prepare=lambda net: change)
    with pytest.raises(PluginError, match=reason):
        style(pixels)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range(style, pixels, strength):
    with pytest.raises(OptionError, match="the strength is"):
        style(pixels, strength=strength)


def test_a_device_of_torch_is_as_good_as_its_name(style, pixels, toy_style):
    there = stylezoo.load(toy_style, device=torch.device("cpu"))
    assert np.array_equal(there(pixels), stylezoo.load(toy_style, device="cpu")(pixels))
    with pytest.raises(OptionError, match="'meta' cannot be used"):
        stylezoo.load(toy_style, device=torch.device("meta"))


def test_an_unknown_device_is_refused(toy_style):
    for device in ("warp", "meta", "cpu:x"):
        with pytest.raises(OptionError, match=f"'{device}' cannot be used"):
            stylezoo.load(toy_style, device=device)
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="'cuda' cannot be used"):
            stylezoo.load(toy_style, device="cuda")


def pickled(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy])
@pytest.mark.parametrize("runtime", ["torch", "torch-bf16"])
def test_a_style_is_copied_and_pickled(toy_style, pixels, copied, runtime):
    style = stylezoo.load(toy_style, runtime=runtime)
    again = copied(style)
    assert again.record == style.record
    assert np.array_equal(again(pixels), style(pixels))
    bare = stylezoo.Style(net=style.net)  # no runtime
    assert np.array_equal(copied(bare)(pixels), bare(pixels))
