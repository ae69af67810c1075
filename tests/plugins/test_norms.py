"""Conditional instance norm and coloring against torch's instance norm and closed forms."""

import re

import pytest
import torch
import torch.nn.functional as F

import stylezoo
from stylezoo.errors import OptionError
from stylezoo_norms.normalize import normalize_as_one, normalize_one_by_one


@pytest.fixture
def norm():
    torch.manual_seed(0)
    made = stylezoo.get_norm("conditional-instance")(5, styles=3)
    torch.nn.init.normal_(made.weight)
    torch.nn.init.normal_(made.bias)
    return made


def test_each_image_is_normalised_by_the_rows_of_its_style(norm):
    features = torch.randn(4, 5, 6, 7)
    styles = [2, 0, 1, 2]
    found = norm(features, F.one_hot(torch.tensor(styles), 3).float())
    for image, style, output in zip(features, styles, found, strict=True):
        expected = F.instance_norm(
            image[None], weight=norm.weight[style], bias=norm.bias[style], eps=1e-5
        )
        torch.testing.assert_close(output[None], expected)


def test_a_mixture_is_the_mixture_of_the_rows(norm):
    features = torch.randn(2, 5, 6, 7)
    shares = torch.tensor([[0.25, 0.75, 0.0], [0.1, 0.2, 0.7]])
    found = norm(features, shares)
    plain = F.instance_norm(features, eps=1e-5)
    scale, shift = (shares @ row for row in (norm.weight, norm.bias))
    torch.testing.assert_close(found, plain * scale[..., None, None] + shift[..., None, None])


def net_of(styles):
    torch.manual_seed(1)
    net = stylezoo.create_net("johnson", width=4, norm="conditional-instance", styles=styles)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" in name or name.endswith(("block.2.weight", "block.2.bias")):
                parameter.normal_()
    return net.eval()


def test_a_blended_net_gives_what_the_net_gives_for_that_mixture():
    net = net_of(3)
    images = torch.rand(2, 3, 24, 32)
    shares = [0.2, 0.0, 0.8]
    one = net.blend(shares)
    assert one.styles == 1
    assert one.arguments.norm == "instance"
    with torch.no_grad():
        torch.testing.assert_close(
            one(images), net(images, torch.tensor([shares, shares])), atol=1e-5, rtol=1e-5
        )
    # It can be rebuilt from its arguments and its state.
    again = stylezoo.create_net("johnson", width=4, norm="instance", styles=1).eval()
    again.load_state_dict(one.state_dict())
    with torch.no_grad():
        assert torch.equal(again(images), one(images))


def test_a_blended_net_shares_all_but_its_norms():
    net = net_of(2)
    ours = {id(parameter) for parameter in net.parameters()}
    own = {name for name, p in net.blend([0, 1]).named_parameters() if id(p) not in ours}
    expected = {name for name, p in net.named_parameters() if p.ndim == 2}  # one row per style
    assert own == expected


def test_styles_need_a_conditional_norm_and_a_choice():
    with pytest.raises(OptionError, match="'instance' cannot tell 2 styles apart"):
        stylezoo.create_net("johnson", norm="instance", styles=2)
    with pytest.raises(OptionError, match="styles is 0"):
        stylezoo.create_net("johnson", styles=0)
    with pytest.raises(OptionError, match="holds 2 styles; give the style"):
        net_of(2)(torch.rand(1, 3, 16, 16))


def test_coloring_gives_channels_the_covariance_of_its_matrix():
    torch.manual_seed(0)
    norm = stylezoo.get_norm("instance-coloring")(6).double()
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    # Already whitened channels, so that the covariance of M x is M Mᵀ.
    white = (
        torch.linalg.qr(
            torch.randn(400, 7, dtype=torch.float64).index_fill_(1, torch.tensor([0]), 1.0)
        )[0][:, 1:].T.reshape(1, 6, 20, 20)
        * 20
    )
    found = norm(white).flatten(2)[0].detach()
    matrix = (torch.diag(norm.weight) + norm.writes @ norm.reads).detach()
    torch.testing.assert_close(torch.cov(found, correction=0), matrix @ matrix.T, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.mean(1), norm.bias.detach())


def test_coloring_starts_as_instance_norm():
    features = torch.randn(2, 5, 6, 7)
    found = stylezoo.get_norm("instance-coloring")(5)(features)
    torch.testing.assert_close(found, F.instance_norm(features))


def test_conditional_coloring_is_coloring_for_each_image():
    torch.manual_seed(0)
    norm = stylezoo.get_norm("conditional-instance-coloring")(5, styles=3)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    features, shares = torch.randn(4, 5, 6, 7), torch.rand(4, 3).softmax(1)
    found = norm(features, shares)
    matrices = torch.diag_embed(norm.weight) + norm.writes @ norm.reads
    for image, share, output in zip(features, shares, found, strict=True):
        torch.testing.assert_close(
            output[None], norm.blend(share)(image[None]), rtol=1e-4, atol=1e-4
        )
        # The matrix of a mixture is the mixture of the matrices, whatever their factors.
        matrix = torch.einsum("s,scd->cd", share, matrices)
        expected = matrix @ F.instance_norm(image[None]).flatten(2) + (share @ norm.bias)[:, None]
        torch.testing.assert_close(output.flatten(1), expected[0], rtol=1e-4, atol=1e-4)
    one = torch.tensor([0.0, 1.0, 0.0])
    assert norm.blend(one).reads.shape == norm.reads[1].shape


@pytest.mark.parametrize("way", [normalize_one_by_one, normalize_as_one])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [1, 3])
def test_both_ways_to_normalise_are_torchs(batch, order, way):
    torch.manual_seed(0)
    features = torch.randn(batch, 5, 6, 7).contiguous(memory_format=order)
    torch.testing.assert_close(way(features, None, None), F.instance_norm(features, eps=1e-5))
    rows = torch.randn(2, batch, 5)
    for image, scale, shift, output in zip(features, *rows, way(features, *rows), strict=True):
        expected = F.instance_norm(image[None], None, None, scale, shift, eps=1e-5)
        torch.testing.assert_close(output[None], expected)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", ["instance", "conditional-instance"])
def test_instance_norm_and_its_gradients_are_torchs(name, batch, order):
    torch.manual_seed(0)
    conditional = name.startswith("conditional")
    norm = stylezoo.get_norm(name)(5, **({"styles": 2} if conditional else {}))
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    style = torch.tensor([[0.0, 1.0]]).expand(batch, 2)
    features = torch.randn(batch, 5, 6, 7).contiguous(memory_format=order).requires_grad_()
    learnt = [features, norm.weight, norm.bias]
    found = norm(features, style) if conditional else norm(features)
    row = (style[0] @ norm.weight, style[0] @ norm.bias) if conditional else learnt[1:]
    expected = F.instance_norm(features, None, None, *row, eps=1e-5)
    torch.testing.assert_close(found, expected)
    pull = torch.randn_like(expected)
    for ours, theirs in zip(
        torch.autograd.grad(found, learnt, pull),
        torch.autograd.grad(expected, learnt, pull),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    # The memory format is kept, so that the next convolution needs no copy.
    assert found.is_contiguous(memory_format=order)


def test_the_calls_that_get_norm_tells_of_make_layers():
    calls = re.findall(r"``(get_norm\(.*?)``", stylezoo.get_norm.__doc__)
    plain, conditional = (eval(call, {"get_norm": stylezoo.get_norm}) for call in calls)
    features = torch.rand(2, 8, 6, 6)
    assert plain(features).shape == features.shape
    assert conditional(features, torch.full((2, 3), 1 / 3)).shape == features.shape
