"""L-BFGS for images, against closed forms and torch's own."""

import pytest
import torch

from stylezoo.optimization.lbfgs import DAMPING, LARGEST_STEP, LBFGS

HEIGHT, WIDTH = 24, 32
CPU = torch.device("cpu")


def filtered(image, response):
    """Multiply each frequency of the image: a Hessian that is diagonal in frequency."""
    return torch.fft.ifft2(torch.fft.fft2(image) * response).real


def periods():
    """Return the wavelength in pixels of each coefficient of ``fft2``."""
    down = torch.fft.fftfreq(HEIGHT)[:, None]
    across = torch.fft.fftfreq(WIDTH)[None]
    return 1 / (down**2 + across**2).sqrt().clamp(1 / WIDTH, 1 / 2)


def noise(seed):
    return torch.randn(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def made(**changes):
    return LBFGS(
        **{"history": 10, "first_step": 0.001, "preconditioned": True, "device": CPU, **changes}
    )


def test_the_first_step_goes_down_the_gradient_as_far_as_it_is_told():
    gradient = noise(0) * 1e6
    step = made(first_step=0.01).step(noise(1), gradient)
    assert float(step.abs().mean()) == pytest.approx(0.01)
    assert torch.cosine_similarity(step.flatten(), -gradient.flatten(), dim=0) == pytest.approx(1)
    assert not made().step(noise(1), torch.zeros_like(gradient)).any()


def test_one_pair_is_enough_where_the_curvature_is_the_same_within_an_octave():
    # A wave twice as long is in the next octave, with a third of the curvature.
    curvature = 3.0 ** -(periods() / 2).log2().round()
    image = noise(2) * 1e-4
    optimizer = made()
    second = image + optimizer.step(image, filtered(image, curvature))
    step = optimizer.step(second, filtered(second, curvature))
    newton = -second
    assert torch.allclose(step, DAMPING * newton, atol=1e-2 * float(newton.abs().max()))


def evaluations_until(goal, image, curvature, advance):
    """Count evaluations until the quadratic form falls to this fraction of its start."""
    first = None
    for count in range(1, 400):
        gradient = filtered(image, curvature)
        value = float((image * gradient).sum())
        first = first or value
        if value <= goal * first:
            return count
        image = advance(image, gradient)
    return count


def test_without_preconditioning_it_makes_the_steps_of_torch():
    curvature = periods() ** -2.0
    image = noise(7) * 0.01
    other = image.clone()
    ours = made(preconditioned=False, history=3)
    theirs = torch.optim.LBFGS(
        [other], lr=0.001 * image.numel(), max_iter=1, history_size=3, tolerance_change=0
    )
    for _ in range(12):
        image = image + ours.step(image, filtered(image, curvature))
        other.grad = filtered(other, curvature)
        theirs.step(lambda: 0.0)
        # Its ``lr`` multiplies every step, but only the first needs its length set.
        theirs.param_groups[0]["lr"] = 1.0
        assert torch.allclose(image, other, atol=1e-4 * float(other.abs().max()))


def test_it_needs_fewer_evaluations_than_torch_where_broad_waves_are_curved_least():
    curvature = periods() ** -2.0
    start = noise(3) * 0.01
    ours = made()
    image = start.clone()

    def of_torch(_, gradient):
        image.grad = gradient
        theirs.step(lambda: 0.0)
        return image

    theirs = torch.optim.LBFGS(
        [image], lr=1.0, max_iter=1, history_size=10, tolerance_grad=0, tolerance_change=0
    )
    needed = evaluations_until(1e-6, start, curvature, lambda x, g: x + ours.step(x, g))
    needed_by_torch = evaluations_until(1e-6, image, curvature, of_torch)
    assert needed < 0.7 * needed_by_torch < 280


def test_no_step_is_longer_than_the_largest():
    flat = noise(4)
    optimizer = made(first_step=1e-6)
    image = flat + optimizer.step(flat, flat * 1e-9)
    step = optimizer.step(image, image * 1e-9)
    assert float(step.square().mean().sqrt()) == pytest.approx(LARGEST_STEP, rel=1e-4)


def test_a_pair_without_curvature_is_not_learned():
    # A hill: the curvature along the step is negative.
    optimizer = made()
    image = noise(5)
    second = image + optimizer.step(image, -image)
    gradient = -second
    step = optimizer.step(second, gradient)
    assert torch.cosine_similarity(step.flatten(), -gradient.flatten(), dim=0) == pytest.approx(1)
    assert float(step.abs().mean()) == pytest.approx(0.001)


def test_it_learns_from_the_step_that_was_made():
    curvature = torch.ones(HEIGHT, WIDTH)
    optimizer = made()
    image = noise(6) * 0.01
    wanted = image + optimizer.step(image, filtered(image, curvature))
    clipped = wanted.clamp(min=0)
    step = optimizer.step(clipped, filtered(clipped, curvature))
    assert torch.allclose(step, -DAMPING * clipped, atol=1e-6)


def test_its_state_goes_on_to_the_same_steps_after_old_pairs_were_overwritten():
    curvature = periods() ** -2.0
    image = noise(8) * 0.01
    optimizer = made(history=3)
    for _ in range(6):
        image = image + optimizer.step(image, filtered(image, curvature))
    copy = made(history=3)
    copy.load_state_dict(optimizer.state_dict())
    for _ in range(4):
        gradient = filtered(image, curvature)
        step = optimizer.step(image, gradient)
        assert torch.equal(copy.step(image, gradient), step)
        image = image + step
