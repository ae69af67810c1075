"""check_net: sound nets conform, and each seeded fault is correctly identified."""

import copy
import dataclasses
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylezoo import MultiStyleNet, TransformNet
from stylezoo.errors import OptionError
from stylezoo.testing import assert_conforms, check_net

QUICK = ("export",)  # torch.export takes a second each


@dataclass(frozen=True, kw_only=True)
class Arguments:
    width: int = 4
    strength: float = 1.0
    norm: str = "instance"
    smooth: bool = False

    def __post_init__(self):
        whole = isinstance(self.width, int) and not isinstance(self.width, bool)
        if not whole or not 1 <= self.width <= 64:
            raise OptionError(f"width is {self.width!r}; it must be an integer from 1 to 64")
        if not isinstance(self.strength, float) or not 0 <= self.strength <= 1:
            raise OptionError(f"strength is {self.strength!r}; it must be a number from 0 to 1")
        if self.norm != "instance":
            raise OptionError(f"norm is {self.norm!r}; it must be 'instance'")
        if not isinstance(self.smooth, bool):
            raise OptionError(f"smooth is {self.smooth!r}; it must be true or false")


class Sound(TransformNet):
    """Downsamples to half the size and back."""

    Arguments = Arguments
    stride = 2
    minimum_size = 4

    def __init__(self, arguments):
        super().__init__()
        self.strength = arguments.strength
        self.down = nn.Conv2d(3, arguments.width, 3, 2, padding=1, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(arguments.width, affine=True)
        self.up = nn.Conv2d(arguments.width, 3, 3, padding=1, padding_mode="reflect")

    def middle(self, features):
        return self.norm(features).relu()

    def styled(self, images):
        features = self.middle(self.down(images))
        return self.up(F.interpolate(features, scale_factor=2.0)) * self.strength + 0.5

    def forward(self, images):
        styled = self.styled(images)
        return styled if self.training else styled.clamp(0, 1)


class Drawn(Sound):
    """Draws random numbers, for which a Style sets the seed."""

    def forward(self, images):
        noisy = super().forward(images) + 0.1 * torch.randn_like(images)
        return noisy if self.training else noisy.clamp(0, 1)


class HasStyles(Sound):
    """Has its own attribute of a name that MultiStyleNet uses."""

    styles = 3


@pytest.mark.parametrize("net", [Drawn, HasStyles])
def test_a_net_may_draw_lots_and_name_its_attributes(net):
    assert_conforms(check_net(net))


def test_a_sound_net_conforms():
    report = check_net(Sound)
    assert_conforms(report)
    assert not report.findings
    assert len(report.checks) == 16
    assert_conforms(check_net(Sound, arguments={"width": 7}, skip=QUICK))
    assert_conforms(check_net(Tied, skip=QUICK))
    assert_conforms(check_net(OfEitherType, skip=QUICK))


class AnySize(Sound):
    stride = 1


class FromOne(Sound):
    minimum_size = 1


class Rotated(Sound):
    def styled(self, images):
        return super().styled(images).transpose(-1, -2)


class Grows(Sound):
    def styled(self, images):
        return F.pad(super().styled(images), (0, 1, 0, 1))


class Unclamped(Sound):
    def forward(self, images):
        return self.styled(images)


class NotANumber(Sound):
    def styled(self, images):
        return super().styled(images) * (images / images.amax(dim=(1, 2, 3), keepdim=True))


class OverTheBatch(Sound):
    def middle(self, features):
        return (features / features.std()).relu()


class LearnsInUse(Sound):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.norm = nn.BatchNorm2d(arguments.width)

    def middle(self, features):
        return F.batch_norm(
            features,
            self.norm.running_mean,
            self.norm.running_var,
            self.norm.weight,
            self.norm.bias,
            training=True,
        ).relu()


class Melted(Sound):
    @dataclass(kw_only=True)
    class Arguments:
        width: int = 4
        strength: float = 1.0


class NoArguments(Sound):
    Arguments = None


class OddArguments(Sound):
    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        widths: tuple[int, ...] = (4, 8)
        width: int = 4
        strength: float = 1.0

        __post_init__ = Arguments.__post_init__
        norm = "instance"
        smooth = False


class Unchecked(Sound):
    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        width: int = 4
        strength: float = 1.0


class ChecksNoType(Sound):
    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        width: int = 4
        strength: float = 1.0
        smooth: bool = False

        def __post_init__(self):
            if not isinstance(self.width, int) or not 1 <= self.width <= 64:
                raise OptionError("width")


class OfEitherType(Sound):
    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        width: int = 4
        strength: float = 1.0
        kernel: int | str = "auto"

        def __post_init__(self):
            if not isinstance(self.width, int) or not 1 <= self.width <= 64:
                raise OptionError("width")
            if not isinstance(self.strength, float):
                raise OptionError("strength")
            if self.kernel != "auto" and not isinstance(self.kernel, int):
                raise OptionError("kernel")


class RaisesTypeError(Sound):
    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        width: int = 4
        strength: float = 1.0

        def __post_init__(self):
            if self.width < 1 or self.width > 64:
                raise OptionError("width")
            if self.strength < 0:
                raise OptionError("strength")


class Required(Sound):
    @dataclass(frozen=True, kw_only=True)
    class Arguments:
        width: int
        strength: float = 1.0


class Tied(Sound):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.again = nn.Conv2d(3, arguments.width, 3, 2, padding=1)
        self.again.weight = self.down.weight


class KeepsExtraState(Sound):
    def get_extra_state(self):
        return {"seen": 1}

    def set_extra_state(self, state):
        pass


class Hidden(Sound):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.register_buffer("hidden", torch.rand(3, 1, 1), persistent=False)

    def styled(self, images):
        return super().styled(images * self.hidden)


class Stays(Sound):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.mean = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)

    def styled(self, images):
        return super().styled(images - self.mean)


