"""The Johnson net against the paper's table."""

import pytest
import torch
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
