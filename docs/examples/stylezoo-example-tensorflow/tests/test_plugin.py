"""The plugin keeps its interfaces, and gives what the original's formula gives."""

import numpy as np
import pytest
import torch

import stylezoo
from stylezoo.errors import WeightsError
from stylezoo.testing import PluginConformance
from stylezoo_example_tensorflow.importer import VariablesImporter

WIDTH, BLOCKS = 4, 2


class TestPlugin(PluginConformance):
    """Runs the conformance kit on all that the plugin registers."""

    plugin = "stylezoo-example-tensorflow"


def random_variables():
    """The variables of a small net, with the shapes and names that TensorFlow gives them."""
    random = np.random.default_rng(4)
    trunk = 4 * WIDTH
    kernels = [(9, 9, 3, WIDTH), (3, 3, WIDTH, 2 * WIDTH), (3, 3, 2 * WIDTH, trunk)]
    kernels += [(3, 3, trunk, trunk)] * (2 * BLOCKS)
    kernels += [(3, 3, 2 * WIDTH, trunk), (3, 3, WIDTH, 2 * WIDTH), (9, 9, WIDTH, 3)]
    values = []
    for number, shape in enumerate(kernels):
        transposed = len(kernels) - 3 <= number < len(kernels) - 1
        channels = shape[2] if transposed else shape[3]
        values += [random.normal(0, 0.1, shape), random.normal(0, 0.3, channels)]
        values += [random.normal(1, 0.3, channels)]
    names = ["Variable", *(f"Variable_{number}" for number in range(1, len(values)))]
    return dict(zip(names, (value.astype(np.float32) for value in values), strict=True))


def same_convolution(image, kernel, stride):
    """TensorFlow's conv2d with padding SAME: (H, W, in) to (⌈H / stride⌉, ⌈W / stride⌉, out).

    The rule: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
    """
    size = kernel.shape[0]
    sides = [-(-side // stride) for side in image.shape[:2]]
    pads = []
    for side, out in zip(image.shape[:2], sides, strict=True):
        total = max((out - 1) * stride + size - side, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(image, (*pads, (0, 0)))
    output = np.zeros((*sides, kernel.shape[3]))
    for y, x in np.ndindex(*sides):
        window = padded[y * stride : y * stride + size, x * stride : x * stride + size]
        output[y, x] = np.tensordot(window, kernel, axes=3)
    return output


def transposed_convolution(image, kernel):
    """conv2d_transpose with stride 2 and SAME, to twice the size: the transpose of the linear map
    that ``same_convolution`` is."""
    height, width = image.shape[:2]
    output = np.zeros((2 * height + 1, 2 * width + 1, kernel.shape[2]))
    for y, x in np.ndindex(height, width):
        output[2 * y : 2 * y + 3, 2 * x : 2 * x + 3] += kernel @ image[y, x]
    return output[:-1, :-1]


def formula(variables, image):
    """The original, from (H, W, 3) in levels to the same, in float64."""
    layers = iter(range(len(variables) // 3))

    def take():
        start = 3 * next(layers)
        names = [f"Variable_{n}" if n else "Variable" for n in range(start, start + 3)]
        return [variables[name].astype(np.float64) for name in names]

    def normalise(features, shift, scale):
        mean, variance = features.mean(axis=(0, 1)), features.var(axis=(0, 1))
        return scale * (features - mean) / np.sqrt(variance + 1e-3) + shift

    def convolve(features, stride=1):
        kernel, shift, scale = take()
        return normalise(same_convolution(features, kernel, stride), shift, scale)

    def enlarge(features):
        kernel, shift, scale = take()
        return normalise(transposed_convolution(features, kernel), shift, scale)

    features = np.maximum(convolve(image), 0)
    features = np.maximum(convolve(features, 2), 0)
    features = np.maximum(convolve(features, 2), 0)
    for _ in range(BLOCKS):
        branch = np.maximum(convolve(features), 0)
        features = features + convolve(branch)
    features = np.maximum(enlarge(features), 0)
    features = np.maximum(enlarge(features), 0)
    return np.tanh(convolve(features)) * 150 + 255 / 2


def test_transposing_is_the_transpose():
    """⟨conv(a), b⟩ = ⟨a, transposed(b)⟩, which defines conv2d_transpose."""
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 3, 2, 5))
    a, b = random.normal(size=(8, 6, 2)), random.normal(size=(4, 3, 5))
    one = (same_convolution(a, kernel, 2) * b).sum()
    assert one == pytest.approx((a * transposed_convolution(b, kernel)).sum())


def test_the_output_is_that_of_the_formula(tmp_path):
    variables = random_variables()
    path = tmp_path / "style.npz"
    np.savez(path, **variables, beta1_power=np.float32(0.9))
    importer = VariablesImporter()
    assert importer.recognises(path)
    described = importer.convert(path)
    net = stylezoo.create_net(described.net, **described.arguments).eval()
    net.load_state_dict(described.tensors)
    y, x = np.mgrid[0:24, 0:32] / 32
    image = np.stack([x, y, (np.sin(20 * x * y) + 1) / 2], axis=-1)
    with torch.inference_mode():
        output = net(torch.tensor(image.transpose(2, 0, 1), dtype=torch.float32).unsqueeze(0))
    expected = np.clip(formula(variables, image * 255) / 255, 0, 1)
    assert np.abs(output[0].numpy().transpose(1, 2, 0) - expected).max() < 1e-4
    assert expected.std() > 0.1


@pytest.mark.parametrize("missing", ["Variable_5", "Variable_29"])
def test_a_variable_that_is_missing_is_told(tmp_path, missing):
    variables = random_variables()
    del variables[missing]
    np.savez(tmp_path / "x.npz", **variables)
    with pytest.raises(WeightsError, match="holds 29 variables"):
        VariablesImporter().convert(tmp_path / "x.npz")


def test_arrays_of_objects_are_never_read(tmp_path):
    variables = {**random_variables(), "Variable_3": np.array([print], dtype=object)}
    np.savez(tmp_path / "x.npz", **variables)
    with pytest.raises(WeightsError, match="does not contain plain arrays"):
        VariablesImporter().convert(tmp_path / "x.npz")


def test_other_files_are_not_recognised(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.ones(3))
    (tmp_path / "b.npz").write_text("x")
    assert not VariablesImporter().recognises(tmp_path / "a.npz")
    assert not VariablesImporter().recognises(tmp_path / "b.npz")
