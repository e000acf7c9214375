"""How the kernel moves: it stays a kernel, reaches one that is known, and shape and colour do not hide each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.descent import COLOUR_RATE, FAINTEST_LOGIT, KernelDescent
from ddm_gui.engine.kernels import outskirts
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.engine.simulate import Lens, gaussian
from ddm_gui.engine.training import cosine_decay

SIZE = 15
NOTHING = torch.zeros(())


def kernels_of(logits: Tensor) -> Tensor:
    return logits.flatten(1).softmax(dim=1).view_as(logits)


def a_start(channels: int = 3, width: float = 2.0) -> Tensor:
    return torch.from_numpy(gaussian(SIZE, width))[None].repeat(channels, 1, 1)


def logits_of(kernels: Tensor) -> Tensor:
    return kernels.clamp_min(1e-6).log()


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_logits(kernels: Tensor, gradient: Tensor) -> Tensor:
    """The softmax's chain rule: a gradient with respect to kernels as one with respect to logits."""
    return kernels * (gradient - (kernels * gradient).sum(dim=(1, 2), keepdim=True))


def balanced(moved: Tensor, kernels: Tensor) -> Tensor:
    """Without the constant per kernel that its softmax does not see."""
    return moved - (moved * kernels).sum(dim=(1, 2), keepdim=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 15])
def test_kernels_stay_finite_non_negative_and_sum_to_one(channels: int, size: int) -> None:
    """Whatever the gradients are: of any size, or nothing at all."""
    visible = torch.from_numpy(gaussian(size, 1.5))[None].repeat(channels, 1, 1)
    logits = logits_of(visible)
    descent = KernelDescent(visible)
    for update, scale in enumerate((0.0, 1.0, 1e6, 1e-6, 0.0, 1e3) * 10):
        shape, apart = scale * noise(2, channels, size, size, seed=update)
        descent.move_shape(logits, shape, NOTHING, 2.0)
        descent.move_colours(logits, apart)
        kernels = kernels_of(logits)
        assert kernels.isfinite().all()
        assert (kernels > 0).all()
        torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(channels))
        torch.testing.assert_close(logits.amax(dim=(1, 2)), torch.zeros(channels))
        assert float(logits.min()) >= FAINTEST_LOGIT


def test_a_known_kernel_is_reached_down_a_quadratic() -> None:
    """From a plain Gaussian to a lens with coma and lateral colour: what |H|^2 lets through becomes right."""
    lens = Lens(coma=0.15, defocus=0.1, lateral=1.2, diffraction=1.5, softness=0.8)
    truth = torch.from_numpy(lens.kernels(SIZE))
    start = a_start(width=1.5)
    logits = logits_of(start)
    descent = KernelDescent(start)
    updates = 300
    for update in range(updates):
        kernels = kernels_of(logits)
        descent.move_shape(logits, by_logits(kernels, kernels - truth), NOTHING, 0.2 * cosine_decay(update, updates))
        for _ in range(3):
            kernels = kernels_of(logits)
            descent.move_colours(logits, by_logits(kernels, kernels - truth))  # of half the squared distance
    learned = kernels_of(logits)
    assert kernel_ncc(start.numpy()[None, None], truth.numpy()[None, None]) < 0.95
    assert kernel_ncc(learned.numpy()[None, None], truth.numpy()[None, None]) > 0.995


def test_faint_pixels_move_as_fast_in_proportion_as_bright_ones() -> None:
    """The same gradient with respect to the kernel changes the logits alike, whatever the kernel is.

    Nearly: what is zero outside the kernel depends on a constant that differs between the two.
    """
    visible, gradient = a_start(1), noise(1, SIZE, SIZE)
    moves = []
    for kernels in (a_start(1, 3.0), torch.full((1, SIZE, SIZE), 1 / SIZE**2)):
        logits = logits_of(kernels)
        before = logits.clone()
        KernelDescent(visible).move_shape(logits, by_logits(kernels_of(logits), gradient), NOTHING, 0.01)
        moved = logits - before
        moves.append((moved - moved.mean()).flatten())
    assert float(torch.corrcoef(torch.stack(moves))[0, 1]) > 0.99


def test_detail_that_the_blur_removed_stays() -> None:
    """White noise as a gradient moves only what |H|^2 lets through."""
    logits = torch.zeros(1, SIZE, SIZE)
    gradient = by_logits(kernels_of(logits), noise(1, SIZE, SIZE))
    KernelDescent(a_start(1, 2.0)).move_shape(logits, gradient, NOTHING, 0.01)
    window = torch.hann_window(SIZE + 2)[1:-1]
    power = torch.fft.fft2((logits[0] - logits.mean()) * window[:, None] * window).abs().square()
    radius = torch.hypot(torch.fft.fftfreq(SIZE)[:, None], torch.fft.fftfreq(SIZE))
    assert float(power[radius > 0.35].mean()) < 1e-3 * float(power[radius < 0.12].mean())


def shape_step(gradient: Tensor, size: float = 0.01, push: Tensor = NOTHING) -> Tensor:
    """How the logits of equal kernels move in one step of the shape, without each kernel's constant."""
    start = a_start(gradient.shape[0])
    logits = logits_of(start)
    before = logits.clone()
    KernelDescent(start).move_shape(logits, gradient, push, size)
    return balanced(logits - before, kernels_of(before))


