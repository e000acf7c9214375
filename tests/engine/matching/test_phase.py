"""Turning phases: the gradient of all-pass filters is that of the theory, and it finds a lopsided blur."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.flow.train import Velocity, sample_path
from ddm_gui.engine.matching.ikl import turned_about_lead
from ddm_gui.engine.matching.magnitude import MagnitudeMatch
from ddm_gui.engine.matching.phase import UNKNOWN, PhaseDescent, all_pass_gradient, placed_spectrum, taps_width
from ddm_gui.engine.scores import kernel_ncc, zero_phase
from ddm_gui.engine.simulate.optics import Lens, gaussian

SIDE, KERNEL = 16, 9
RATE = 0.05  # of plain descent, where no noise calls for smaller steps
NEARLY_SHARP = 0.05  # standard deviation about each patch of the finite set, so that its velocity stays finite


def coma() -> Tensor:
    """A lopsided kernel of SIDE x SIDE pixels' reach."""
    return torch.from_numpy(Lens(coma=0.3, angle=0.8, diffraction=1.0, softness=0.7).kernels(KERNEL)[1])


def points_of_light(kernel: Tensor) -> Tensor:
    """N x 1 x SIDE x SIDE: every place of one bright or dark point on a torus, seen through a kernel, of unit rms."""
    placed = torch.zeros(SIDE, SIDE)
    placed[: kernel.shape[0], : kernel.shape[1]] = kernel
    shifts = [placed.roll((row, col), (0, 1)) for row in range(SIDE) for col in range(SIDE)]
    patches = torch.stack(shifts)[:, None]
    patches = patches - patches.mean()
    patches = patches / patches.square().mean().sqrt()
    return torch.cat([patches, -patches])


def exact(patches: Tensor) -> Velocity:
    """The velocity of data that are one of finitely many patches: the denoiser is their mean, weighed by likelihood."""
    flat = patches.flatten(1)
    # In double precision, as these products are much larger than what tells patches apart.
    exactly = flat.double()
    powers = exactly.square().sum(dim=1)

    def velocity(y_t: Tensor, t: Tensor) -> Tensor:
        w = t[:, None]
        spread = (1 - w).square() + (w * NEARLY_SHARP).square()
        # -|y_t - w patch|^2 / 2 without |y_t|^2, which all patches have alike.
        nearness = w * (y_t.flatten(1).double() @ exactly.T) - w.square() * powers / 2
        mean = torch.softmax(nearness / spread, dim=1).float() @ flat
        # Given the patch, y_1 and y_0 are Gaussian: both are regressed on what is left of y_t.
        left = (y_t.flatten(1) - w * mean) / spread
        change: Tensor = mean + (w * NEARLY_SHARP**2 - (1 - w)) * left
        return change.view_as(y_t)

    return velocity


def on_the_torus(patches: Tensor, taps: int) -> Tensor:
    """Patches continued all round, so that a filter where it fits is one on the torus."""
    reach = taps // 2
    return torch.nn.functional.pad(patches, (reach,) * 4, mode="circular")


def some(patches: Tensor, generator: torch.Generator, count: int = 128) -> Tensor:
    return patches[torch.randint(len(patches), (count,), generator=generator)]


def mean_gradient(velocity: Velocity, patches: Tensor, batches: int = 12) -> Tensor:
    total = torch.zeros(KERNEL, KERNEL)
    for seed in range(batches):
        generator = torch.Generator().manual_seed(seed)
        whitened = on_the_torus(some(patches, generator), KERNEL)
        total += all_pass_gradient(velocity, whitened, KERNEL, generator) / batches
    return total


def test_the_gradient_is_odd_and_vanishes_at_the_truth_only() -> None:
    truth = coma()
    velocity = exact(points_of_light(truth))
    symmetric = torch.from_numpy(zero_phase(truth[None].numpy()))[0]
    at_start = mean_gradient(velocity, points_of_light(symmetric))
    at_truth = mean_gradient(velocity, points_of_light(truth))
    torch.testing.assert_close(at_start, -at_start.flip(0, 1))
    assert float(at_truth.norm()) < 0.2 * float(at_start.norm())


