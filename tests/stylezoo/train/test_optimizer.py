import pytest
import torch
from torch import nn

from stylezoo.errors import OptionError
from stylezoo.train.config import TrainingConfig
from stylezoo.train.optimizer import KernelMuon, build_optimizers


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.linear = nn.Linear(8, 4)
        self.frozen = nn.Conv2d(8, 8, 1).requires_grad_(False)


class ScaleNorm(nn.Module):
    """A norm as plugins write them: its scale takes part in a product of images."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2, 8, 1, 1))
        self.mix = nn.Conv2d(8, 8, 1)


class OwnKernel(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(8, 3, 3, 3))
        self.norm = ScaleNorm()
        self.colors = nn.Parameter(torch.ones(2, 8, 4))  # per style, as in coloring


def config(**changes):
    return TrainingConfig(style_images={"waves": "waves.png"}, photos=".", **changes)


def names(net, parameters):
    by_id = {id(parameter): name for name, parameter in net.named_parameters()}
    return {by_id[id(parameter)] for parameter in parameters}


def test_a_first_step_of_muon_moves_a_kernel_evenly_in_all_its_directions():
    """The step is the gradient's polar factor, from five rounds of a quintic iteration.

    All singular values are near one (0.68 to 1.13 per its author), at the length of an Adam step.
    """
    random = torch.Generator().manual_seed(0)
    start = torch.randn(8, 4, 3, 3, generator=random)
    kernel = nn.Parameter(start.clone().to(memory_format=torch.channels_last))
    kernel.grad = torch.randn(8, 4, 3, 3, generator=random)
    KernelMuon([kernel], lr=0.01).step()
    moved = (start - kernel.detach()).flatten(1)
    left, singular, right = torch.linalg.svd(kernel.grad.flatten(1), full_matrices=False)
    longest = 0.01 * 0.2 * 36**0.5  # of an 8 × 36 matrix
    assert torch.linalg.svdvals(moved) / longest == pytest.approx(torch.ones(8), abs=0.35)
    cosine = nn.functional.cosine_similarity(moved.flatten(), (left @ right).flatten(), dim=0)
    assert cosine > 0.97
    assert singular[0] / singular[-1] > 2  # the gradient itself was not even


def test_a_kernel_without_a_gradient_stays():
    kernel = nn.Parameter(torch.ones(4, 2, 3, 3))
    KernelMuon([kernel], lr=0.01).step()
    assert torch.equal(kernel, torch.ones(4, 2, 3, 3))


def test_weights_that_are_set_from_outside_are_those_that_move():
    kernel = nn.Parameter(torch.zeros(4, 2, 3, 3))
    optimizer = KernelMuon([kernel], lr=0.01)
    with torch.no_grad():
        kernel.fill_(5)
    kernel.grad = torch.ones_like(kernel)
    optimizer.step()
    assert (kernel - 5).abs().max() < 0.1


def test_muon_moves_kernels_and_adam_all_else_that_learns():
    net = Net()
    muon, adam = build_optimizers(net, config(learning_rate=0.002, norm_learning_rate=0.03))
    assert names(net, muon._kernels) == {"conv.weight", "linear.weight"}
    assert isinstance(adam, torch.optim.Adam)
    assert names(net, adam.param_groups[0]["params"]) == {
        *("conv.bias", "norm.weight", "norm.bias", "linear.bias"),
    }
    rates = [optimizer.param_groups[0]["initial_lr"] for optimizer in (muon, adam)]
    assert rates == [0.002, 0.03]


def test_adam_for_all_and_norms_alone():
    net = Net()
    assert [type(o) for o in build_optimizers(net, config(optimizer="adam"))] == [
        *(torch.optim.Adam, torch.optim.Adam),
    ]
    net.conv.requires_grad_(False)
    net.linear.requires_grad_(False)
    (adam,) = build_optimizers(net, config())
    assert names(net, adam.param_groups[0]["params"]) == {"norm.weight", "norm.bias"}


def test_an_optimizer_that_is_not_there_is_named():
    with pytest.raises(OptionError, match="optimizer is 'sgd'; it must be 'muon' or 'adam'"):
        config(optimizer="sgd")


def test_only_what_filters_is_a_kernel():
    net = OwnKernel()
    muon, adam = build_optimizers(net, config())
    assert names(net, muon._kernels) == {"kernel", "norm.mix.weight"}
    assert names(net, adam.param_groups[0]["params"]) == {"norm.scale", "norm.mix.bias", "colors"}


def test_all_that_an_adapter_learns_belongs_to_its_norms():
    net = OwnKernel()
    net.kernel.requires_grad_(False)
    (adam,) = build_optimizers(net, config(base="museum", only_norm=True))
    assert isinstance(adam, torch.optim.Adam)
    assert names(net, adam.param_groups[0]["params"]) == {
        *("norm.scale", "norm.mix.weight", "norm.mix.bias", "colors")
    }
    assert adam.param_groups[0]["lr"] == config().norm_learning_rate
