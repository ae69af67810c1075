"""check_loss: sound losses conform, and each seeded fault is correctly identified."""

import pytest
import torch
from torch import Tensor, nn

from stylezoo import Loss
from stylezoo.errors import OptionError, PluginError
from stylezoo.testing import assert_conforms, check_loss


class Sound(Loss):
    """Squared distance between channel means."""

    target_from = "style"
    layers = ("a", "b")

    def __init__(self, *, weight: float = 2.0, names: tuple[str, ...] = ("x", "y")) -> None:
        super().__init__()
        self.weight = weight

    def target(self, features):
        return [features[layer].mean(dim=(2, 3)) for layer in self.layers]

    def forward(self, features, target):
        means = [features[layer].mean(dim=(2, 3)) for layer in self.layers]
        gaps = [(a - b).square().mean(dim=1) for a, b in zip(means, target, strict=True)]
        return self.weight * torch.stack(gaps).sum(dim=0).mean()


class OnPixels(Loss):
    target_from = None
    layers = ()

    def forward(self, features, target):
        return features["image"].square().mean()


class OfContent(Loss):
    target_from = "content"
    layers = ()
    needs_grid = True

    def target(self, features):
        return features["image"].diff(dim=-1)

    def forward(self, features, target):
        return (features["image"].diff(dim=-1) - target).square().mean()


class OfContentAtSmallScale(OfContent):
    def forward(self, features, target):
        return 1e-7 * super().forward(features, target)


class NeedsThreePositions(Sound):
    needs_grid = True

    def target(self, features):
        if min(features["a"].shape[-2:]) < 3 or min(features["b"].shape[-2:]) < 3:
            raise OptionError("take a larger picture: of layers less than 3 × 3 there are no steps")
        return [features[layer].diff(dim=-1).square().mean(dim=(2, 3)) for layer in self.layers]

    def forward(self, features, target):
        gaps = [a - b for a, b in zip(self.target(features), target, strict=True)]
        return torch.stack([gap.square().mean(dim=1) for gap in gaps]).sum(dim=0).mean()


class DrawsPositions(Sound):
    """Compares the means of positions that it draws for each image."""

    def forward(self, features, target):
        return super().forward({layer: some_of(features[layer]) for layer in self.layers}, target)


def some_of(tensor):
    flat = tensor.flatten(2)
    chosen = torch.randint(flat.shape[2], (len(flat), 1, 128), device=flat.device)
    return flat.gather(2, chosen.expand(-1, flat.shape[1], -1)).unsqueeze(2)


class HasOpenBounds(Sound):
    """Has a target that is infinite on purpose, and one that is not a number."""

    def target(self, features):
        bounds = torch.tensor([-torch.inf, 0.0, torch.inf, torch.nan])
        return [*super().target(features), bounds]

    def forward(self, features, target):
        return super().forward(features, target[:-1])


@pytest.mark.parametrize(
    "loss",
    [
        Sound,
        OnPixels,
        OfContent,
        OfContentAtSmallScale,
        NeedsThreePositions,
        DrawsPositions,
        HasOpenBounds,
    ],
)
def test_a_sound_loss_conforms(loss):
    report = check_loss(loss)
    assert_conforms(report)
    assert not report.findings
    assert len(report.checks) == 16


class PerImage(Sound):
    def forward(self, features, target):
        return (features["a"].mean(dim=(1, 2, 3)) - target[0].mean()).square()


class Item(OnPixels):
    def forward(self, features, target):
        return features["image"].square().mean().item()


class Detached(OnPixels):
    def forward(self, features, target):
        return features["image"].detach().square().mean()


class RootAtZero(Sound):
    def forward(self, features, target):
        return (features["a"].mean(dim=(2, 3)) - target[0]).square().sum(dim=1).sqrt().mean()


class SampleDeviation(Sound):
    def target(self, features):
        return (features["a"].var(dim=(2, 3)) + 1e-8).sqrt(), features["b"].mean()

    def forward(self, features, target):
        return (self.target(features)[0] - target[0]).square().mean()


class DeviationWithoutEpsilon(SampleDeviation):
    def target(self, features):
        return features["a"].var(dim=(2, 3), correction=0).sqrt(), features["b"].mean()


class DividesByTarget(Sound):
    def forward(self, features, target):
        mean = features["a"].mean(dim=(2, 3))
        return ((mean - target[0]).square().sum(1) / target[0].square().sum(1)).mean()


class MeansOverBatch(OfContent):
    needs_grid = False

    def target(self, features):
        return features["image"].mean()

    def forward(self, features, target):
        return (features["image"].mean() - target).square()


