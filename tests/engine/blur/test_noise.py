"""Noise that grows with light: its two variances, and the noise that simulated patches are given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.flow.train import PathSample, sample_path
from ddm_gui.engine.matching.ikl import matching_loss
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.optics import gaussian

TRUE = PhotonNoise(0.01, 1e-4)


def test_the_variance_is_a_line_that_is_level_below_black() -> None:
    assert TRUE.variance(np.array([-1.0, 0.0, 0.5])) == pytest.approx([1e-4, 1e-4, 5.1e-3])
    assert TRUE.sigma(0.5) == pytest.approx(5.1e-3**0.5)
    assert TRUE.scaled(4.0).sigma(0.5) == pytest.approx(2 * TRUE.sigma(0.5))


@pytest.mark.parametrize("wrong", [(-0.1, 0.0), (0.1, -1e-9), (float("nan"), 0.0), (float("inf"), 0.0)])
def test_what_is_no_variance_is_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="variances"):
        PhotonNoise(*wrong)


def test_a_photo_is_given_the_noise_that_is_asked_for() -> None:
    pixels = np.repeat(np.array([0.1, 0.4, 0.7]), 100)[:, None, None] * np.ones((1, 300, 1))
    taken = degrade(pixels, gaussian(3, 0.2)[None], TRUE, np.random.default_rng(0))
    for band, value in enumerate((0.1, 0.4, 0.7)):
        inside = taken[100 * band + 5 : 100 * band + 95]
        assert float(inside.var()) == pytest.approx(0.01 * value + 1e-4, rel=0.03)


def test_simulated_noise_has_these_variances_and_gives_them_back() -> None:
    noise = SimulatedNoise.of(TRUE, 0.3)
    assert float(noise.sigma) == pytest.approx(TRUE.sigma(0.3))
    assert (noise.photon.shot, noise.photon.read) == (pytest.approx(0.01, rel=1e-5), pytest.approx(1e-4, rel=1e-5))
    unit = torch.randn(3, 200_000, generator=torch.Generator().manual_seed(0))
    values = torch.tensor([[-0.2], [0.3], [0.9]])
    expected = [TRUE.sigma(value) ** 2 for value in (0.0, 0.3, 0.9)]
    assert noise.scaled(unit, values.expand_as(unit)).var(dim=1).tolist() == pytest.approx(expected, rel=0.02)
    assert torch.equal(SimulatedNoise(0.1).scaled(unit, values), 0.1 * unit)


def test_gradients_of_the_two_variances_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    unit = torch.randn(2000, generator=generator, dtype=torch.float64)
    values = torch.rand(2000, generator=generator, dtype=torch.float64)
    direction = torch.randn(2000, generator=generator, dtype=torch.float64)  # v_aux - v_degraded

    def surrogate(shot: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        total = shot * 0.3 + read
        noise = SimulatedNoise(total.sqrt(), shot * 0.3 / total, 0.3)
        return matching_loss(direction, 1.0, noise.scaled(unit, values))

    shot, read = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.01, 1e-4))
    found = torch.autograd.grad(surrogate(shot, read), [shot, read])
    for index, (value, gradient) in enumerate(zip((0.01, 1e-4), found, strict=True)):
        step = torch.zeros(2, dtype=torch.float64)
        step[index] = 1e-4 * value
        up, down = (surrogate(*(torch.stack([shot, read]).detach() + sign * step)) for sign in (1, -1))
        assert float(gradient) == pytest.approx(float((up - down) / (2e-4 * value)), rel=1e-5)


def test_the_ikl_gradient_leads_to_the_right_variances() -> None:
    """Patches of single pixels of two values, whose exact velocities are known: only where both variances are right at
    both values do the two sides agree."""
    model = SoftmaxKernels(torch.ones(1, 3, 3) / 9, torch.ones(1), SimulatedNoise.of(PhotonNoise(0.02, 1e-3), 0.3))
    optimiser = torch.optim.Adam(model.noise_parameters(), 0.05)
    generator = torch.Generator().manual_seed(0)
    values = torch.tensor([0.02, 0.8]).repeat(2000)[:, None, None, None]

    def velocity(sample: PathSample, variance: torch.Tensor) -> torch.Tensor:
        t = sample.weight
        slope = (t * variance - (1 - t)) / (t**2 * variance + (1 - t) ** 2)
        return values + slope * (sample.y_t - t * values)

    for step in range(400):
        optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / 400)
        noise = model.noise()
        unit = torch.randn(values.shape, generator=generator)
        simulated = values + noise.scaled(unit, values)
        sample = sample_path(simulated.detach(), generator)
        now = noise.photon
        auxiliary = velocity(sample, now.shot * values + now.read)
        degraded = velocity(sample, TRUE.shot * values + TRUE.read)
        optimiser.zero_grad()
        torch.autograd.backward(matching_loss(auxiliary - degraded, sample.weight, simulated))
        optimiser.step()
    found = model.noise().photon
    assert found.shot == pytest.approx(TRUE.shot, rel=0.03)
    assert found.read == pytest.approx(TRUE.read, rel=0.1)
