"""Losses other than Gram matrices, against brute force, numpy and scikit-image."""

import numpy as np
import pytest
import torch
from skimage.exposure import match_histograms

import stylezoo
from stylezoo.errors import OptionError
from stylezoo_losses.quantiles import resample_sorted

STYLE_LOSSES = ("gram", "mean-std", "sliced-wasserstein", "histogram", "mrf")
POSITION_LOSSES = ("gram", "mean-std", "sliced-wasserstein", "histogram")


def features(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


F = features(0, 1, 3, 5, 6)
A = features(1, 1, 3, 4, 7)  # a style picture of another size


def value_of(loss, image, style, key="a"):
    return loss({key: image}, loss.target({key: style})).item()


def test_mean_std_by_numpy():
    loss = stylezoo.create_loss("mean-std", layers=("a",))
    f, a = (x[0].reshape(3, -1).numpy() for x in (F, A))
    means = ((f.mean(axis=1) - a.mean(axis=1)) ** 2).sum()
    deviations = ((f.std(axis=1) - a.std(axis=1)) ** 2).sum()
    # As in the docstring: sums over the C = 3 channels, divided by C.
    assert value_of(loss, F, A) == pytest.approx((means + deviations) / 3, rel=1e-6)


def test_mean_std_in_float32_agrees_with_float64():
    loss = stylezoo.create_loss("mean-std", layers=("a",))
    assert value_of(loss, F.float(), A.float()) == pytest.approx(value_of(loss, F, A), rel=1e-5)


def test_mean_std_of_a_channel_that_does_not_vary_has_a_finite_gradient():
    loss = stylezoo.create_loss("mean-std", layers=("a",))
    flat = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    loss({"a": flat}, loss.target({"a": A.float()})).backward()
    assert flat.grad.isfinite().all()


def test_sliced_wasserstein_of_one_channel_is_the_distance_of_sorted_values():
    loss = stylezoo.create_loss("sliced-wasserstein", layers=("a",))
    f, p = F[:, :1], features(2, 1, 1, 5, 6)
    sort = [np.sort(x.numpy().ravel()) for x in (f, p)]
    assert value_of(loss, f, p) == pytest.approx(((sort[0] - sort[1]) ** 2).mean(), rel=1e-9)


def test_sliced_wasserstein_of_a_shift():
    """Along θ a shift by v moves every value by θ·v; the mean of (θ·v)² over θ is |v|² / C."""
    loss = stylezoo.create_loss("sliced-wasserstein", layers=("a",), directions=50_000)
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64).view(1, 3, 1, 1)
    small = F[..., :2, :2]
    expected = shift.square().sum().item() / 3
    assert value_of(loss, small + shift, small) == pytest.approx(expected, rel=0.02)


def test_sliced_wasserstein_by_loops():
    loss = stylezoo.create_loss("sliced-wasserstein", layers=("a",), directions=4)
    p = features(2, 1, 3, 5, 6)
    image, style = (x[0].reshape(3, -1).numpy() for x in (F, p))
    squares = []
    for direction in loss._unit_directions(3).numpy():
        along = [sorted(float(direction @ column) for column in x.T) for x in (image, style)]
        squares += [(one - other) ** 2 for one, other in zip(*along, strict=True)]
    assert value_of(loss, F, p) == pytest.approx(np.mean(squares), rel=1e-9)


def test_sliced_wasserstein_sees_what_means_and_covariances_do_not():
    """±1 with equal probability, and a normal with the same moments."""
    normal = features(3, 1, 1, 64, 64)
    normal = (normal - normal.mean()) / normal.std(correction=0)
    coin = torch.ones(1, 1, 64, 64, dtype=torch.float64)
    coin[..., ::2] = -1
    assert value_of(stylezoo.create_loss("gram", layers=("a",)), normal, coin) < 1e-20
    assert value_of(stylezoo.create_loss("mean-std", layers=("a",)), normal, coin) < 1e-12
    sliced = stylezoo.create_loss("sliced-wasserstein", layers=("a",))
    # E (|Z| - 1)² = 2 - 2 √(2/π)
    assert value_of(sliced, normal, coin) == pytest.approx(2 - 2 * (2 / np.pi) ** 0.5, rel=0.02)