class SumsOverBatch(OnPixels):
    def forward(self, features, target):
        return features["image"].square().sum(dim=0).mean()


class SumsOverBatchAtSmallScale(SumsOverBatch):
    def forward(self, features, target):
        return 1e-9 * super().forward(features, target)


class UnnamedLayer(Sound):
    def target(self, features):
        return [features[layer].mean(dim=(2, 3)) for layer in ("a", "relu9_1")]


class NeedsGrid(OfContent):
    needs_grid = False


class NeedsGridAtSmallScale(OfContentAtSmallScale):
    needs_grid = False


class OfOneSize(OfContent):
    target_from = "style"


class Keeps(OnPixels):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, features, target):
        self.calls += 1
        return features["image"].square().mean() * self.calls


class DrawsWhenMade(OnPixels):
    def __init__(self) -> None:
        super().__init__()
        self.direction = torch.randn(3, dtype=torch.float64)

    def forward(self, features, target):
        image = features["image"]
        weights = self.direction.to(image).view(3, 1, 1)
        return (image * weights).square().mean()


class ChangesFeatures(Sound):
    def target(self, features):
        features["a"].mul_(0.5)
        return super().target(features)


class ChangesTarget(Sound):
    def forward(self, features, target):
        value = super().forward(features, target)
        target[0].mul_(0.9)
        return value


class OddOption(OnPixels):
    def __init__(self, *, matrix: Tensor | None = None, device: object = torch.device("cpu")):
        super().__init__()


class NeedsOption(OnPixels):
    def __init__(self, *, strength: float) -> None:
        super().__init__()


class NoOrigin(Loss):
    layers = ()

    def forward(self, features, target):
        return features["image"].square().mean()


class LayersAsText(OnPixels):
    layers = "relu1_1"


class NoLoss(nn.Module):
    pass


class WrongSlope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x  # without the 2


class WrongBackward(OnPixels):
    def forward(self, features, target):
        return WrongSlope.apply(features["image"]).mean()


class WrongBackwardAtSmallScale(WrongBackward):
    def forward(self, features, target):
        return 1e-12 * super().forward(features, target)


class Views(OfContent):
    def target(self, features):
        return features["image"]

    def forward(self, features, target):
        gap = features["image"] - target
        return gap.view(len(gap), -1).square().mean()


class Rounds(OnPixels):
    def forward(self, features, target):
        image = features["image"]
        return ((image * 255).round() + image * 0).mean()


class StaysOnCpu(OnPixels):
    def forward(self, features, target):
        image = features["image"]
        return (image - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)).square().mean()


class KernelStaysOnCpu(OnPixels):
    needs_grid = True

    def __init__(self) -> None:
        super().__init__()
        self.kernel = torch.ones(3, 1, 3, 3)

    def forward(self, features, target):
        image = features["image"]
        kernel = self.kernel.to(image.dtype)
        return torch.conv2d(image, kernel, groups=3).square().mean()


class StaysFloat(OnPixels):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.eye(3)

    def forward(self, features, target):
        flat = features["image"].flatten(2)
        return (self.matrix.to(flat.device) @ flat).square().mean()


class Imprecise(OnPixels):
    own_precision = True


class NotInState(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)
        self.hidden = torch.rand(())

    def forward(self, features, target):
        return super().forward(features, target) * self.scale * float(self.hidden)