def test_a_lopsided_kernel_leads_itself_turned_about_and_a_symmetric_one_does_not() -> None:
    """Whichever way about the photos are: among patches turned about it is as far behind."""
    symmetric = torch.from_numpy(zero_phase(coma()[None].numpy()))[0]

    def lead(truth: Tensor, kernel: Tensor) -> float:
        velocity, patches = exact(points_of_light(truth)), points_of_light(kernel)
        generator = torch.Generator().manual_seed(0)
        leads = [turned_about_lead(velocity, sample_path(some(patches, generator), generator)) for _ in range(12)]
        return float(torch.stack(leads).mean())

    right = lead(coma(), coma())
    assert right > 0.01
    assert lead(coma(), coma().flip(0, 1)) == pytest.approx(-right, rel=0.2)
    assert abs(lead(symmetric, symmetric)) < 0.05 * right
    assert lead(coma(), symmetric) < 0.1 * right


def test_turning_the_phases_down_the_gradient_finds_a_lopsided_kernel() -> None:
    """From the zero-phase kernel, which is all that a power spectrum tells, at NCC .94, to above .99."""
    truth = coma()
    velocity = exact(points_of_light(truth))
    transfer = torch.fft.fft2(truth, s=(SIDE, SIDE)).abs().to(torch.complex64)

    def kernel() -> Tensor:
        """On the whole torus, since an all-pass filter reaches everywhere."""
        picture: Tensor = torch.fft.fftshift(torch.fft.ifft2(transfer).real)
        return picture

    found = [kernel_ncc(kernel().clamp_min(0).numpy(), truth.numpy())]
    for update in range(40):
        generator = torch.Generator().manual_seed(update)
        whitened = on_the_torus(some(points_of_light(kernel()), generator), KERNEL)
        gradient = all_pass_gradient(velocity, whitened, KERNEL, generator)
        placed = torch.nn.functional.pad(gradient, (0, SIDE - KERNEL, 0, SIDE - KERNEL))
        turn = torch.fft.fft2(placed.roll((-(KERNEL // 2), -(KERNEL // 2)), (0, 1))).imag
        transfer = transfer * torch.exp(-RATE * 1j * turn)
    found.append(kernel_ncc(kernel().clamp_min(0).numpy(), truth.numpy()))
    assert found[0] < 0.95
    assert found[1] > 0.99


def test_a_gaussian_field_has_no_phase_to_find() -> None:
    """Second-order statistics cannot tell one all-pass filter from another: the gradient is noise about zero."""

    def white(y_t: Tensor, t: Tensor) -> Tensor:
        w = t[:, None, None, None]
        return (2 * w - 1) / (w.square() + (1 - w).square()) * y_t * 1.1  # were it the linear one, all would cancel

    gradients = []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        patches = torch.randn(64, 1, SIDE + KERNEL - 1, SIDE + KERNEL - 1, generator=generator)
        gradients.append(all_pass_gradient(white, patches, KERNEL, generator))
    stacked = torch.stack(gradients)
    error = stacked.std(dim=0) / math.sqrt(len(gradients))
    middle = KERNEL // 2
    error[middle, middle] = 1.0  # zero by antisymmetry
    assert float((stacked.mean(dim=0) / error).abs().max()) < 4.5


@pytest.mark.parametrize(("size", "taps"), [(3, 3), (8, 7), (9, 9), (25, 25), (63, 25)])
def test_the_taps_are_odd_and_not_too_many(size: int, taps: int) -> None:
    assert taps_width(size) == taps


# The steps


def a_descent(kernel: Tensor) -> PhaseDescent:
    """One colour, seen through `kernel` without a difference between the two sets of photos."""
    size = 64
    frequency = torch.fft.fftfreq(size)
    clean = (1e-4 / (frequency[:, None].square() + frequency.square() + 1 / size**2))[..., None, None]
    power = torch.fft.fft2(kernel, s=(size, size)).abs().square()[..., None, None]
    return PhaseDescent(MagnitudeMatch((power * clean + 1e-4).to(torch.complex64), clean.to(torch.complex64), 0.01))


def odd(kernel_size: int, seed: int) -> Tensor:
    noise = torch.randn(kernel_size, kernel_size, generator=torch.Generator().manual_seed(seed))
    return 0.5 * (noise - noise.flip(0, 1))


def test_kernels_stay_kernels_in_their_place() -> None:
    kernel = torch.from_numpy(gaussian(KERNEL, 1.4, 0.9, 0.3))
    descent = a_descent(kernel)
    for seed in range(20):
        kernel, _ = descent.move(kernel, kernel[None], odd(KERNEL, seed))
        assert kernel.shape == (KERNEL, KERNEL)
        assert float(kernel.sum()) == pytest.approx(1.0, abs=1e-5)
        assert float(kernel.min()) >= 0.0
    axis = torch.arange(KERNEL) - KERNEL // 2
    assert abs(float((kernel.sum(dim=1) * axis).sum())) < 0.1
    assert abs(float((kernel.sum(dim=0) * axis).sum())) < 0.1


def test_the_magnitudes_follow_what_the_colours_lack() -> None:
    """Colours that are too wide sharpen the common kernel, though it is the right one; too faint ones ask for gain."""
    kernel = torch.from_numpy(gaussian(KERNEL, 1.4))
    descent = a_descent(kernel)
    wide = torch.from_numpy(gaussian(KERNEL, 1.7))[None].repeat(3, 1, 1)
    still = torch.zeros(KERNEL, KERNEL)
    same, none = descent.move(kernel, kernel[None].repeat(3, 1, 1), still)
    torch.testing.assert_close(same, kernel, rtol=0.0, atol=2e-3)
    assert none == pytest.approx(0.0, abs=0.05)
    sharper, _ = descent.move(kernel, wide, still)
    assert float(sharper.max()) > 1.02 * float(same.max())
    _, gain = descent.move(kernel, 0.5 * kernel[None].repeat(3, 1, 1), still)
    assert gain > none + 0.05


def test_the_steps_become_smaller_as_more_is_known() -> None:
    kernel = torch.from_numpy(gaussian(KERNEL, 1.4))
    descent = a_descent(kernel)
    distances = []
    for seed in range(60):
        after, _ = descent.move(kernel, kernel[None], 0.02 * odd(KERNEL, seed))
        distances.append(float((after - kernel).norm()))
    assert sum(distances[-10:]) < 0.4 * sum(distances[:10])
    again = a_descent(kernel)
    again.load(descent.tensors())
    expected, _ = descent.move(kernel, kernel[None], odd(KERNEL, 99))
    moved, _ = again.move(kernel, kernel[None], odd(KERNEL, 99))
    assert torch.equal(moved, expected)


def test_what_is_roughly_known_moves_less_from_the_beginning() -> None:
    kernel = torch.from_numpy(gaussian(KERNEL, 1.4))
    descent = a_descent(kernel)
    distances = []
    for unknown in (UNKNOWN, 0.3, 0.1):
        descent.load(descent.beginning(unknown))
        after, _ = descent.move(kernel, kernel[None], 0.02 * odd(KERNEL, 0))
        distances.append(float((after - kernel).norm()))
    assert distances[0] > 1.5 * distances[1] > 3 * distances[2]
    assert distances[2] > 0.0


@pytest.mark.parametrize("size", [15, 16])
def test_a_kernel_takes_on_the_phases_of_another_and_the_magnitude_of_the_spectra(size: int) -> None:
    """The other one, of the right phases, is blurred further, and the kernel with it: neither has the right |H|."""
    truth = torch.from_numpy(Lens(coma=0.3, angle=0.8, diffraction=1.0, softness=0.7).kernels(size)[1])
    descent = a_descent(truth)
    blur = placed_spectrum(torch.from_numpy(gaussian(size, 0.8)), descent.size)
    blurred = torch.fft.fftshift(torch.fft.ifft2(placed_spectrum(truth, descent.size) * blur).real)
    first = blurred.shape[0] // 2 - size // 2
    other = blurred[first : first + size, first : first + size].clamp_min(0)
    other = other / other.sum()
    even = torch.from_numpy(zero_phase(other[None].numpy()))[0]
    found, gains = descent.with_phases_of(even, torch.full((1,), 2.0), other)
    assert float(found.min()) >= 0.0
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(gains[0]) == pytest.approx(1.0, abs=0.1)
    right, off = placed_spectrum(truth, descent.size), placed_spectrum(found, descent.size)
    seen = descent.match.visible > 0.5
    assert float((off / right).angle()[seen].abs().mean()) < 0.05
    assert float((off.abs() / right.abs()).log()[seen].abs().mean()) < 0.05
    assert float((placed_spectrum(even, descent.size) / right).angle()[seen].abs().mean()) > 0.5
    assert float((placed_spectrum(other, descent.size).abs() / right.abs()).log()[seen].abs().mean()) > 0.15
    assert kernel_ncc(found.numpy(), truth.numpy()) > 0.985
    for kernel in (even, other):
        assert kernel_ncc(kernel.numpy(), truth.numpy()) < 0.98