def test_sliced_wasserstein_directions():
    def loss(**options):
        return stylezoo.create_loss("sliced-wasserstein", layers=("a",), **options)

    torch.manual_seed(7)
    first = value_of(loss(), F, A)
    torch.manual_seed(8)
    assert value_of(loss(), F, A) == first
    assert value_of(loss(seed=1), F, A) != value_of(loss(), F, A)
    assert loss(directions=7).target({"a": A})["a"].shape == (1, 7, 28)
    directions = loss()._unit_directions(3)
    assert torch.allclose(directions.norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_histogram_matches_as_scikit_image_does():
    loss = stylezoo.create_loss("histogram", layers=("a",))
    p = features(4, 1, 3, 5, 6)
    image, style = (x[0].permute(1, 2, 0).numpy() for x in (F, p))
    matched = match_histograms(image, style, channel_axis=-1)
    assert value_of(loss, F, p) == pytest.approx(((image - matched) ** 2).mean(), rel=1e-9)


def test_histogram_gradient_passes_the_remapped_values_by():
    loss = stylezoo.create_loss("histogram", layers=("a",))
    p = features(4, 1, 3, 5, 6)
    x = F.clone().requires_grad_()
    loss({"a": x}, loss.target({"a": p})).backward()
    image, style = (y[0].permute(1, 2, 0).numpy() for y in (F, p))
    matched = match_histograms(image, style, channel_axis=-1)
    expected = torch.from_numpy(2 * (image - matched) / image.size).permute(2, 0, 1)[None]
    assert torch.allclose(x.grad, expected)


def test_histogram_of_equal_values():
    """After a ReLU half the values are 0; they share the style's smallest values among them."""
    loss = stylezoo.create_loss("histogram", layers=("a",))
    image = torch.tensor([0.0, 2.0, 0.0, 0.0]).view(1, 1, 2, 2)
    style = torch.tensor([3.0, 0.0, 5.0, 0.0]).view(1, 1, 2, 2)
    # The zeros get 0, 0 and 3, the 2 gets 5.
    assert value_of(loss, image, style) == pytest.approx((3**2 + 3**2) / 4)
    assert value_of(loss, F.relu(), F.relu()) == 0


def test_quantiles_are_those_of_numpy():
    values = np.sort(F.numpy().ravel())
    for count in (7, 30, 31, 100):
        places = (np.arange(count) + 0.5) / count
        expected = np.quantile(values, places, method="hazen")
        assert np.allclose(resample_sorted(torch.from_numpy(values), count).numpy(), expected)


@pytest.mark.parametrize(
    "options", [{}, {"patch": 2}, {"stride": 2}, {"style_stride": 3}, {"patch": 1}]
)
def test_mrf_by_brute_force(options):
    loss = stylezoo.create_loss("mrf", layers=("a",), **options)
    patch = options.get("patch", 3)

    def patches(x, stride):
        rows, columns = (range(0, size - patch + 1, stride) for size in x.shape[1:])
        return [x[:, i : i + patch, j : j + patch].ravel() for i in rows for j in columns]

    total = []
    style = patches(A[0].numpy(), options.get("style_stride", 1))
    for p in patches(F[0].numpy(), options.get("stride", 1)):
        correlations = [p @ s / (np.linalg.norm(p) * np.linalg.norm(s)) for s in style]
        total.append(((p - style[int(np.argmax(correlations))]) ** 2).mean())
    assert value_of(loss, F, A) == pytest.approx(np.mean(total), rel=1e-9)


def test_mrf_in_chunks_gives_the_same(monkeypatch):
    loss = stylezoo.create_loss("mrf", layers=("a",))
    whole = value_of(loss, F, A)
    monkeypatch.setattr("stylezoo_losses.mrf.CHUNK", 5)
    assert value_of(loss, F, A) == pytest.approx(whole, rel=1e-12)


def test_mrf_of_too_small_a_layer():
    loss = stylezoo.create_loss("mrf", layers=("a",))
    with pytest.raises(OptionError, match="2 × 9 positions, fewer than a patch of 3 × 3"):
        loss.target({"a": features(0, 1, 3, 9, 2)})


def test_laplacian_by_loops():
    loss = stylezoo.create_loss("laplacian", pool_sizes=(2,))
    image, photo = features(5, 1, 3, 10, 13), features(6, 1, 3, 10, 13)

    def by_loops(x):
        pooled = x[0, :, :10, :12].numpy().reshape(3, 5, 2, 6, 2).mean(axis=(2, 4)).sum(axis=0)
        return np.array(
            [
                4 * pooled[i, j]
                - pooled[i - 1, j]
                - pooled[i + 1, j]
                - pooled[i, j - 1]
                - pooled[i, j + 1]
                for i in range(1, 4)
                for j in range(1, 5)
            ]
        )

    expected = ((by_loops(image) - by_loops(photo)) ** 2).mean()
    assert value_of(loss, image, photo, key="image") == pytest.approx(expected, rel=1e-9)


def test_laplacian_of_a_small_picture_leaves_large_windows_out():
    image, photo = features(5, 1, 3, 20, 20), features(6, 1, 3, 20, 20)
    both = stylezoo.create_loss("laplacian", pool_sizes=(4, 16))
    one = stylezoo.create_loss("laplacian", pool_sizes=(4,))
    assert value_of(both, image, photo, "image") == value_of(one, image, photo, "image") > 0
    assert value_of(both, image[..., :2], photo[..., :2], "image") == 0


def test_laplacian_of_the_photo_itself_and_of_a_batch():
    loss = stylezoo.create_loss("laplacian", pool_sizes=(2, 3))
    photo, other = features(6, 1, 3, 12, 13), features(5, 1, 3, 12, 13)
    assert value_of(loss, photo, photo, "image") == 0
    batch = value_of(loss, torch.cat([photo, other]), photo, "image")
    assert batch == pytest.approx(value_of(loss, other, photo, "image") / 2, rel=1e-9)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_the_style_itself_is_at_distance_0(name):
    loss = stylezoo.create_loss(name, layers=("a",))
    assert value_of(loss, A, A) == pytest.approx(0, abs=1e-20)
    assert value_of(loss, F, A) > 0.01


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_a_batch_gives_the_mean_of_its_images(name):
    loss = stylezoo.create_loss(name, layers=("a",))
    target = loss.target({"a": A})
    batch = loss({"a": torch.cat([F, 2 * F])}, target).item()
    single = [loss({"a": x}, target).item() for x in (F, 2 * F)]
    assert batch == pytest.approx(sum(single) / 2, rel=1e-9)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_layer_weights_multiply_the_layers(name):
    def one(layer, image):
        loss = stylezoo.create_loss(name, layers=(layer,))
        return loss({layer: image}, loss.target({layer: A})).item()

    loss = stylezoo.create_loss(name, layers=("a", "b"), layer_weights=(2.0, 0.5))
    both = loss({"a": F, "b": 2 * F}, loss.target({"a": A, "b": A})).item()
    assert both == pytest.approx(2 * one("a", F) + 0.5 * one("b", 2 * F), rel=1e-9)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_gradients(name):
    loss = stylezoo.create_loss(name, layers=("a",))
    target = loss.target({"a": A})
    x = F.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: loss({"a": value}, target), (x,))