FAULTS = [
    (PerImage, "value", "tensor of shape 2, not a scalar"),
    (Item, "value", r"returns a float, not a tensor; do not call \.item\(\)"),
    (Detached, "value", "does not depend on the features"),
    (RootAtZero, "gradients", "gradient with respect to a is not finite.*epsilon inside"),
    (SampleDeviation, "value", "whose layers are 1 × 1.: it returns nan.*correction=0"),
    (SampleDeviation, "positions", "a region of one position.: it returns nan"),
    (DeviationWithoutEpsilon, "value", "are 1 × 1.: the gradient with respect to a is not finite"),
    (DeviationWithoutEpsilon, "positions", "one position.: the gradient with respect to a is not"),
    (DividesByTarget, "gradients", "the value is nan"),
    (MeansOverBatch, "batch-mean", "whose mean is .*take the mean of the terms at the end"),
    (SumsOverBatch, "batch-mean", "3 images, one target.*one by one"),
    (SumsOverBatchAtSmallScale, "batch-mean", "3 images, one target.*one by one"),
    (UnnamedLayer, "value", "'relu9_1', which are not among its layers .'a', 'b'"),
    (NeedsGrid, "positions", "set needs_grid = True"),
    (NeedsGridAtSmallScale, "positions", "set needs_grid = True"),
    (OfOneSize, "value", "a style picture of 64 × 54.*RuntimeError"),
    (Keeps, "target", "second call with the same target gives a different value"),
    (Keeps, "determinism", "keep no state between calls"),
    (DrawsWhenMade, "state", "seeded by an option"),
    (ChangesFeatures, "inputs", "changes its input in place"),
    (ChangesTarget, "target", "forward changes the target"),
    (OddOption, "options", r"option device.*is a device, which records cannot hold"),
    (NeedsOption, "interface", "cannot be made without options.*'strength'"),
    (NoOrigin, "interface", "target_from is 'missing'"),
    (LayersAsText, "interface", "layers is 'relu1_1'; it must be a tuple"),
    (NoLoss, "interface", "returns a NoLoss, which is not a subclass of Loss; inherit from"),
    (WrongBackward, "gradcheck", "autograd says the slope is .*, but central differences say"),
    (WrongBackwardAtSmallScale, "gradcheck", "the slope is .*, but central differences"),
    (Views, "layout", "in channels-last layout it raises RuntimeError: view size.*use reshape"),
    (Rounds, "gradients", "the gradient is 0 everywhere"),
    (StaysOnCpu, "devices", "after .to.'meta'. it raises RuntimeError"),
    (KernelStaysOnCpu, "devices", "Expected all tensors to be on the same device"),
    (StaysFloat, "dtypes", "after .to.torch.float64. it raises RuntimeError"),
    (Imprecise, "dtypes", "returns torch.bfloat16, in which a sum over all positions"),
    (NotInState, "state", "something that matters is not in the state dict"),
]


@pytest.mark.parametrize(
    ("loss", "check", "message"), FAULTS, ids=[f"{f[0].__name__}-{f[1]}" for f in FAULTS]
)
@pytest.mark.filterwarnings("ignore:var.*degrees of freedom")
def test_a_seeded_fault_is_found(assert_found, loss, check, message):
    report = check_loss(loss)
    assert_found(report, check, message)


def test_all_faults_are_found_at_once():
    class Bad(Sound):
        needs_grid = False

        def __init__(self, *, weight: float = 2.0, device: object = torch.device("cpu")) -> None:
            super().__init__(weight=weight)

        def forward(self, features, target):
            steps = features["a"].diff(dim=-1).mean(dim=(1, 2)) + 0 * target[0].sum()
            return steps.square().sum().sqrt()

    found = {finding.check for finding in check_loss(Bad).errors}
    assert {"options", "gradients", "batch-mean", "positions"} <= found


def test_what_is_only_unwise_is_advice():
    class Unwise(Sound):
        needs_grid = True
        layers = ("a", "b", "never")

        def __init__(self, **options):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def target(self, features):
            return [features[layer].mean(dim=(2, 3)) for layer in ("a", "b")]

        def forward(self, features, target):
            means = [features[layer].mean(dim=(2, 3)) for layer in ("a", "b")]
            return sum((a - b).square().mean() for a, b in zip(means, target, strict=True))

    report = check_loss(Unwise)
    assert report.ok
    assert {finding.check for finding in report.findings} == {
        "options",
        "layers",
        "positions",
        "parameters",
    }


def test_a_check_can_be_skipped_and_a_misspelt_one_is_refused():
    report = check_loss(WrongBackward, skip=["gradcheck"])
    assert report.ok
    assert "gradcheck" not in report.checks
    with pytest.raises(OptionError, match=r"no check 'gradchek' to skip here.*gradcheck"):
        check_loss(WrongBackward, skip=["gradchek"])


def test_a_loss_for_one_backbone_is_given_its_channels():
    class Learnt(Sound):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.linspace(0, 1, 64), requires_grad=False)

        def target(self, features):
            return [x * self.scale if x.shape[1] == 64 else x for x in super().target(features)]

        def forward(self, features, target):
            mean = features["a"].mean(dim=(2, 3)) * self.scale
            return (mean - target[0]).square().mean()

    assert not check_loss(Learnt).ok
    assert_conforms(check_loss(Learnt, channels={"a": 64}))


def test_options_reach_the_loss_and_names_are_looked_up(stylezoo_catalog):
    assert check_loss("gram", options={"layers": ("a",), "normalization": "relative"}).ok
    report = check_loss("gram", options={"normalization": "unknown"})
    assert "normalization is 'unknown'" in str(report.errors[0])
    with pytest.raises(PluginError, match="no plugin provides the loss 'gram'"):
        check_loss("gram", catalog=stylezoo_catalog)
    with pytest.raises(OptionError, match="give what is registered as the loss"):
        check_loss(3)
