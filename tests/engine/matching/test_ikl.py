"""The IKL: its numbers have a closed form for Gaussians, and its gradient finds a blur from a flat start."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from ddm_gui.engine.flow.train import Velocity, sample_path
from ddm_gui.engine.matching.ikl import excess_loss, integrated_kl, matching_loss
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.scores import kernel_ncc, zero_phase
from ddm_gui.engine.simulate.optics import gaussian
from ddm_gui.engine.training import adam, cosine_decay, set_rate

SIMULATED, DEGRADED = 0.3, 0.9  # variances of white Gaussian data
IKL = 0.0735610678194  # nats per value, of these two


def coefficient(t: float, variance: float) -> float:
    """v = c y_t: the regression of u = y_1 - y_0 on y_t, cov(u, y_t)/var(y_t)."""
    return (t * variance - (1 - t)) / (t**2 * variance + (1 - t) ** 2)


def exact(variance: float) -> Velocity:
    """The velocity of white Gaussian data."""

    def velocity(y_t: Tensor, t: Tensor) -> Tensor:
        w = t[:, None, None, None]
        return (w * variance - (1 - w)) / (w**2 * variance + (1 - w) ** 2) * y_t

    return velocity


def batches(count: int, variance: float = SIMULATED) -> list[tuple[Tensor, torch.Generator]]:
    """Many small samples of 64 patches of 64 values each, seeded."""
    found = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        found.append((math.sqrt(variance) * torch.randn(64, 1, 8, 8, generator=generator), generator))
    return found


# The numbers


@pytest.mark.parametrize("variance", [0.3, 0.9, 4.0])
def test_the_exact_velocity_leaves_an_error_that_y_t_cannot_explain(variance: float) -> None:
    data = math.sqrt(variance) * torch.randn(2000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    sample = sample_path(data, torch.Generator().manual_seed(1))
    left = sample.target - exact(variance)(sample.y_t, sample.t)
    for low in (0.0, 0.25, 0.5, 0.75):
        inside = (sample.t >= low) & (sample.t < low + 0.25)
        assert float((left[inside] * sample.y_t[inside]).mean()) == pytest.approx(0.0, abs=0.03)


def test_de_bruijns_identity_by_quadrature() -> None:
    """The integral of t E|v_sim - v_deg|^2 is that of the Gaussians' KL divergence over t."""

    def variance(t: float, of_data: float) -> float:
        return t**2 * of_data + (1 - t) ** 2

    def weighted(t: float) -> float:
        difference = coefficient(t, SIMULATED) - coefficient(t, DEGRADED)
        return t * difference**2 * variance(t, SIMULATED)

    def divergence(t: float) -> float:
        ratio = variance(t, SIMULATED) / variance(t, DEGRADED)
        return 0.5 * (ratio - 1 - math.log(ratio))

    by_velocity, _ = quad(weighted, 0, 1, epsabs=1e-13)
    by_divergence, _ = quad(divergence, 0, 1, epsabs=1e-13)
    assert by_velocity == pytest.approx(by_divergence, abs=1e-9)
    assert by_velocity == pytest.approx(IKL, abs=1e-9)
    # The KL of the data alone has weight t/(1 - t).
    of_data, _ = quad(lambda t: weighted(t) / (1 - t), 0, 1, epsabs=1e-13)
    assert of_data == pytest.approx(divergence(1.0), abs=1e-9)


def test_the_ikl_of_two_gaussians_agrees_with_the_closed_form() -> None:
    """300 samples of 64 patches: standard error 1e-4, 0.15 % of the number."""
    values = np.array([integrated_kl(exact(SIMULATED), exact(DEGRADED), data, g) for data, g in batches(300)])
    error = values.std() / math.sqrt(len(values))
    assert error < 2e-4
    assert values.mean() == pytest.approx(IKL, abs=4 * error)


def test_the_excess_loss_agrees_too() -> None:
    """It scatters more (standard error 6e-4), since it does not know the auxiliary velocity to be exact."""
    values = []
    for data, generator in batches(300):
        sample = sample_path(data, generator)
        auxiliary, degraded = (exact(s)(sample.y_t, sample.t) for s in (SIMULATED, DEGRADED))
        values.append(float(excess_loss(auxiliary, degraded, sample)))
    error = np.std(values) / math.sqrt(len(values))
    assert error < 1e-3
    assert np.mean(values) == pytest.approx(IKL, abs=4 * error)


def test_the_excess_loss_scatters_around_nothing_when_both_are_equal() -> None:
    """Both networks have the right mean with an error of their own, as trained ones have."""
    values = []
    for data, generator in batches(300):
        sample = sample_path(data, generator)
        velocity = exact(SIMULATED)(sample.y_t, sample.t)
        assert float(excess_loss(velocity, velocity, sample)) == 0.0
        noise = 0.1 * torch.randn(2, *velocity.shape, generator=generator)
        values.append(float(excess_loss(velocity + noise[0], velocity + noise[1], sample)))
    error = np.std(values) / math.sqrt(len(values))
    assert error < 1e-3
    assert np.mean(values) == pytest.approx(0.0, abs=4 * error)
    assert min(np.mean(np.array(values) > 0), np.mean(np.array(values) < 0)) > 0.3


# The gradient


