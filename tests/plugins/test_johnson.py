"""The Johnson net against the paper's table and against PyTorch's example net."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import stylezoo
from stylezoo.errors import ComponentNotFoundError, OptionError

# Johnson et al. 2016, supplement, table 1 (the version with padded residual blocks): the sizes
# of activations for an input of 3 × 256 × 256.
PAPER = [
    ("encoder.0", (32, 256, 256)),  # 9×9 convolution, stride 1
    ("encoder.1", (64, 128, 128)),  # 3×3 convolution, stride 2
    ("encoder.2", (128, 64, 64)),  # 3×3 convolution, stride 2
    *[(f"residuals.{i}", (128, 64, 64)) for i in range(5)],
    ("decoder.1", (64, 128, 128)),  # 3×3 convolution, stride 1/2
    ("decoder.3", (32, 256, 256)),  # 3×3 convolution, stride 1/2
    ("decoder.4", (3, 256, 256)),  # 9×9 convolution, stride 1
]


def test_layers_have_the_papers_sizes():
    net = stylezoo.create_net("johnson", width=32).eval()
    sizes = {}
    for name, _ in PAPER:
        module = net.get_submodule(name)
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: sizes.update(
                {name: tuple(output.shape[1:])}
            )
        )
    with torch.inference_mode():
        net(torch.rand(1, 3, 256, 256))
    assert sizes == dict(PAPER)


@pytest.mark.parametrize(
    ("name", "kernel", "stride"),
    [
        ("encoder.0.conv", 9, 1),
        ("encoder.1.conv", 3, 2),
        ("encoder.2.conv", 3, 2),
        ("residuals.0.block.0.conv", 3, 1),
        ("residuals.4.block.1", 3, 1),
        ("decoder.1.conv", 3, 1),
        ("decoder.4", 9, 1),
    ],
)
def test_kernels_and_strides_are_the_papers(name, kernel, stride):
    convolution = stylezoo.create_net("johnson").get_submodule(name)
    assert convolution.kernel_size == (kernel, kernel)
    assert convolution.stride == (stride, stride)
    assert convolution.padding_mode == "reflect"


def test_norm_is_chosen_by_name():
    def kinds(norm):
        net = stylezoo.create_net("johnson", width=4, norm=norm)
        return {type(module) for module in net.modules() if "Norm" in type(module).__name__}

    assert kinds("batch") == {nn.BatchNorm2d}
    assert kinds("instance") == {nn.InstanceNorm2d}
    with pytest.raises(ComponentNotFoundError, match="did you mean 'instance'"):
        stylezoo.create_net("johnson", norm="instanc")


@pytest.mark.parametrize(
    "arguments",
    [{"width": 0}, {"width": 10**9}, {"width": "3"}, {"width": True}, {"residual_blocks": -1}],
)
def test_arguments_out_of_range_are_refused_before_a_net_is_built(arguments):
    with pytest.raises(OptionError, match=str(next(iter(arguments.values())))):
        stylezoo.create_net("johnson", **arguments)


def test_output_is_in_range_in_use_and_free_in_training():
    torch.manual_seed(0)
    net = stylezoo.create_net("johnson", width=4)
    with torch.no_grad():
        net.decoder[4].bias.fill_(5.0)
        images = torch.rand(2, 3, 32, 48)
        assert net.train()(images).max() > 1
        clamped = net.eval()(images)
    assert clamped.shape == images.shape
    assert clamped.min() >= 0
    assert clamped.max() <= 1


def example_net_output(state, images):
    """PyTorch's fast_neural_style TransformerNet, written as plain functions over its weights.

    images: (B, 3, H, W) in [0, 255], and so is the result, before clamping.
    """

    def conv(x, name, stride=1, upsample=False):
        weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        if upsample:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = F.pad(x, [weight.shape[-1] // 2] * 4, mode="reflect")
        return F.conv2d(x, weight, bias, stride=stride)

    def norm(x, name):
        return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])

    y = norm(conv(images, "conv1"), "in1").relu()
    y = norm(conv(y, "conv2", stride=2), "in2").relu()
    y = norm(conv(y, "conv3", stride=2), "in3").relu()
    for i in range(1, 6):
        branch = norm(conv(y, f"res{i}.conv1"), f"res{i}.in1").relu()
        y = y + norm(conv(branch, f"res{i}.conv2"), f"res{i}.in2")
    y = norm(conv(y, "deconv1", upsample=True), "in4").relu()
    y = norm(conv(y, "deconv2", upsample=True), "in5").relu()
    return conv(y, "deconv3")


def example_state_dict():
    """Random weights with the example's names, shapes, running statistics and prefix."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator) * scale

    state = {}
    convolutions = [("conv1", 3, 32, 9), ("conv2", 32, 64, 3), ("conv3", 64, 128, 3)]
    for i in range(1, 6):
        convolutions += [(f"res{i}.conv1", 128, 128, 3), (f"res{i}.conv2", 128, 128, 3)]
    convolutions += [("deconv1", 128, 64, 3), ("deconv2", 64, 32, 3), ("deconv3", 32, 3, 9)]
    for name, inputs, outputs, kernel in convolutions:
        scale = (inputs * kernel * kernel) ** -0.5
        state[f"{name}.conv2d.weight"] = random(outputs, inputs, kernel, kernel, scale=scale)
        state[f"{name}.conv2d.bias"] = random(outputs)
    norms = [("in1", 32), ("in2", 64), ("in3", 128), ("in4", 64), ("in5", 32)]
    norms += [(f"res{i}.in{j}", 128) for i in range(1, 6) for j in (1, 2)]
    for name, channels in norms:
        state[f"{name}.weight"] = random(channels) + 1
        state[f"{name}.bias"] = random(channels)
        state[f"{name}.running_mean"] = random(channels)
        state[f"{name}.running_var"] = random(channels).abs()
    return state


def test_loads_the_pytorch_example_and_gives_its_output():
    from stylezoo_johnson.johnson import from_pytorch_example

    state = example_state_dict()
    net = stylezoo.create_net("johnson", width=32, norm="instance").train()  # train: no clamping
    net.load_state_dict(from_pytorch_example({f"module.{k}": v for k, v in state.items()}))
    images = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = example_net_output(state, images * 255) / 255
        assert torch.allclose(net(images), expected, atol=1e-4)
