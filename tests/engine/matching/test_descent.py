"""How the kernel moves: it stays a kernel, reaches one that is known, and all its colours move alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.matching.descent import FAINTEST_LOGIT, KernelDescent, set_kernels
from ddm_gui.engine.matching.kernels import outskirts
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.engine.simulate.optics import Lens, gaussian
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
        descent.move_shape(logits, scale * noise(channels, size, size, seed=update), NOTHING, 2.0)
        kernels = kernels_of(logits)
        assert kernels.isfinite().all()
        assert (kernels > 0).all()
        torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(channels))
        torch.testing.assert_close(logits.amax(dim=(1, 2)), torch.zeros(channels))
        assert float(logits.min()) >= FAINTEST_LOGIT


def test_a_known_kernel_is_reached_down_a_quadratic() -> None:
    """From a plain Gaussian to a lens with coma: what |H|^2 lets through becomes right."""
    truth = torch.from_numpy(Lens(coma=0.15, defocus=0.1, diffraction=1.5, softness=0.8).kernels(SIZE))[1:2]
    start = a_start(1, width=1.5)
    logits = logits_of(start)
    descent = KernelDescent(start)
    updates = 300
    for update in range(updates):
        kernels = kernels_of(logits)
        descent.move_shape(logits, by_logits(kernels, kernels - truth), NOTHING, 0.2 * cosine_decay(update, updates))
    learned = kernels_of(logits)
    assert kernel_ncc(start.numpy()[None, None], truth.numpy()[None, None]) < 0.97
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


def test_all_colours_move_alike_by_what_they_share() -> None:
    random = by_logits(a_start(), noise(3, SIZE, SIZE))
    alike = shape_step(random)
    torch.testing.assert_close(alike, alike[:1].expand_as(alike))
    common = by_logits(a_start(), noise(1, SIZE, SIZE, seed=1)).expand(3, -1, -1)
    torch.testing.assert_close(shape_step(random - random.mean(dim=0) + common), shape_step(common.clone()))


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_steps_are_as_large_however_large_the_gradient_is(factor: float) -> None:
    gradient = by_logits(a_start(), noise(3, SIZE, SIZE))
    torch.testing.assert_close(shape_step(factor * gradient), shape_step(gradient), rtol=1e-3, atol=1e-6)


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
    for moved in (shape_step(gradient, 0.0, push), shape_step(torch.zeros_like(gradient), 0.7)):
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


@pytest.mark.parametrize("size", [8, 15])
def test_logits_are_set_so_that_their_softmax_is_the_kernel(size: int) -> None:
    """But for what is fainter than the faintest pixel, such as zeros."""
    kernels = torch.stack([torch.from_numpy(gaussian(size, width)) for width in (0.5, 1.2, 3.0)])
    kernels[1, 0] = 0.0
    kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True)
    logits = noise(3, size, size)
    set_kernels(logits, kernels)
    torch.testing.assert_close(kernels_of(logits), kernels, rtol=0.0, atol=1e-4)
    torch.testing.assert_close(logits.amax(dim=(1, 2)), torch.zeros(3))
    assert float(logits.min()) == FAINTEST_LOGIT
