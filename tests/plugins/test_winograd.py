"""Winograd's convolution against the direct one in float64."""

import pytest
import torch
import torch.nn.functional as F

from stylezoo_vgg import winograd
from stylezoo_vgg.winograd import FrozenConvolution


@pytest.fixture
def convolution(monkeypatch):
    # Use Winograd even on a CPU that would convolve directly.
    monkeypatch.setattr(winograd, "has_amx", lambda: False)
    torch.manual_seed(0)
    layer = FrozenConvolution(256, 320).requires_grad_(False)
    torch.nn.init.normal_(layer.weight, std=(2 / (9 * 256)) ** 0.5)
    torch.nn.init.normal_(layer.bias)
    return layer.to(torch.bfloat16)


def features(*shape, dtype=torch.bfloat16):
    torch.manual_seed(1)
    return torch.randn(shape).relu().to(dtype).to(memory_format=torch.channels_last)


def relative_error(found, expected):
    return float((found.double() - expected).norm() / expected.norm())


def exact(layer, x):
    return F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), padding=1)


@pytest.mark.parametrize("shape", [(1, 256, 2, 2), (1, 256, 16, 24), (3, 256, 10, 6)])
def test_output_and_gradient_are_those_of_the_direct_convolution(convolution, shape):
    x = features(*shape).requires_grad_()
    y = convolution(x)
    assert "Winograd" in type(y.grad_fn.next_functions[0][0]).__name__
    grad = torch.randn_like(y)
    y.backward(grad)
    wide = x.detach().double().requires_grad_()
    expected = exact(convolution, wide)
    expected.backward(grad.double())
    assert relative_error(y.detach(), expected.detach()) < 0.01
    assert relative_error(x.grad, wide.grad) < 0.01
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_new_weights_are_taken_up(convolution):
    x = features(1, 256, 8, 8)
    convolution(x)
    with torch.no_grad():
        convolution.weight.mul_(3)
    assert relative_error(convolution(x), exact(convolution, x)) < 0.01


@pytest.mark.parametrize(
    "x",
    [
        features(1, 256, 7, 8),
        features(1, 256, 8, 8).contiguous(),
        features(1, 256, 8, 8, dtype=torch.float32),
    ],
    ids=["odd", "channels-first", "float32"],
)
def test_what_it_cannot_do_is_done_directly(convolution, x):
    convolution = convolution.to(x.dtype)
    direct = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    assert torch.equal(convolution(x), direct)


def test_a_cpu_with_amx_does_it_directly(convolution, monkeypatch):
    monkeypatch.setattr(winograd, "has_amx", lambda: True)
    x = features(1, 256, 8, 8)
    direct = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    assert torch.equal(convolution(x), direct)


def test_no_gradient_is_lost_on_weights_that_learn(convolution):
    convolution.requires_grad_(True)
    convolution(features(1, 256, 8, 8)).sum().backward()
    assert convolution.weight.grad is not None