class WritesImages(Sound):
    def styled(self, images):
        return super().styled(images.mul_(0.9)) if not images.requires_grad else None


class Views(Sound):
    def middle(self, features):
        flat = features.view(len(features), -1)
        return (flat - flat.mean(dim=1, keepdim=True)).view(features.shape).relu()


class FloatOnly(Sound):
    def middle(self, features):
        return super().middle(features.float())


class Frozen(Sound):
    def styled(self, images):
        return super().styled(images).detach()


class BrokenGradient(Sound):
    def styled(self, images):
        styled = super().styled(images)
        return styled + (self.up.weight - self.up.weight).square().sum().sqrt()


class Unused(Sound):
    def __init__(self, arguments):
        super().__init__(arguments)
        self.unused = nn.Conv2d(3, 3, 1)


class Branches(Sound):
    def styled(self, images):
        styled = super().styled(images)
        return styled if float(images.mean()) > 0.1 else 1 - styled


class CountsCalls(Sound):
    calls = 0

    def styled(self, images):
        type(self).calls += 1
        return super().styled(images) * (1 + 0.01 * self.calls)


class NoStride(Sound):
    stride = 2.0


FAULTS = [
    (AnySize, "sizes", r"input 1 × 3 × 5 × 5\): the output is 1 × 3 × 6 × 6.*stride = 2, minimum"),
    (FromOne, "sizes", r"input 1 × 3 × 2 × 2.*the sizes that work are those with stride = 2, "),
    (Rotated, "sizes", "1 × 3 × 4 × 10.*the output is 1 × 3 × 10 × 4"),
    (Grows, "sizes", "no regular series of sizes up to 128 works"),
    (Unclamped, "range", r"weights times 8.*in eval mode it must be in \[0, 1\]"),
    (NotANumber, "range", "values of 0.*not finite"),
    (OverTheBatch, "batch", "image . of the batch gives values that differ"),
    (LearnsInUse, "eval-mode", "running it in eval mode changes norm.running_mean"),
    (Melted, "interface", "frozen=True"),
    (NoArguments, "interface", "Arguments is None"),
    (OddArguments, "arguments", r"argument widths.*\(4, 8\) is a tuple, which records cannot hold"),
    (Unchecked, "arguments", "width=-1 passes Arguments, but building the net then raises"),
    (ChecksNoType, "arguments", "strength='0.5' passes Arguments, and the net is built with it"),
    (ChecksNoType, "arguments", "smooth='no' passes .* smooth is of type bool.*check the type"),
    (RaisesTypeError, "arguments", "width='3' raises TypeError.*check the type first"),
    (Required, "arguments", "argument width.*it has no default"),
    (KeepsExtraState, "interface", "_extra_state in the state dict is a dict.*no extra state"),
    (Hidden, "record", "something that matters is in neither the state dict nor the arguments"),
    (Stays, "devices", "after .to.'meta'. it raises RuntimeError"),
    (WritesImages, "inputs", "changes its input in place"),
    (Views, "layout", "in channels-last layout it raises RuntimeError: view size"),
    (FloatOnly, "dtypes", "after .to.torch.float64. it raises RuntimeError"),
    (Frozen, "gradients", "does not depend on the parameters"),
    (BrokenGradient, "gradients", "the gradients of up.weight are not finite"),
    (CountsCalls, "determinism", "the same input twice gives values that differ"),
    (NoStride, "interface", "stride is 2.0; set it in the class to an integer"),
]


