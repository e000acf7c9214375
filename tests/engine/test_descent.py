"""How the kernel moves: it stays a kernel, reaches one that is known, and shape and colour do not hide each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.descent import FAINTEST_LOGIT, KernelDescent
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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 15])
def test_kernels_stay_finite_non_negative_and_sum_to_one(channels: int, size: int) -> None:
    """Whatever the gradients are: of any size, or nothing at all."""
    visible = torch.from_numpy(gaussian(size, 1.5))[None].repeat(channels, 1, 1)
    logits = logits_of(visible)
    descent = KernelDescent(visible, 0.5)
    for update, scale in enumerate((0.0, 1.0, 1e6, 1e-6, 0.0, 1e3) * 10):
        shape, apart = scale * noise(2, channels, size, size, seed=update)
        descent.step(logits, shape, apart if channels > 1 else None, NOTHING, 1.0)
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
    descent = KernelDescent(start, 0.03)
    updates = 600
    for update in range(updates):
        kernels = kernels_of(logits)
        gradient = by_logits(kernels, kernels - truth)  # of half the squared distance
        descent.step(logits, gradient, gradient, NOTHING, cosine_decay(update, updates))
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
        descent = KernelDescent(visible, 0.01)
        descent.step(logits, by_logits(kernels_of(logits), gradient), None, NOTHING, 1.0)
        moved = logits - before
        moves.append((moved - moved.mean()).flatten())
    assert float(torch.corrcoef(torch.stack(moves))[0, 1]) > 0.99


def test_detail_that_the_blur_removed_stays() -> None:
    """White noise as a gradient moves only what |H|^2 lets through."""
    visible = a_start(1, 2.0)
    logits = torch.zeros(1, SIZE, SIZE)
    KernelDescent(visible, 0.01).step(logits, by_logits(kernels_of(logits), noise(1, SIZE, SIZE)), None, NOTHING, 1.0)
    window = torch.hann_window(SIZE + 2)[1:-1]
    power = torch.fft.fft2((logits[0] - logits.mean()) * window[:, None] * window).abs().square()
    radius = torch.hypot(torch.fft.fftfreq(SIZE)[:, None], torch.fft.fftfreq(SIZE))
    assert float(power[radius > 0.35].mean()) < 1e-3 * float(power[radius < 0.12].mean())


def a_step(shape: Tensor, apart: Tensor | None) -> Tensor:
    """How the logits of three equal kernels move in one step, without each kernel's mean."""
    logits = logits_of(a_start())
    before = logits.clone()
    KernelDescent(a_start(), 0.01).step(logits, shape, apart, NOTHING, 1.0)
    moved = logits - before
    return moved - moved.mean(dim=(1, 2), keepdim=True)


def test_shape_moves_all_colours_alike_and_colour_only_what_differs() -> None:
    random = by_logits(a_start(), noise(3, SIZE, SIZE))
    zero = torch.zeros_like(random)
    alike = a_step(random, None)
    torch.testing.assert_close(alike, alike[:1].expand_as(alike))
    assert float(alike.abs().max()) > 1e-3
    differing = a_step(zero, random)
    assert float(differing.abs().max()) > 1e-3
    assert float(differing.mean(dim=0).abs().max()) < 1e-3 * float(differing.abs().max())
    common = by_logits(a_start(), noise(1, SIZE, SIZE, seed=1)).expand(3, -1, -1)
    torch.testing.assert_close(a_step(zero, random + common), differing, rtol=1e-3, atol=1e-5)


def test_shape_and_colour_are_scaled_apart() -> None:
    """However stiff the colours are, the shape's step is as large as without them."""
    shape, apart = by_logits(a_start(), noise(2, 3, SIZE, SIZE)[0]), by_logits(a_start(), noise(3, SIZE, SIZE, seed=1))
    both = a_step(shape, apart)
    for factor in (1e-4, 1e4):
        torch.testing.assert_close(a_step(shape, factor * apart), both, rtol=1e-3, atol=1e-6)
        torch.testing.assert_close(a_step(factor * shape, apart), both, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(both.mean(dim=0), a_step(shape, None)[0], rtol=1e-3, atol=1e-6)


def test_the_rate_is_the_size_of_a_step() -> None:
    steps = []
    for rate, factor in ((0.01, 1.0), (0.02, 1.0), (0.02, 0.5)):
        logits = logits_of(a_start(1))
        before = logits.clone()
        gradient = by_logits(a_start(1), noise(1, SIZE, SIZE))
        KernelDescent(a_start(1), rate).step(logits, gradient, None, NOTHING, factor)
        moved = logits - before
        steps.append(moved - moved.mean())
    assert float(steps[0].square().mean().sqrt()) == pytest.approx(0.01, rel=0.1)
    torch.testing.assert_close(steps[1], 2 * steps[0], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(steps[2], steps[0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_moves_at_factor_0(channels: int) -> None:
    logits = logits_of(a_start(channels))
    before = kernels_of(logits)
    descent = KernelDescent(a_start(channels), 0.5)
    shape, apart = noise(2, channels, SIZE, SIZE)
    push = outskirts(SIZE, torch.device("cpu"))
    for _ in range(5):
        descent.step(logits, shape, apart if channels > 1 else None, push, 0.0)
    torch.testing.assert_close(kernels_of(logits), before, rtol=1e-5, atol=1e-9)


def test_a_push_is_not_scaled_away_and_draws_a_flat_kernel_together() -> None:
    def moment(push: Tensor, scale: float) -> float:
        logits = torch.zeros(3, SIZE, SIZE)
        descent = KernelDescent(a_start(), 0.1)
        for update in range(30):
            gradient = scale * by_logits(kernels_of(logits), noise(3, SIZE, SIZE, seed=update))
            descent.step(logits, gradient, gradient, push, 1.0)
        return float((kernels_of(logits) * outside).sum() / 3)

    outside = outskirts(SIZE, torch.device("cpu"))
    flat = float(outside.mean())
    assert moment(outside, 0.0) < 0.6 * flat
    for scale in (1e-6, 1e6):
        assert moment(outside, scale) < 0.8 * moment(0 * outside, scale)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_its_state_comes_back_bit_for_bit(stop: int, channels: int) -> None:
    visible = a_start(channels)

    def go_on(descent: KernelDescent, logits: Tensor, first: int, last: int) -> None:
        for update in range(first, last):
            shape, apart = noise(2, channels, SIZE, SIZE, seed=update)
            descent.step(logits, shape, apart if channels > 1 else None, NOTHING, 1.0)

    straight, logits = KernelDescent(visible, 0.05), logits_of(visible)
    go_on(straight, logits, 0, stop)
    saved, copy = {name: tensor.clone() for name, tensor in straight.tensors().items()}, logits.clone()
    resumed = KernelDescent(visible, 0.05)
    resumed.load(saved)
    go_on(straight, logits, stop, 12)
    go_on(resumed, copy, stop, 12)
    assert torch.equal(copy, logits)
    assert resumed.tensors().keys() == straight.tensors().keys()
    assert len(saved) == (3 if channels == 1 else 6)
    for name, tensor in straight.tensors().items():
        assert torch.equal(resumed.tensors()[name], tensor), name
    assert np.isfinite(logits.numpy()).all()