def test_gradient_of_the_laplacian():
    loss = stylezoo.create_loss("laplacian", pool_sizes=(2,))
    target = loss.target({"image": features(6, 1, 3, 8, 8)})
    x = features(5, 1, 3, 8, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda value: loss({"image": value}, target), (x,))


@pytest.mark.parametrize("name", POSITION_LOSSES)
def test_positions_alone_count_where_a_region_may_be_cut_out(name):
    """A loss without a grid sees a set of positions: order and shape do not matter."""
    loss = stylezoo.create_loss(name, layers=("a",))
    assert not loss.needs_grid
    whole = value_of(loss, F, A)
    shuffled = F.flatten(2)[:, :, torch.randperm(30, generator=torch.Generator().manual_seed(0))]
    assert value_of(loss, shuffled.unsqueeze(2), A) == pytest.approx(whole, rel=1e-9)
    assert value_of(loss, F, A.reshape(1, 3, 1, 28)) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize("name", POSITION_LOSSES)
def test_values_do_not_grow_with_the_pictures(name):
    loss = stylezoo.create_loss(name, layers=("a",))
    p = features(2, 1, 3, 5, 6)
    tiled = value_of(loss, torch.cat([F, F], dim=3), torch.cat([p, p], dim=3))
    assert tiled == pytest.approx(value_of(loss, F, p), rel=1e-9)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_targets_hold_no_graph(name):
    loss = stylezoo.create_loss(name, layers=("a",))
    target = loss.target({"a": A.clone().requires_grad_()})
    assert not target["a"].requires_grad


@pytest.mark.parametrize("name", ["mrf", "laplacian", "total-variation"])
def test_losses_of_neighbours_say_so(name):
    assert stylezoo.create_loss(name).needs_grid


@pytest.mark.parametrize("name", ("content", *STYLE_LOSSES))
def test_weights_and_layers_out_of_range(name):
    with pytest.raises(OptionError, match="name at least one layer"):
        stylezoo.create_loss(name, layers=())
    with pytest.raises(OptionError, match=r"1 layer weights are given for 2 layers \(a, b\)"):
        stylezoo.create_loss(name, layers=("a", "b"), layer_weights=(1.0,))
    with pytest.raises(OptionError, match="the weight of layer a is nan"):
        stylezoo.create_loss(name, layers=("a",), layer_weights=(float("nan"),))
    with pytest.raises(OptionError, match="the weight of layer a is -1"):
        stylezoo.create_loss(name, layers=("a",), layer_weights=(-1.0,))
    with pytest.raises(OptionError, match="is inf; it must be 0 or more, and finite"):
        stylezoo.create_loss(name, layers=("a",), layer_weights=(float("inf"),))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sliced-wasserstein", {"directions": 0}, "directions is 0"),
        ("mrf", {"patch": 0}, "patch is 0"),
        ("mrf", {"stride": 0}, "stride is 0"),
        ("laplacian", {"pool_sizes": ()}, "name at least one"),
        ("laplacian", {"pool_sizes": (4, 0)}, "each once and 1 or more"),
        ("laplacian", {"pool_sizes": (4, 4)}, "each once and 1 or more"),
    ],
)
def test_other_options_out_of_range(name, options, message):
    with pytest.raises(OptionError, match=message):
        stylezoo.create_loss(name, **options)