def colour_step(gradient: Tensor) -> Tensor:
    """The same of the first step of the colours."""
    start = a_start(gradient.shape[0])
    logits = logits_of(start)
    before = logits.clone()
    KernelDescent(start).move_colours(logits, gradient)
    return balanced(logits - before, kernels_of(before))


def test_shape_moves_all_colours_alike_and_colour_only_what_differs() -> None:
    random = by_logits(a_start(), noise(3, SIZE, SIZE))
    alike = shape_step(random)
    torch.testing.assert_close(alike, alike[:1].expand_as(alike))
    differing = colour_step(random)
    assert float(differing.abs().max()) > 1e-3
    assert float(differing.mean(dim=0).abs().max()) < 1e-3 * float(differing.abs().max())
    common = by_logits(a_start(), noise(1, SIZE, SIZE, seed=1)).expand(3, -1, -1)
    torch.testing.assert_close(colour_step(random + common), differing, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(shape_step(random - random.mean(dim=0) + common), shape_step(common.clone()))


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_steps_are_as_large_however_large_the_gradient_is(factor: float) -> None:
    gradient = by_logits(a_start(), noise(3, SIZE, SIZE))
    torch.testing.assert_close(shape_step(factor * gradient), shape_step(gradient), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(colour_step(factor * gradient), colour_step(gradient), rtol=1e-3, atol=1e-6)
    assert float(colour_step(gradient).square().mean().sqrt()) == pytest.approx(COLOUR_RATE, rel=0.01)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [0.01, 0.7])
def test_the_size_of_a_step_is_how_far_the_most_moved_pixel_goes(size: float, channels: int) -> None:
    gradient = by_logits(a_start(channels), noise(channels, SIZE, SIZE))
    assert float(shape_step(gradient, size).abs().max()) == pytest.approx(size, rel=1e-3)
    torch.testing.assert_close(shape_step(gradient, size), size * shape_step(gradient, 1.0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_moves_in_a_step_of_size_0_or_without_gradient(channels: int) -> None:
    gradient = noise(channels, SIZE, SIZE)
    push = outskirts(SIZE, torch.device("cpu"))
    for moved in (
        shape_step(gradient, 0.0, push),
        shape_step(torch.zeros_like(gradient), 0.7),
        colour_step(torch.zeros_like(gradient)),
    ):
        torch.testing.assert_close(moved, torch.zeros_like(moved), rtol=0.0, atol=1e-5)


def test_a_push_is_not_scaled_away_and_draws_a_flat_kernel_together() -> None:
    def moment(push: Tensor, scale: float) -> float:
        logits = torch.zeros(3, SIZE, SIZE)
        descent = KernelDescent(a_start())
        for update in range(30):
            gradient = scale * by_logits(kernels_of(logits), noise(3, SIZE, SIZE, seed=update))
            descent.move_shape(logits, gradient, push, 0.1)
        return float((kernels_of(logits) * outside).sum() / 3)

    outside = outskirts(SIZE, torch.device("cpu"))
    flat = float(outside.mean())
    assert moment(outside, 0.0) < 0.6 * flat
    for scale in (1e-6, 1e6):
        assert moment(outside, scale) < 0.8 * moment(0 * outside, scale)


@pytest.mark.parametrize("place", [(3, -2), (-4, 0), (0, 1), (0, 0)])
def test_a_step_of_the_shape_moves_a_kernel_back_to_the_middle(place: tuple[int, int]) -> None:
    """All colours by the same whole pixels, so that their places relative to each other stay."""
    apart = [torch.from_numpy(gaussian(SIZE, 1.0)).roll((0, shift), (0, 1)) for shift in (-1, 0, 1)]
    middle = logits_of(torch.stack(apart))
    logits = middle.roll(place, (1, 2))
    KernelDescent(a_start()).move_shape(logits, torch.zeros_like(logits), NOTHING, 0.1)
    mean, axis = kernels_of(logits).mean(dim=0), torch.arange(SIZE) - SIZE // 2
    for dim in (0, 1):
        assert abs(float((mean.sum(dim=dim) * axis).sum())) < 1.0
    near = min(
        float((kernels_of(logits) - kernels_of(middle).roll((row, col), (1, 2))).abs().max())
        for row in (-1, 0, 1)
        for col in (-1, 0, 1)
    )
    assert near < 1e-3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_its_state_comes_back_bit_for_bit(stop: int, channels: int) -> None:
    visible = a_start(channels)

    def go_on(descent: KernelDescent, logits: Tensor, first: int, last: int) -> None:
        for update in range(first, last):
            shape, apart = noise(2, channels, SIZE, SIZE, seed=update)
            descent.move_shape(logits, shape, NOTHING, 0.05)
            descent.move_colours(logits, apart)

    straight, logits = KernelDescent(visible), logits_of(visible)
    go_on(straight, logits, 0, stop)
    saved, copy = {name: tensor.clone() for name, tensor in straight.tensors().items()}, logits.clone()
    resumed = KernelDescent(visible)
    resumed.load(saved)
    go_on(straight, logits, stop, 12)
    go_on(resumed, copy, stop, 12)
    assert torch.equal(copy, logits)
    assert resumed.tensors().keys() == straight.tensors().keys() == saved.keys()
    assert len(saved) == 3
    for name, tensor in straight.tensors().items():
        assert torch.equal(resumed.tensors()[name], tensor), name
    assert np.isfinite(logits.numpy()).all()