def test_the_gradient_is_eq_5_with_weight_t() -> None:
    """d/dy_1 = t (v_aux - v_degraded) over the number of values; nothing flows into the networks."""
    simulated = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    sample = sample_path(simulated.detach(), torch.Generator().manual_seed(1))
    difference = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(2), requires_grad=True)
    torch.autograd.backward(matching_loss(difference, sample.weight, simulated))
    assert simulated.grad is not None
    torch.testing.assert_close(simulated.grad, (sample.weight * difference / simulated.numel()).detach())
    assert difference.grad is None


@pytest.mark.parametrize("start", [0.3, 3.0])
def test_descent_moves_the_simulated_side_towards_the_degraded(start: float) -> None:
    """A single scale is learned: data of variance `start` come to have the degraded variance."""
    scale = torch.tensor(math.sqrt(start), requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        simulated = scale * torch.randn(32, 1, 4, 4, generator=generator)
        sample = sample_path(simulated.detach(), generator)
        difference = exact(float(scale.detach()) ** 2)(sample.y_t, sample.t) - exact(DEGRADED)(sample.y_t, sample.t)
        (gradient,) = torch.autograd.grad(matching_loss(difference, sample.weight, simulated), scale)
        with torch.no_grad():
            scale -= 0.5 * gradient
    assert float(scale.detach()) ** 2 == pytest.approx(DEGRADED, rel=0.05)


# Two stationary Gaussian fields

SIDE, KERNEL, NOISE = 32, 9, 0.02


def transfer(kernel: Tensor) -> Tensor:
    """k x k -> its frequency response on SIDE x SIDE, the origin k//2 at pixel 0."""
    placed = torch.nn.functional.pad(kernel, (0, SIDE - KERNEL, 0, SIDE - KERNEL))
    response: Tensor = torch.fft.fft2(placed.roll((-(KERNEL // 2), -(KERNEL // 2)), (-2, -1)))
    return response


def stationary(power: Tensor) -> Velocity:
    """The exact velocity of a periodic stationary Gaussian field: that of a Gaussian, frequency by frequency."""

    def velocity(y_t: Tensor, t: Tensor) -> Tensor:
        w = t[:, None, None, None]
        response = (w * power - (1 - w)) / (w**2 * power + (1 - w) ** 2)
        estimate: Tensor = torch.fft.ifft2(torch.fft.fft2(y_t) * response).real
        return estimate

    return velocity


def test_the_velocity_of_a_stationary_field_is_the_best_linear_one() -> None:
    frequency = torch.fft.fftfreq(SIDE)
    power = 0.2 + 2 * torch.cos(math.pi * frequency[:, None]).square() * torch.cos(math.pi * frequency).square()
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400, 1, SIDE, SIDE, generator=generator)
    data = torch.fft.ifft2(torch.fft.fft2(noise) * power.sqrt()).real
    sample = sample_path(data, generator)
    left = sample.target - stationary(power)(sample.y_t, sample.t)
    for shift in ((0, 0), (0, 1), (3, 2)):  # uncorrelated with y_t, at every distance
        assert float((left * sample.y_t.roll(shift, (2, 3))).mean()) == pytest.approx(0.0, abs=0.01)


def test_the_transfer_function_is_recovered_from_a_flat_start() -> None:
    """|H| to 0.01 rms (largest 0.06) in 1000 updates. NCC: 0.43 at the start, above 0.95 then, and above 0.998 once the
    learned kernel is made zero-phase as the true one is: Gaussian fields hold no phase, so noise moves it freely.
    """
    frequency = torch.fft.fftfreq(SIDE)
    photos = 1 / (frequency[:, None] ** 2 + frequency**2 + 1 / SIDE**2)  # as the power of photographs falls
    photos = photos / photos.mean()
    truth = torch.from_numpy(gaussian(KERNEL, 1.6, 0.9, 0.5))
    whitening = (transfer(truth).abs().square() * photos + NOISE**2).rsqrt()
    degraded = stationary(torch.ones(SIDE, SIDE))  # whitened by its own spectrum

    start = torch.full((1, KERNEL, KERNEL), 1 / KERNEL**2)
    model = SoftmaxKernels(start, torch.ones(1), NOISE)
    optimiser = adam([([model.logits], 0.2)])
    generator = torch.Generator().manual_seed(0)
    updates = 1000
    for update in range(updates):
        noise = torch.fft.fft2(torch.randn(2, 24, 1, SIDE, SIDE, generator=generator))
        response = transfer(model.with_gain()[0])
        blurred = noise[0] * photos.sqrt() * response + NOISE * noise[1]
        simulated = torch.fft.ifft2(blurred * whitening).real
        auxiliary = stationary((response.detach().abs().square() * photos + NOISE**2) * whitening.square())
        sample = sample_path(simulated.detach(), generator)
        difference = auxiliary(sample.y_t, sample.t) - degraded(sample.y_t, sample.t)
        set_rate(optimiser, cosine_decay(update, updates))
        optimiser.zero_grad()
        torch.autograd.backward(matching_loss(difference, sample.weight, simulated))
        optimiser.step()

    learned = model.kernels().detach()
    error = transfer(learned[0]).abs() - transfer(truth).abs()
    assert float(error.square().mean().sqrt()) < 0.01
    assert float(error.abs().max()) < 0.06
    assert kernel_ncc(start.numpy(), truth.numpy()[None]) < 0.5
    assert kernel_ncc(learned.numpy(), truth.numpy()[None]) > 0.95
    assert kernel_ncc(zero_phase(learned.numpy()), truth.numpy()[None]) > 0.998