@pytest.mark.parametrize(
    ("net", "check", "message"), FAULTS, ids=[f"{f[0].__name__}-{f[1]}" for f in FAULTS]
)
def test_a_seeded_fault_is_found(assert_found, net, check, message):
    report = check_net(net, skip=QUICK)
    assert_found(report, check, message)


@pytest.mark.parametrize(
    ("net", "check", "message"),
    [
        (Unused, "gradients", "unused.weight, unused.bias get no gradient"),
        (Branches, "export", "torch.export cannot export it"),
    ],
)
def test_what_is_only_unwise_is_advice(net, check, message):
    report = check_net(net)
    assert report.ok
    (finding,) = report.findings
    assert finding.check == check
    assert message in finding.message


def test_an_instance_is_not_what_is_registered():
    with pytest.raises(AssertionError, match="is not a subclass of TransformNet"):
        assert_conforms(check_net(lambda **arguments: Sound(Arguments(**arguments))))


@pytest.mark.parametrize(
    ("stride", "minimum", "advice"),
    [
        (16, 16, "stride = 2, less is padded"),
        (2, 20, "minimum_size = 4"),
        (2, 8, None),  # twice the minimum may be intended
    ],
)
def test_a_contract_that_is_too_strict_is_advised_against(stride, minimum, advice):
    strict = type("Strict", (Sound,), {"stride": stride, "minimum_size": minimum})
    report = check_net(strict, skip=QUICK)
    assert report.ok
    messages = [finding.message for finding in report.findings]
    assert len(messages) == (advice is not None)
    assert advice is None or advice in messages[0]


