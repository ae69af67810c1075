"""check_norm: sound norms conform, and each seeded fault is correctly identified."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylezoo import ConditionalNorm
from stylezoo.testing import assert_conforms, check_norm


def group_norm(channels):
    return nn.GroupNorm(1, channels)


class Sound(ConditionalNorm):
    """Instance norm with a scale and shift for each style."""

    blended = "instance"

    def __init__(self, channels, styles):
        super().__init__(channels, styles)
        self.weight = nn.Parameter(torch.ones(styles, channels))
        self.bias = nn.Parameter(torch.zeros(styles, channels))
        self.plain = nn.InstanceNorm2d(channels)

    def forward(self, features, style):
        scale, shift = ((style @ row)[..., None, None] for row in (self.weight, self.bias))
        return self.plain(features) * scale + shift

    def blend(self, style):
        norm = nn.InstanceNorm2d(self.weight.shape[1], affine=True)
        norm.weight = nn.Parameter((style @ self.weight).detach())
        norm.bias = nn.Parameter((style @ self.bias).detach())
        return norm


def noisy(features):
    return features + 0.05 * torch.randn_like(features)


class NoisyInstanceNorm(nn.InstanceNorm2d):
    def forward(self, features):
        return noisy(super().forward(features))


class Noisy(Sound):
    """Draws random numbers, as the layers that it blends do."""

    def forward(self, features, style):
        return noisy(super().forward(features, style))

    def blend(self, style):
        norm = NoisyInstanceNorm(self.weight.shape[1], affine=True)
        norm.load_state_dict(super().blend(style).state_dict())
        return norm


class HasOpenBound(nn.Module):
    """Has a constant that is infinite on purpose."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.GroupNorm(1, channels)
        self.register_buffer("low", torch.full((channels, 1, 1), -torch.inf))

    def forward(self, features):
        return self.norm(features).maximum(self.low)


@pytest.mark.parametrize("norm", [group_norm, Sound, Noisy, HasOpenBound])
def test_a_sound_norm_conforms(norm):
    report = check_norm(norm)
    assert_conforms(report)
    assert not report.findings
    assert len(report.checks) == 15


SHARED = nn.GroupNorm(1, 6)


def shared(channels):
    return SHARED if channels == 6 else nn.GroupNorm(1, channels)


def no_layer(channels):
    return torch.relu


def of_three_channels(channels):
    return nn.GroupNorm(3, channels)


class Layer(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))


class NoEpsilon(Layer):
    def forward(self, x):
        return x / x.std(dim=(2, 3), keepdim=True) * self.scale


class RootOfZero(Layer):
    def forward(self, x):
        centred = x - x.mean(dim=(2, 3), keepdim=True)
        return (
            centred / (centred.square().mean(dim=(2, 3), keepdim=True).sqrt() + 1e-5) * self.scale
        )


class OverTheBatch(Layer):
    def forward(self, x):
        return x / (x.std(dim=(0, 2, 3), keepdim=True) + 1e-5) * self.scale


class Crops(Layer):
    def forward(self, x):
        return (x * self.scale)[..., : x.shape[-1] // 2 * 2]


class Detaches(Layer):
    def forward(self, x):
        return (x / (x.std(dim=(2, 3), keepdim=True) + 1e-5)).detach() * self.scale


class Remembers(Layer):
    def __init__(self, channels):
        super().__init__(channels)
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        self.mean.mul_(0.9).add_(0.1 * x.detach().mean())
        return (x - self.mean) * self.scale


class WritesFeatures(Layer):
    def forward(self, x):
        if x.requires_grad:
            return x * self.scale
        return x.sub_(x.mean(dim=(2, 3), keepdim=True)) * self.scale


class Views(Layer):
    def forward(self, x):
        flat = x.view(len(x), -1)
        return (flat - flat.mean(dim=1, keepdim=True)).view(x.shape) * self.scale


class OneStyleForAll(Sound):
    def forward(self, features, style):
        return super().forward(features, style[:1].expand_as(style))


class BlendsWrong(Sound):
    def blend(self, style):
        return super().blend(style.flip(0))


class BlendedUnknown(Sound):
    blended = "nobody-has-it"


class BlendedOther(Sound):
    blended = "batch"


FAULTS = [
    (shared, "interface", "two calls return the same layer"),
    (no_layer, "interface", "returns a builtin_function_or_method, which is not a torch.nn.Module"),
    (of_three_channels, "interface", r"1 channels\): it raises ValueError"),
    (NoEpsilon, "values", "the same value everywhere.*add an epsilon to the variance"),
    (RootOfZero, "gradients", "zeros.*the gradients of the features.* are not finite"),
    (OverTheBatch, "batch", "image . of the batch gives values that differ"),
    (Crops, "shapes", "the output is 1 × 6 × 7 × 12; it must have the input's shape"),
    (Detaches, "gradients", "no gradient reaches the features"),
    (Remembers, "eval-mode", "running it in eval mode changes mean"),
    (WritesFeatures, "inputs", "changes its input in place"),
    (Views, "layout", "in channels-last layout it raises RuntimeError: view size.*use reshape"),
    (OneStyleForAll, "styles", "image 1, in style 1.*in a batch of three styles"),
    (BlendsWrong, "styles", "the layer that blend returns gives values that differ"),
    (BlendedUnknown, "blended", "blended is 'nobody-has-it'"),
    (
        BlendedOther,
        "blended",
        "blended is 'batch', but what blend returns for one style is not a layer of it",
    ),
]


@pytest.mark.parametrize(
    ("norm", "check", "message"), FAULTS, ids=[f"{f[0].__name__}-{f[1]}" for f in FAULTS]
)
def test_a_seeded_fault_is_found(assert_found, norm, check, message):
    report = check_norm(norm, skip=["export"])
    assert_found(report, check, message)


@pytest.mark.parametrize(
    "product",
    [
        lambda w, x: torch.addmm(torch.zeros_like(x[0, 0]), w, x[0, 0]),
        lambda w, x: torch.addbmm(torch.zeros_like(x[0, 0]), w.expand(6, -1, -1), x[0]),
        lambda w, x: torch.baddbmm(torch.zeros_like(x[0]), w.expand(6, -1, -1), x[0]),
        lambda w, x: torch.tensordot(w, x, dims=([1], [2])),
        lambda w, x: torch.inner(x.mT, w),
        lambda w, x: torch.mv(w, x[0, 0, :, 0]),
        lambda w, x: F.conv3d(x[:, None], w[None, None, None, :1, :1]),
    ],
    ids=["addmm", "addbmm", "baddbmm", "tensordot", "inner", "mv", "conv3d"],
)
def test_a_product_with_what_stayed_behind_is_found(assert_found, product):
    class Stays(Layer):
        def forward(self, x):
            weight = torch.eye(x.shape[2], dtype=x.dtype)  # the input's dtype, but on the CPU
            return x * self.scale + 0 * product(weight, x).sum()

    report = check_norm(Stays, skip=["export"])
    assert_found(report, "devices", "Expected all tensors to be on the same device")
