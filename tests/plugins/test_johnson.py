"""The Johnson net against the paper's table."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

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
    assert kinds("instance") == {stylezoo.get_norm("instance")}
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


def trained_like(**arguments):
    """Return a net with every parameter moved from its initial value."""
    torch.manual_seed(0)
    net = stylezoo.create_net("johnson", **arguments).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


@pytest.mark.parametrize("norm", ["conditional-instance", "conditional-instance-coloring"])
def test_a_net_made_of_another_leaves_the_global_generator_alone(norm):
    net = trained_like(width=4, residual_blocks=2, norm=norm, styles=3)
    before = torch.random.get_rng_state()
    net.blend([0.2, 0.3, 0.5])
    if norm == "conditional-instance":  # the other cannot be widened
        net.widen(6)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("norm", ["conditional-instance", "conditional-instance-coloring"])
def test_threads_that_blend_at_once_leave_the_global_generator_alone(norm):
    net = trained_like(width=4, residual_blocks=2, norm=norm, styles=3)
    before = torch.random.get_rng_state()
    with ThreadPoolExecutor(4) as threads:
        for _ in range(200):
            threads.submit(net.blend, [0.2, 0.3, 0.5])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("norm", ["conditional-instance", "conditional-instance-coloring"])
def test_a_net_made_of_another_has_its_precision(norm, dtype):
    net = trained_like(width=4, residual_blocks=1, norm=norm, styles=3).to(dtype)
    made = [net.blend([0.2, 0.3, 0.5])]
    if norm == "conditional-instance":
        made += [net.widen(6), net.with_norm("conditional-instance-coloring")]
        made.append(made[0].with_norm("instance-coloring"))
    for other in made:
        assert {tensor.dtype for tensor in other.state_dict().values()} == {dtype}
    if dtype is torch.float64:
        images = torch.rand(1, 3, 32, 48, dtype=dtype)
        style = torch.tensor([[0.2, 0.3, 0.5]], dtype=dtype)
        with torch.inference_mode():
            expected = net(images, style)
            for other in made:
                found = other(images, style if other.styles > 1 else None)
                torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_a_net_made_of_another_under_autocast_has_its_precision():
    net = trained_like(width=4, residual_blocks=1, norm="conditional-instance", styles=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = net.blend([0.2, 0.3, 0.5])
        colored = made.with_norm("instance-coloring")
    expected = net.blend([0.2, 0.3, 0.5]).state_dict()
    for other in (made, colored):
        state = other.state_dict()
        assert all(torch.equal(state[key], tensor) for key, tensor in expected.items())


@pytest.mark.parametrize("width", [6, 7, 8, 13])
def test_a_widened_net_draws_the_same(width):
    net = trained_like(width=4, residual_blocks=2, norm="conditional-instance", styles=3)
    wide = net.widen(width)
    assert wide.arguments.width == width
    images, style = torch.rand(3, 3, 32, 48), torch.rand(3, 3).softmax(1)
    with torch.inference_mode():
        torch.testing.assert_close(wide(images, style), net(images, style), rtol=1e-4, atol=1e-5)


def test_the_copies_of_a_channel_grow_apart_from_the_first_step_on():
    wide = trained_like(width=4, residual_blocks=1).widen(8).train()
    convolution = wide.encoder[1].conv
    first, copy = convolution.weight.detach()[:8].sum(1), convolution.weight.detach()[8:].sum(1)
    torch.testing.assert_close(first, copy)  # copies of one channel, in whatever proportion
    wide(torch.rand(1, 3, 32, 32)).square().mean().backward()
    scale = wide.encoder[1].norm.weight.grad
    assert not torch.isclose(scale[:8], scale[8:], rtol=0.01).any()


def test_a_net_is_not_widened_to_less():
    for width in (3, 4):
        with pytest.raises(OptionError, match=f"width 4 cannot be widened to {width}"):
            stylezoo.create_net("johnson", width=4).widen(width)


@pytest.mark.parametrize("styles", [1, 4])
def test_a_net_whose_norms_mix_channels_is_not_widened(styles):
    norm = "conditional-instance-coloring"
    net = stylezoo.create_net("johnson", width=4, norm=norm, styles=styles)
    with pytest.raises(OptionError, match="mix channels, so a net with them cannot"):
        net.widen(8)


def test_norms_of_another_kind_take_over():
    net = trained_like(width=4, residual_blocks=1)
    colored = net.with_norm("instance-coloring")
    assert colored.arguments.norm == "instance-coloring"
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(colored(images), net(images), rtol=1e-4, atol=1e-5)
    theirs = {id(parameter) for parameter in net.parameters()}
    own = {n for n, parameter in colored.named_parameters() if id(parameter) not in theirs}
    assert {name.rpartition(".")[2] for name in own} == {"weight", "bias", "reads", "writes"}
    assert not any("conv" in name for name in own)
    assert net.with_norm("instance") is net
    with pytest.raises(OptionError, match="'instance' cannot replace 'instance-coloring'"):
        colored.with_norm("instance")
    with pytest.raises(OptionError, match="with the same parameters they draw something else"):
        net.with_norm("batch")


def test_padding_is_torchs_and_keeps_the_precision_of_autocast():
    net = stylezoo.create_net("johnson", width=4)
    convolution = net.residuals[0].block[1]
    features = torch.randn(2, 16, 12, 10)
    torch.testing.assert_close(convolution(features), nn.Conv2d.forward(convolution, features))
    seen = []
    with torch.autocast("cpu", dtype=torch.bfloat16), Watch(seen):
        convolution(features.bfloat16())
    assert seen == [torch.bfloat16]


def test_a_resize_convolution_is_torchs():
    """Upsampling, reflection padding and a convolution in sequence."""
    decoder = stylezoo.create_net("johnson", width=4).decoder
    features = torch.rand(2, 16, 6, 9, generator=torch.Generator().manual_seed(0))
    convolution = decoder[1].conv
    found = convolution(decoder[0](features, None))
    expected = nn.Conv2d(16, 8, 3, padding=1, padding_mode="reflect")
    expected.load_state_dict(convolution.state_dict())
    assert torch.allclose(found, expected(nn.Upsample(scale_factor=2)(features)), atol=1e-6)


def test_shapes_are_known_without_numbers():
    net = stylezoo.create_net("johnson", width=4).to("meta")
    assert net(torch.empty(2, 3, 32, 48, device="meta")).shape == (2, 3, 32, 48)


class Watch(TorchDispatchMode):
    """Records the dtype of each padded tensor."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.reflection_pad2d.default:
            self.seen.append(args[0].dtype)
        return function(*args, **(kwargs or {}))