@pytest.mark.parametrize(("stride", "minimum"), [(1, 1), (3, 6), (8, 40), (32, 32)])
def test_the_probe_finds_any_contract(stride, minimum):
    from stylezoo.testing.size_contract import SizeContract, suggest

    class Net(nn.Module):
        def forward(self, images):
            if min(images.shape[-2:]) < minimum:
                raise ValueError("too small")
            height, width = (side // stride * stride for side in images.shape[-2:])
            return images[..., :height, :width]

    assert suggest(Net(), lambda net, images: net(images)) == SizeContract(stride, minimum)


@dataclass(frozen=True, kw_only=True)
class SeveralArguments:
    styles: int = 2

    def __post_init__(self):
        if not isinstance(self.styles, int) or not 1 <= self.styles <= 9:
            raise OptionError(f"styles is {self.styles!r}; it must be an integer from 1 to 9")


class Several(MultiStyleNet):
    """Adds a colour for each style."""

    Arguments = SeveralArguments
    stride = 1
    minimum_size = 1

    def __init__(self, arguments):
        super().__init__()
        self.arguments_ = arguments
        self.styles = arguments.styles
        self.mix = nn.Conv2d(3, 3, 1)
        self.color = nn.Parameter(torch.rand(*((self.styles,) if self.styles > 1 else ()), 3))

    @property
    def arguments(self):
        return self.arguments_

    def forward(self, images, style=None):
        if style is None and self.styles > 1:
            raise OptionError("say which style")
        color = style @ self.color if self.styles > 1 else self.color
        styled = self.mix(images) + color[..., None, None]
        return styled if self.training else styled.clamp(0, 1)

    def blend(self, style):
        one = type(self)(dataclasses.replace(self.arguments, styles=1))
        one.mix = self.mix
        shares = self.color.new_tensor(list(style))
        blended = shares @ self.color if self.styles > 1 else shares * self.color
        one.color = nn.Parameter(blended.detach())
        return one


class TakesNoStyle(Several):
    def forward(self, images, style=None):
        if style is None:
            style = images.new_full((len(images), self.styles), 1 / self.styles)
        return super().forward(images, style)


class BlendsTheFirst(Several):
    def blend(self, style):
        return super().blend([1.0] + [0.0] * (self.styles - 1))


class DrawnSeveral(Several):
    """Draws random numbers; another norm changes nothing, and more channels draw more."""

    channels = 3

    def forward(self, images, style=None):
        noise = torch.randn(len(images), self.channels, *images.shape[2:], device=images.device)
        return super().forward(images + 0.1 * noise[:, -3:].to(images.dtype), style)

    def with_norm(self, norm):
        return copy.deepcopy(self)

    def widen(self, width):
        wide = copy.deepcopy(self)
        wide.channels = 6
        return wide


class DrawnBlendsTheFirst(DrawnSeveral, BlendsTheFirst):
    pass


class BlendsToItself(Several):
    def blend(self, style):
        return self


class SharesNothing(Several):
    def blend(self, style):
        return copy.deepcopy(super().blend(style))


class ArgumentsAsDict(Several):
    @property
    def arguments(self):
        return {"styles": self.styles}


class ForgetsWithOtherNorms(Several):
    def with_norm(self, norm):
        return type(self)(SeveralArguments(styles=1))


class ForgetsWhenWidened(Several):
    def widen(self, width):
        return type(self)(SeveralArguments(styles=1))


class KeepsTheDimension(Several):
    """Keeps the colour of a single style as (1, 3)."""

    def __init__(self, arguments):
        super().__init__(arguments)
        if self.styles == 1:
            self.color = nn.Parameter(torch.rand(1, 3))

    def blend(self, style):
        one = super().blend(style)
        one.color = nn.Parameter(one.color.detach().reshape(1, 3))
        return one


class StylesLast(Several):
    """Has a row per channel, which with three styles could be taken for a row per style."""

    def __init__(self, arguments):
        super().__init__(arguments)
        if self.styles > 1:
            self.color = nn.Parameter(self.color.detach().mT.clone())

    def forward(self, images, style=None):
        color = self.color if style is None else style @ self.color.mT
        styled = self.mix(images) + color[..., None, None]
        return styled if self.training else styled.clamp(0, 1)

    def blend(self, style):
        one = super().blend(style)
        one.color = nn.Parameter((self.color @ self.color.new_tensor(list(style))).detach())
        return one


@dataclass(frozen=True, kw_only=True)
class CountArguments:
    count: int = 2

    @property
    def styles(self):
        return self.count


class OtherwiseCalled(Several):
    Arguments = CountArguments

    def blend(self, style):
        one = OtherwiseCalled(CountArguments(count=1))
        one.mix = self.mix
        one.color = nn.Parameter((self.color.new_tensor(list(style)) @ self.color).detach())
        return one


def test_a_net_of_several_styles_conforms():
    assert_conforms(check_net(Several))
    assert_conforms(check_net(Several, arguments={"styles": 1}, skip=QUICK))
    assert_conforms(check_net(DrawnSeveral, skip=QUICK))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (TakesNoStyle, "takes images without being told which"),
        (BlendsTheFirst, "the net that blend returns gives values that differ"),
        (DrawnBlendsTheFirst, "the net that blend returns gives values that differ"),
        (BlendsToItself, "blend returns a net of 2 styles"),
        (KeepsTheDimension, r"color is \(2, 3\) in a .* of 2 .* \(1, 3\) in nets of one style"),
        (OtherwiseCalled, "Arguments has no field styles"),
        (SharesNothing, "shares no parameter with this one"),
        (ArgumentsAsDict, "arguments is a dict"),
        (ForgetsWithOtherNorms, r"that with_norm\('instance-coloring'\) returns gives values that"),
        (ForgetsWhenWidened, r"that widen\(2\) returns gives values that differ"),
    ],
)
def test_a_seeded_fault_of_styles_is_found(net, message):
    report = check_net(net, skip=QUICK)
    with pytest.raises(AssertionError, match=message):
        assert_conforms(report)


def test_styles_that_are_no_rows_are_found_in_a_square_too():
    report = check_net(StylesLast, arguments={"styles": 3}, skip=QUICK)
    with pytest.raises(AssertionError, match=r"put together .* give values that differ"):
        assert_conforms(report)
