"""Losses against closed forms in float64."""

import pytest
import torch

import stylezoo
from stylezoo.errors import OptionError


def features(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


F, P = features(0, 1, 5, 6, 7), features(1, 1, 5, 6, 7)
A = features(2, 1, 5, 4, 9)  # a style picture of another size


def gram(x):
    """Sum over positions, as in Gatys et al. 2015, equation 3."""
    flat = x[0].reshape(x.shape[1], -1)
    return torch.stack([torch.stack([(a * b).sum() for b in flat]) for a in flat])


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [
        ("gatys", ((F - P) ** 2).sum() / 2),
        ("johnson", ((F - P) ** 2).sum() / (5 * 6 * 7)),
        ("gatys-program", ((F - P) ** 2).sum() / (5 * 6 * 7)),
        ("relative", ((F - P) ** 2).sum() / (P**2).sum()),
    ],
)
def test_content(normalization, expected):
    loss = stylezoo.create_loss("content", layers=("a",), normalization=normalization)
    value = loss({"a": F}, loss.target({"a": P}))
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss({"a": P}, loss.target({"a": P})).item() == 0


def test_content_of_another_size_is_refused_with_both():
    loss = stylezoo.create_loss("content", layers=("a",))
    # A single column would broadcast.
    with pytest.raises(OptionError, match="1 × 6 features at 'a', but the content photo has 7 × 6"):
        loss({"a": F[..., :1]}, loss.target({"a": P}))


@pytest.mark.parametrize("normalization", ["gatys", "gatys-program", "johnson", "relative"])
def test_gram(normalization):
    loss = stylezoo.create_loss("gram", layers=("a", "b"), normalization=normalization)
    target = loss.target({"a": A, "b": P})
    value = loss({"a": F, "b": F}, target)
    g, ga, gp = gram(F) / 42, gram(A) / 36, gram(P) / 42
    squares = torch.stack([((g - ga) ** 2).sum(), ((g - gp) ** 2).sum()])
    expected = {
        # Equation 4 with M = 42 for both: 1 / (4 N² M²) Σ (G − A)², each layer with weight 1/2.
        "gatys": (squares / (4 * 25)).mean(),
        # The authors' program: the mean over the N² entries, each layer with weight 1 / N².
        "gatys-program": (squares / 25 / 25).sum(),
        # Gram matrices divided by C H W, squared Frobenius distance, summed over the layers.
        "johnson": (squares / 25).sum(),
        "relative": (squares / torch.stack([(ga**2).sum(), (gp**2).sum()])).mean(),
    }[normalization]
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["content", "gram"])
@pytest.mark.parametrize("normalization", ["gatys", "gatys-program", "johnson", "relative"])
def test_layer_weights_multiply_the_distances(name, normalization):
    def one(image):
        loss = stylezoo.create_loss(name, layers=("a",), normalization=normalization)
        return loss({"a": image}, loss.target({"a": P})).item()

    def both(layer_weights):
        loss = stylezoo.create_loss(
            name, layers=("a", "b"), normalization=normalization, layer_weights=layer_weights
        )
        return loss({"a": F, "b": 2 * F}, loss.target({"a": P, "b": P})).item()

    assert both((3.0, 0.5)) == pytest.approx(3 * one(F) + 0.5 * one(2 * F), rel=1e-9)
    assert both((0, 1)) == pytest.approx(one(2 * F), rel=1e-9)
    mean = name == "gram" and normalization in ("gatys", "relative")
    assert both(None) == pytest.approx((one(F) + one(2 * F)) / (2 if mean else 1), rel=1e-9)


def test_gatys_equation_4_to_the_letter():
    loss = stylezoo.create_loss("gram", layers=("a",), normalization="gatys")
    n, m = 5, 42
    expected = ((gram(F) - gram(P)) ** 2).sum() / (4 * n**2 * m**2)
    value = loss({"a": F}, loss.target({"a": P}))
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["content", "gram"])
@pytest.mark.parametrize("normalization", ["johnson", "gatys"])
def test_a_batch_gives_the_mean_of_its_images(name, normalization):
    loss = stylezoo.create_loss(name, layers=("a",), normalization=normalization)
    batch = loss({"a": torch.cat([F, 2 * F])}, loss.target({"a": torch.cat([P, P])}))
    single = [loss({"a": x}, loss.target({"a": P})) for x in (F, 2 * F)]
    assert batch.item() == pytest.approx(sum(x.item() for x in single) / 2, rel=1e-6)


@pytest.mark.parametrize(("norm", "power"), [("l1", 1), ("l2", 2)])
def test_total_variation_of_a_ramp(norm, power):
    ramp = torch.arange(8, dtype=torch.float64).view(1, 1, 1, 8).expand(1, 3, 5, 8) * 0.1
    loss = stylezoo.create_loss("total-variation", norm=norm)
    assert loss({"image": ramp}, None).item() == pytest.approx(0.1**power)
    assert loss({"image": ramp[..., :1, :1]}, None).item() == 0


def test_range_penalises_the_distance_to_0_and_1():
    loss = stylezoo.create_loss("range")
    image = torch.tensor([-0.5, 0.0, 0.3, 1.0, 1.25]).view(1, 1, 1, 5)
    assert loss({"image": image}, None).item() == pytest.approx((0.25 + 0.0625) / 5)


@pytest.mark.parametrize("name", ["content", "gram"])
@pytest.mark.parametrize("normalization", ["gatys", "johnson", "relative"])
def test_gradients(name, normalization):
    loss = stylezoo.create_loss(name, layers=("a",), normalization=normalization)
    target = loss.target({"a": P})
    x = F.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: loss({"a": value}, target), (x,))


@pytest.mark.parametrize("name", ["content", "gram"])
def test_options_out_of_range(name):
    with pytest.raises(OptionError, match="name at least one layer"):
        stylezoo.create_loss(name, layers=())
    with pytest.raises(OptionError, match="each once"):
        stylezoo.create_loss(name, layers=("a", "a"))
    with pytest.raises(
        OptionError, match="'papers'; it must be one of gatys, gatys-program, johnson, relative"
    ):
        stylezoo.create_loss(name, normalization="papers")
    with pytest.raises(OptionError, match="'l3'; it must be 'l1' or 'l2'"):
        stylezoo.create_loss("total-variation", norm="l3")
