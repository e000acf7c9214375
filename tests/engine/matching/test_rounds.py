"""Step 2: the numbers it reports have a closed form for Gaussians, and its gradient finds a blur from a flat start."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.flow.train import FlowModel, Velocity, build_velocity, sample_path
from ddm_gui.engine.flow.whitening import PlainPixels, Whitening
from ddm_gui.engine.matching import retrieval, rounds
from ddm_gui.engine.matching.blend import blended, without_haze
from ddm_gui.engine.matching.colour import ColourMatch, apart
from ddm_gui.engine.matching.descent import KernelDescent
from ddm_gui.engine.matching.ikl import excess_loss, integrated_kl, matching_loss
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.matching.magnitude import MagnitudeMatch
from ddm_gui.engine.matching.phase import UNKNOWN, PhaseDescent
from ddm_gui.engine.matching.rounds import TIMED, KernelTraining, seconds_per_update, updates_needed, work
from ddm_gui.engine.matching.search import as_grid
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation, photographed
from ddm_gui.engine.photos.patches import PatchBatch, PatchPool
from ddm_gui.engine.scores import kernel_ncc, zero_phase
from ddm_gui.engine.settings import Settings
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


# The simulated side


class Shelf:
    """A pool that gives what lies on it: B x C x size x size patches of random values, or of one."""

    def __init__(self, channels: int, value: float | None = None) -> None:
        self.channels, self.value = channels, value

    def draw(self, count: int, size: int, generator: torch.Generator, mirror: bool = False) -> PatchBatch:
        pixels = 0.2 + 0.6 * torch.rand(count, self.channels, size, size, generator=generator)
        if self.value is not None:
            pixels = torch.full_like(pixels, self.value)
        return PatchBatch(pixels, *torch.zeros(2, count, 2))


def identity_whitening(channels: int, noise_power: float = 0.0) -> Whitening:
    """T that only cuts the margin and averages the colours."""
    side = Whitening.margin + 1
    taps = torch.zeros(1, channels, side, side)
    taps[..., side // 2, side // 2] = 1.0 / channels
    return Whitening(taps, noise_power)


TINY = Settings(
    patch_size=16,
    width=8,
    blocks=1,
    batch_size=8,
    kernel_size=5,
    candidates=0,
    images_phase=0,
    images_kernel=64,
    noise_sigma="learn",
)


def a_model(channels: int = 3, kernels: int = 3, noise: SimulatedNoise | float = 0.02) -> SoftmaxKernels:
    start = torch.from_numpy(gaussian(5, 1.0))[None].repeat(kernels, 1, 1)
    return SoftmaxKernels(start, torch.ones(channels), noise)


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
def test_simulated_patches_are_what_the_networks_see(channels: int, kernels: int) -> None:
    simulation = Simulation(identity_whitening(channels), 8, TINY)
    model = a_model(channels, kernels)
    shelf: PatchPool = Shelf(channels)  # type: ignore[assignment]
    simulated, places = simulation.draw(shelf, model.with_gain(), model.noise(), torch.Generator().manual_seed(0))
    assert places is None
    assert simulated.shape == (8, 1, 16, 16)
    torch.testing.assert_close(simulated.square().mean(dim=(1, 2, 3)), torch.ones(8))
    torch.autograd.backward((simulated * torch.rand(simulated.shape)).sum())
    for parameter in (model.logits, model.log_gain, model.log_sigma):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0
    again, _ = simulation.draw(shelf, model.with_gain(), model.noise(), torch.Generator().manual_seed(0))
    assert torch.equal(again, simulated)


def test_over_the_field_each_patch_is_blurred_by_the_kernel_of_its_place() -> None:
    """Two nodes, above and below, one of which lets nothing through: brightness is the place's row."""
    field = Field(2, 1, 101, 101)
    simulation = Simulation(PlainPixels(1), 16, TINY.with_changes({"whiten": False, "procedure": "alternating"}), field)
    kernels = torch.zeros(2, 1, 5, 5)
    kernels[1, 0, 2, 2] = 1.0
    shelf: PatchPool = Shelf(1)  # type: ignore[assignment]
    seen, places = simulation.draw(shelf, kernels, SimulatedNoise(0.0), torch.Generator().manual_seed(0))
    assert places is not None
    assert places.shape == (8, 2, 16, 16)
    alone = replace(simulation, field=None)
    plain, _ = alone.draw(shelf, kernels[1], SimulatedNoise(0.0), torch.Generator().manual_seed(0))
    rows = places[:, 0].mean(dim=(1, 2))
    assert float(rows.std()) > 0.1
    pixels, whole = ((values + 1) / 2 for values in (seen, plain))
    torch.testing.assert_close(pixels, rows[:, None, None, None] * whole, rtol=0, atol=1e-4)


def test_the_camera_clips_rounds_and_adds_the_noise() -> None:
    kernels = a_model(1, 1).with_gain().detach()
    size = 40
    unit = torch.randn(4, 1, size, size, generator=torch.Generator().manual_seed(0))
    for depth, value in ((8, 0.5), (16, 0.5), (8, 1.0)):
        taken = photographed(torch.full((4, 1, size + 4, size + 4), value), kernels, SimulatedNoise(0.1), unit, depth)
        top = 2**depth - 1
        assert float((taken * top - (taken * top).round()).abs().max()) < 0.01
        assert 0.0 <= float(taken.min()) <= float(taken.max()) <= 1.0
        if value == 0.5:
            assert float(taken.std()) == pytest.approx(0.1, rel=0.03)


# The loop's own parts


class NoEdges:
    """Photos whose edges say nothing: kernels stay as they are, each as surprising as another one."""

    def refined(self, kernel: Tensor) -> tuple[Tensor, float]:
        return kernel, 0.0

    def surprise(self, kernel: Tensor) -> float:
        return 0.0


class KnownEdges:
    """Photos that refine each kernel by one step to the right, and whose surprise is `surprise_of` the kernel."""

    def __init__(self, surprise_of: Callable[[Tensor], float]) -> None:
        self.surprise_of = surprise_of

    def refined(self, kernel: Tensor) -> tuple[Tensor, float]:
        moved = kernel.roll(1, dims=1)
        return moved, self.surprise_of(moved)

    def surprise(self, kernel: Tensor) -> float:
        return self.surprise_of(kernel)


def a_training(
    settings: Settings = TINY,
    channels: int = 1,
    kernels: int | None = None,
    knows: bool = False,
    noise_fit: KnownNoise | None = None,
    edges: KnownEdges | None = None,
) -> KernelTraining:
    """`knows`: step 1's network has an opinion, any one, by which phases turn; else all is white noise to it."""
    velocity = build_velocity(settings, identity_whitening(channels)).eval().requires_grad_(False)
    if knows:
        velocity.leave.gain.fill_(0.5)
    power = 0.01 * (0.3 * torch.eye(channels) + 0.7).expand(WINDOW, WINDOW, channels, channels).to(torch.complex64)
    whitening = identity_whitening(channels)
    shelf: PatchPool = Shelf(channels)  # type: ignore[assignment]
    noise = 0.02 if noise_fit is None else SimulatedNoise.of(PhotonNoise(0.01, 1e-4), noise_fit.level)
    model = a_model(channels, kernels or channels, noise)
    transfer = torch.fft.fft2(model.kernels().detach().mean(dim=0), s=(WINDOW, WINDOW))
    blurred = power * (transfer.abs().square()[..., None, None] + 0.05)
    return KernelTraining(
        FlowModel(velocity, whitening, power, 0.002),
        shelf,
        Simulation(whitening, 8, settings),
        model,
        ColourMatch(power, power),
        PhaseDescent(MagnitudeMatch(blurred, power, 0.02)),
        model.kernels().detach(),
        settings,
        edges or NoEdges(),  # type: ignore[arg-type]
        noise_fit,  # type: ignore[arg-type]
    )


def pulled(training: KernelTraining, updates: int) -> None:
    for _ in range(updates):
        training.step()
        training.update += 1


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of four updates, of which the last two are listened to."""
    monkeypatch.setattr(rounds, "ROUND", 4)
    monkeypatch.setattr(rounds, "LISTENING", 2)


@pytest.mark.usefixtures("short_rounds")
def test_the_kernel_moves_once_a_round_and_gain_and_noise_while_it_is_listened_to() -> None:
    training = a_training(TINY.with_changes({"images_kernel": 8 * 8}))
    assert (training.first_round, training.updates) == (0, 8)
    before = training.model.kernels().detach().clone()
    noise, gain = training.noise_sigma(), training.model.log_gain.detach().clone()
    weights = training.auxiliary.leave.gain.detach().clone()
    pulled(training, 2)
    assert not torch.equal(training.auxiliary.leave.gain, weights)
    assert torch.equal(training.model.log_gain, gain)
    assert training.noise_sigma() == noise
    assert float(training.gradient.abs().max()) == 0.0
    report = training.progress(0.0)
    assert (report.ikl, report.ikl_floor) == (None, None)
    pulled(training, 1)
    assert torch.equal(training.model.kernels(), before)
    assert not torch.equal(training.model.log_gain, gain)
    assert training.noise_sigma() != noise
    assert float(training.gradient.abs().max()) > 0.0
    report = training.progress(0.0)
    assert report.ikl is not None
    assert report.ikl_floor == 0.002
    pulled(training, 1)
    moved = training.model.kernels().detach().clone()
    assert not torch.equal(moved, before)
    assert float(training.gradient.abs().max()) == 0.0
    pulled(training, 3)
    assert torch.equal(training.model.kernels(), moved)
    pulled(training, 1)
    assert not torch.equal(training.model.kernels(), moved)
    assert torch.equal(training.flow.velocity.leave.gain, weights)  # step 1's network is left alone


@pytest.mark.parametrize(("images", "rounds"), [(64, 2), (8 * 4 * 3, 3), (8 * 4 * 3 + 1, 4)])
@pytest.mark.usefixtures("short_rounds")
def test_all_rounds_are_whole(images: int, rounds: int) -> None:
    training = a_training(TINY.with_changes({"images_kernel": images}))
    assert training.updates == 4 * rounds


# The phases, in stretches


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of three turns and three updates of a trial, the last two listened to; haste in all else."""
    monkeypatch.setattr(rounds, "STRETCH", 3)
    monkeypatch.setattr(rounds, "TRIAL", 3)
    monkeypatch.setattr(rounds, "TRIAL_LISTENING", 2)
    monkeypatch.setattr(rounds, "CONTRACTING_STEPS", 5)
    monkeypatch.setattr(retrieval, "BEGINNINGS", 4)
    monkeypatch.setattr(retrieval, "STEPS", 10)
    monkeypatch.setattr(retrieval, "AGREEING", 3)


LOPSIDED = torch.zeros(5, 5)
LOPSIDED[2, 2:] = torch.tensor([0.6, 0.3, 0.1])


def one_kernel(training: KernelTraining) -> Tensor:
    """That of the moment, the same for all colours."""
    kernels = training.model.kernels().detach()
    assert torch.equal(kernels, kernels[:1].expand_as(kernels))
    return kernels[0]


@pytest.mark.parametrize(
    ("changes", "count", "turns"),
    [
        ({}, 4 + 6, 150),
        ({"images_phase": 0}, 0, 0),
        ({"images_phase": 1}, 4 + 1, 1),
        ({"images_phase": 32 * 100}, 4 + 1, 100),  # fewer updates than a stretch
        ({"images_phase": 32 * 400}, 4 + 3, 150),
        ({"images_phase": 32 * 160}, 4 + 1, 150),
        ({"candidates": 0}, 6, 150),
        ({"candidates": 5}, 10 + 6, 150),
        ({"kernel_size": 40}, 4 + 6, 150),
        ({"kernel_size": 41}, 6, 150),  # too large for phase retrieval
    ],
)
def test_how_many_stretches_there_are_and_how_long(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, int], count: int, turns: int
) -> None:
    """Each start has one, and the own start's is the first of those that the patches are enough for.

    Before them the own start is measured as it is, where there are stretches at all.
    """
    lengths = {"STRETCH": 150, "TRIAL": 48, "ROUND": 100, "LARGEST_RETRIEVED": 40}
    for name, value in {**lengths, "ROUND_WORK": 3.0, "TRIAL_WORK": 1.5, "REFINING_WORK": 10.0}.items():
        monkeypatch.setattr(rounds, name, value)
    effort = {"candidates": 2, "images_phase": 28_800, "images_kernel": 19_200, "batch_size": 32}
    settings = Settings().with_changes(effort | changes)
    assert rounds.stretches(settings) == (count, turns)
    measured = 48 if count else 0
    updates = measured + count * (turns + 48)
    assert updates_needed(settings) == updates + 600
    # A turn of the phases is a third of the work of an update of a round, one of a trial half as much again.
    # What each stretch ends with is refined, and what each retrieved start begins with.
    retrieved = min(count, rounds.starts(settings)) - 1 if count else 0
    before_rounds = 1.5 * measured + count * (turns / 3 + 1.5 * 48) + 10.0 * (count + retrieved)
    assert work(settings, 0) == 0.0
    assert work(settings, updates) == pytest.approx(before_rounds)
    assert work(settings, updates + 600) == pytest.approx(before_rounds + 600)
    amounts = np.diff([work(settings, update) for update in range(updates + 300)])
    since = np.arange(len(amounts)) - measured
    turning = (since >= 0) & (since < updates - measured) & (since % (turns + 48) < turns)
    in_rounds = since >= updates - measured
    refined = (since >= 0) & ~in_rounds & (since % (turns + 48) == turns)
    begun = (since > 0) & (since <= retrieved * (turns + 48)) & (since % (turns + 48) == 0)
    expected = np.where(turning, 1 / 3, np.where(in_rounds, 1.0, 1.5)) + 10.0 * refined + 10.0 * begun
    np.testing.assert_allclose(amounts, expected)


def test_the_papers_procedure_has_no_stretches() -> None:
    settings = Settings().with_changes({"procedure": "alternating", "images_kernel": 3200, "batch_size": 32})
    assert updates_needed(settings) == 100
    assert work(settings, 70) == 70.0


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_phases_are_turned_then_a_kernel_that_stands_still_is_measured() -> None:
    """The own start first, as it is. Then come rounds. What is reported as IKL is that of rounds alone."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 6}))
    assert (training.first_round, training.updates) == (3 + 2 * 6, 3 + 2 * 6 + 8)
    own = one_kernel(training)
    for _ in range(2):
        pulled(training, 1)
        torch.testing.assert_close(one_kernel(training), own)
    pulled(training, 1)
    assert 0.0 != float(training.ikls[0]) < rounds.LARGEST_IKL
    for stretch in (1, 2):
        weights = training.auxiliary.leave.gain.detach().clone()
        for _ in range(3):
            before = one_kernel(training)
            pulled(training, 1)
            assert not torch.equal(one_kernel(training), before)
        assert torch.equal(training.auxiliary.leave.gain, weights)
        pulled(training, 1)
        measured = one_kernel(training)
        assert not torch.equal(training.auxiliary.leave.gain, weights)
        pulled(training, 1)
        assert torch.equal(one_kernel(training), measured)
        pulled(training, 1)
        assert 0.0 != float(training.ikls[stretch]) < rounds.LARGEST_IKL
        assert training.progress(0.0).ikl is None
    settled = one_kernel(training)
    pulled(training, 3)
    assert torch.equal(one_kernel(training), settled)
    assert training.progress(0.0).ikl is not None
    pulled(training, 1)
    assert not torch.equal(one_kernel(training), settled)


def retrieved(monkeypatch: pytest.MonkeyPatch, training: KernelTraining) -> list[Tensor]:
    """What each retrieval finds from now on, another one each time; its phases are taken over as they are."""
    found: list[Tensor] = []

    def find(_magnitude: Tensor, _visible: Tensor, size: int, generator: torch.Generator) -> Tensor:
        kernel = torch.rand(size, size, generator=generator)
        found.append(kernel / kernel.sum())
        return found[-1]

    def take(kernel: Tensor, gains: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        assert torch.equal(kernel, training.spectral)  # whichever the start is
        return other, 2 * gains

    monkeypatch.setattr(rounds, "retrieve", find)
    monkeypatch.setattr(training.phase, "with_phases_of", take)
    return found


def test_the_own_start_is_followed_by_candidates_as_they_are_and_turned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_phase": 8, "candidates": 2}), channels=3)
    found = retrieved(monkeypatch, training)
    training.own = LOPSIDED  # as after a flat start has contracted
    begun, gains = [], []
    for stretch in range(1, 7):
        training._begin_stretch(stretch)
        begun.append(training.kernel)
        kernels = training.model.kernels().detach()
        torch.testing.assert_close(kernels, begun[-1].expand_as(kernels), rtol=0.0, atol=1e-5)
        gains.append(float(training.model.log_gain.detach().exp()[0]))
        unknown = UNKNOWN if stretch == 1 else rounds.ROUGHLY_KNOWN
        torch.testing.assert_close(training.phase.state["variance"].sqrt(), torch.full((WINDOW, WINDOW), unknown))
    assert len(found) == 2  # each is kept, for the other way about
    assert not torch.equal(found[0], found[1])
    expected = [LOPSIDED, found[0], found[0].flip(0, 1), found[1], found[1].flip(0, 1)]
    for kernel, right in zip(begun, expected, strict=False):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    assert torch.equal(begun[5], begun[4])  # it goes on from what is there
    assert gains == pytest.approx([1.0, 2.0, 2.0, 2.0, 2.0, 2.0])


def test_a_candidate_whose_keeping_was_stopped_is_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not saved: found again it is the same one, whatever the gain and kernel of the moment."""
    settings = TINY.with_changes({"images_phase": 8, "candidates": 2})
    training, again = a_training(settings), a_training(settings)
    found = retrieved(monkeypatch, training)
    training._begin_stretch(4)
    kept = training._retrieved(1)
    assert len(found) == 1
    again.load({name: tensor.clone() for name, tensor in training.tensors().items()}, training.numbers())
    assert torch.equal(again._retrieved(1), kept)
    assert len(found) == 2


def test_a_stretch_is_measured_at_the_mean_of_its_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    for turns, averaged in ((1, [0]), (2, [1]), (3, [1, 2]), (6, [3, 4, 5])):
        monkeypatch.setattr(rounds, "STRETCH", turns)
        training = a_training(TINY.with_changes({"images_phase": 8 * turns}))
        turned = [kernel / kernel.sum() for kernel in torch.rand(turns, 5, 5) + 0.1]
        there = iter(turned)
        monkeypatch.setattr(training, "_turn_phases", lambda *_, t=training, there=there: t._set_kernel(next(there)))
        monkeypatch.setattr(training, "_measure", lambda *_: None)
        pulled(training, rounds.TRIAL + turns)
        torch.testing.assert_close(one_kernel(training), turned[-1])
        pulled(training, 1)
        torch.testing.assert_close(one_kernel(training), torch.stack([turned[index] for index in averaged]).mean(dim=0))


def test_what_a_stretch_began_with_and_ends_with_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    """The own start is measured, and begun with, as it is. Where the end surprises more than the beginning, that is
    what was found."""
    worse = iter([0.0, 1.0, 0.2, 0.1, 0.3, 0.4])  # own; the end; beginning, end; beginning, end
    edges = KnownEdges(lambda _: next(worse))
    training = a_training(TINY.with_changes({"images_phase": 8, "candidates": 1}), edges=edges)
    found = retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [0.5, 0.4, 0.3, 0.2])
    own = one_kernel(training)
    turned = torch.rand(5, 5)
    turned /= turned.sum()
    monkeypatch.setattr(training, "_turn_phases", lambda *_: training._set_kernel(turned))
    pulled(training, training.first_round)
    measured = [kernel for kernel, *_ in seen.measured]
    expected = [own, turned.roll(1, dims=1), turned.roll(1, dims=1), found[0].flip(0, 1).roll(1, dims=1)]
    for kernel, right in zip(measured, expected, strict=True):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    for kernel, right in zip(seen.begun, [own, found[0].roll(1, dims=1), expected[3]], strict=True):
        torch.testing.assert_close(kernel, right, rtol=0.0, atol=1e-5)
    assert training.surprises.tolist() == pytest.approx([0.0, 1.0, 0.1, 0.3])


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_of_kernels_of_one_ikl_that_is_believed_with_which_photos_surprise_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    surprises = iter([0.0, -0.9, 0.0, 0.0, 0.0, 0.0])
    edges = KnownEdges(lambda _: next(surprises))
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), knows=True, edges=edges)
    retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [0.0, 0.0, 0.0, 0.0])
    pulled(training, training.first_round)
    torch.testing.assert_close(one_kernel(training), without_haze(seen.measured[1][0]), rtol=0.0, atol=1e-5)


@dataclass
class Stretches:
    """The kernels with which stretches began, and those that were measured, with the gain and what is known."""

    begun: list[Tensor]
    measured: list[tuple[Tensor, Tensor, dict[str, Tensor]]]


def measuring(monkeypatch: pytest.MonkeyPatch, training: KernelTraining, ikl: list[float]) -> Stretches:
    """Makes these the numbers of the own start and of the stretches."""
    seen = Stretches([], [])
    begin = training._begin_stretch

    def begin_and_keep(stretch: int) -> None:
        begin(stretch)
        seen.begun.append(one_kernel(training))

    def measure(stretch: int, update: int) -> None:
        if update == 0:
            training.ikls[stretch] = ikl[stretch]
            seen.measured.append(
                (one_kernel(training), training.model.log_gain.detach().clone(), dict(training.phase.tensors()))
            )

    monkeypatch.setattr(training, "_begin_stretch", begin_and_keep)
    monkeypatch.setattr(training, "_measure", measure)
    return seen


@pytest.mark.parametrize("best", range(6))
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_rounds_begin_with_what_the_best_stretch_led_to(monkeypatch: pytest.MonkeyPatch, best: int) -> None:
    """Three starts, of which the best goes on for two stretches more, where one is better by far than all others: the
    own start as it is, too. But for haze.
    """
    training = a_training(TINY.with_changes({"images_phase": 8 * 9, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    ikl = [0.8, 0.5, 0.4, 0.6, 0.7, 0.3]
    ikl[best] = -0.1
    own = one_kernel(training)
    seen = measuring(monkeypatch, training, ikl)
    pulled(training, training.first_round)
    assert (len(seen.begun), len(seen.measured)) == (5, 6)
    torch.testing.assert_close(seen.measured[0][0], own)
    torch.testing.assert_close(seen.begun[0], own)
    for stretch in (4, 5):
        expected = without_haze(seen.measured[int(np.argmin(ikl[:stretch]))][0])
        torch.testing.assert_close(seen.begun[stretch - 1], expected, rtol=0.0, atol=1e-5)
    kernel, log_gain, known = seen.measured[best]
    torch.testing.assert_close(one_kernel(training), without_haze(kernel), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(training.model.log_gain.detach(), log_gain)
    for name, tensor in training.phase.tensors().items():
        assert torch.equal(tensor, known[name]), name
    for one, other in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        assert float((seen.measured[one][0] - seen.measured[other][0]).abs().max()) > 1e-3


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_stretches_that_are_as_good_as_each_other_are_blended(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their measured IKL, all of them; gain and phases' doubt are the best one's."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    ikls = [0.9, 0.5, 4e-4, 2e-4, 0.0, 4e-4]
    seen = measuring(monkeypatch, training, ikls)
    pulled(training, training.first_round)
    kernels = torch.stack([kernel for kernel, *_ in seen.measured])
    torch.testing.assert_close(one_kernel(training), blended(kernels, torch.tensor(ikls)), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(training.model.log_gain.detach(), seen.measured[4][1])
    for name, tensor in training.phase.tensors().items():
        assert torch.equal(tensor, seen.measured[4][2][name]), name


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_of_a_kernel_and_itself_turned_about_the_one_that_leads_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the other one's IKL is a little less."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), knows=True)
    retrieved(monkeypatch, training)
    seen = measuring(monkeypatch, training, [3e-3, 2e-3, 8e-4, 7e-4])
    leads = torch.tensor([0.0, 0.0, 1e-3, -1e-3])
    monkeypatch.setattr(training, "leads", leads)
    pulled(training, training.first_round)
    assert len(seen.measured) == 4
    torch.testing.assert_close(one_kernel(training), without_haze(seen.measured[2][0]), rtol=0.0, atol=1e-4)


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_lead_is_that_of_the_kernel_over_itself_turned_about() -> None:
    """The opposite of a kernel's is its own turned about; a symmetric one has none."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}), knows=True)

    def lead(kernel: Tensor) -> float:
        training.leads[0] = 0.0
        training._set_kernel(kernel)
        for update in range(rounds.TRIAL):
            training._measure(0, update)
        return float(training.leads[0])

    right = lead(LOPSIDED)
    assert right != 0.0
    assert lead(LOPSIDED.flip(0, 1)) == pytest.approx(-right, rel=1e-4)
    assert lead(torch.full((5, 5), 1 / 25)) == 0.0


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_stretch_that_was_not_measured_yet_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the IKL of the only one that was."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    training.own = training.mean = LOPSIDED
    seen = measuring(monkeypatch, training, [1e3])
    pulled(training, 3)
    torch.testing.assert_close(seen.measured[0][0], LOPSIDED, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(one_kernel(training), without_haze(LOPSIDED), rtol=0.0, atol=1e-5)


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_measurement_is_that_of_the_kernel_alone() -> None:
    """A network of its own that begins as step 1's, and the same patches: the same kernel gives the same number."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))

    def measured(kernel: Tensor, stretch: int) -> float:
        training._set_kernel(kernel)
        for update in range(rounds.TRIAL):
            training._measure(stretch, update)
        assert torch.equal(training.flow.velocity.leave.gain, weights)
        return float(training.ikls[stretch])

    weights = training.flow.velocity.leave.gain.clone()
    first = measured(LOPSIDED, 0)
    other = measured(torch.full((5, 5), 1 / 25), 1)
    again = measured(LOPSIDED, 2)
    assert again == first != other
    assert training.heard == 0  # it is not what is reported


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_ikl_of_a_stretch_is_the_mean_over_the_last_updates_of_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    numbers = iter([3.0, 5.0, 1.0, 2.0, 0.5, 0.7])
    monkeypatch.setattr(rounds, "excess_loss", lambda *_: torch.tensor(next(numbers)))
    pulled(training, 3 + 2 * 6)
    assert training.ikls.tolist() == pytest.approx([4.0, 1.5, 0.6, rounds.LARGEST_IKL])


@pytest.mark.parametrize("last", [2, 8], ids=["own start", "first stretch"])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_an_ikl_that_is_not_finite_is_told_before_the_kernel_is_chosen_by_it(
    monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    """At the last update of the trial."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 9}))
    monkeypatch.setattr(rounds, "excess_loss", lambda *_: torch.tensor(math.nan if training.update == last else 0.1))
    pulled(training, last)
    before = one_kernel(training)
    with pytest.raises(UserError, match="not finite"):
        training.step()
    assert torch.equal(one_kernel(training), before)


# What sets three colours apart, for `ColourMatch.apart`: shifts in px, and widths.
DIFFERENCES = torch.tensor([[0.3, 0.1, 0.01, 0.0, 0.0], [0.0, 0.0, 0.0, 0.02, 0.0], [-0.3, -0.1, 0.0, 0.0, 0.01]])


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_while_phases_are_turned_the_kernels_of_the_colours_are_made_of_one(
    monkeypatch: pytest.MonkeyPatch, channels: int, kernels: int
) -> None:
    """And those are what the power spectra are compared with."""
    training = a_training(TINY.with_changes({"images_phase": 8 * 3, "candidates": 1}), channels, kernels)
    monkeypatch.setattr(training.colour, "differences", lambda *_: DIFFERENCES)
    move, turned = training.phase.move, []

    def moved(kernel: Tensor, colours: Tensor, gradient: Tensor) -> tuple[Tensor, float]:
        assert torch.equal(kernel, training.kernel)
        torch.testing.assert_close(colours, training.model.with_gain())
        turned.append(training.update)
        return move(kernel, colours, gradient)

    monkeypatch.setattr(training.phase, "move", moved)
    for _ in range(training.first_round):
        pulled(training, 1)
        colours = training.model.kernels().detach()
        assert colours.shape == (kernels, 5, 5)
        expected = apart(training.kernel, DIFFERENCES) if kernels > 1 else training.kernel[None]
        torch.testing.assert_close(colours, expected, rtol=0.0, atol=1e-5)
        assert kernels == 1 or float((colours[0] - colours[2]).abs().max()) > 0.01
    assert len(turned) == 3 * 3


def test_a_flat_kernel_contracts_to_the_right_size_before_its_phases_are_turned() -> None:
    """NCC .4 at the start, above .95 after: photos whose spectrum falls as 1/f^2, blurred by 1 px."""
    settings = TINY.with_changes({"images_phase": 8, "start": "flat", "kernel_size": 9})
    truth = torch.from_numpy(gaussian(9, 1.0))
    frequency = torch.fft.fftfreq(WINDOW)
    clean = 1e-3 / (frequency[:, None].square() + frequency.square() + 1 / WINDOW**2)
    degraded = clean * torch.fft.fft2(truth, s=(WINDOW, WINDOW)).abs().square() + 0.02**2
    colour = ColourMatch(*(power[..., None, None].to(torch.complex64) for power in (degraded, clean)))
    training = a_training(settings)
    training.colour, training.descent = colour, KernelDescent(truth[None])
    training.model = SoftmaxKernels(torch.full((1, 9, 9), 1 / 81), torch.ones(1), 0.02)
    assert kernel_ncc(training.model.kernels().detach().numpy(), truth.numpy()) < 0.5
    training._contract()
    assert kernel_ncc(training.model.kernels().detach().numpy(), truth.numpy()) > 0.95
    for kernel in (training.own, training.mean, training.kernel):  # what is measured, and the first stretch begins with
        torch.testing.assert_close(kernel, one_kernel(training))


def test_a_flat_kernel_whose_phases_are_not_turned_is_left_to_the_rounds() -> None:
    training = a_training(TINY.with_changes({"images_phase": 0, "start": "flat"}))
    before = one_kernel(training)
    training._contract()
    assert torch.equal(one_kernel(training), before)


# Rounds


@pytest.mark.usefixtures("short_rounds")
class KnownNoise:
    """A fit whose answers are known."""

    level = 0.3

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def under(self, kernels: Tensor) -> PhotonNoise:
        self.asked.append(kernels.clone())
        return PhotonNoise(0.01 * len(self.asked), 1e-4)


def test_photon_noise_is_fitted_before_each_round_and_stands_still_meanwhile(short_rounds: None) -> None:
    fit = KnownNoise()
    training = a_training(TINY, noise_fit=fit)
    begun = training.first_round
    training.update = begun
    pulled(training, 1)
    assert len(fit.asked) == 1
    pulled(training, rounds.ROUND - 1)
    assert training.model.noise().photon.shot == pytest.approx(0.01, rel=1e-4)  # nothing else moved it
    assert len(fit.asked) == 1
    pulled(training, 1)
    assert training.model.noise().photon.shot == pytest.approx(0.02, rel=1e-4)
    assert training.photon_noise() == PhotonNoise(0.03, 1e-4)  # fitted again to what was found
    assert not torch.equal(fit.asked[0], fit.asked[1])
    assert a_training().photon_noise() is None


@pytest.mark.usefixtures("short_rounds")
def test_each_round_starts_from_the_network_of_step_1() -> None:
    """Weights, average and optimiser: the update after a joint is that of a training that has just begun."""
    training = a_training(TINY.with_changes({"images_kernel": 8 * 8}))
    pulled(training, 4)
    learned = training.auxiliary.leave.gain.detach().clone()
    fresh = a_training(training.settings)
    fresh.model.load_state_dict(training.model.state_dict())
    fresh.update = 4
    for each in (training, fresh):
        pulled(each, 1)
    assert not torch.equal(training.auxiliary.leave.gain, learned)
    for name in ("auxiliary", "followed", "optimiser"):
        ours = {key: value for key, value in training.tensors().items() if key.startswith(name)}
        theirs = {key: value for key, value in fresh.tensors().items() if key.startswith(name)}
        assert ours.keys() == theirs.keys()
        assert ours
        for key, tensor in theirs.items():
            assert torch.equal(ours[key], tensor), key


def test_the_auxiliary_network_learns_and_is_looked_through_its_average() -> None:
    training = a_training(TINY.with_changes({"auxiliary_rate": 0.01}))
    generator = torch.Generator().manual_seed(0)
    sample = sample_path(torch.randn(16, 1, 1, 16, generator=generator).expand(-1, -1, 16, -1), generator)  # stripes

    def loss(velocity: Velocity) -> float:
        with torch.no_grad():
            return float((velocity(sample.y_t, sample.t) - sample.target).square().mean())

    before = loss(training.flow.velocity)
    assert before == loss(training.followed) == loss(training.auxiliary)
    names = [name for name, _ in training.followed.named_parameters()]
    expected = {name: training.followed.get_parameter(name).clone() for name in names}
    for update in range(60):
        training.update = update
        training._follow(sample, update, update)
        share = max(1 - rounds.FOLLOWED_MEMORY, 9 / (update + 10))
        for name in names:
            expected[name].lerp_(training.auxiliary.get_parameter(name).detach(), share)
    for name in names:
        torch.testing.assert_close(training.followed.get_parameter(name), expected[name])
    assert loss(training.followed) < 0.9 * before
    assert loss(training.flow.velocity) == before


@pytest.mark.usefixtures("short_rounds")
def test_the_gradients_of_a_round_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training()
    given: list[tuple[Tensor, float]] = []

    def keep(_logits: Tensor, gradient: Tensor, _push: Tensor, size: float) -> None:
        given.append((gradient.clone(), size))

    monkeypatch.setattr(training.descent, "move_shape", keep)
    pulled(training, 3)
    first = training.gradient.clone()
    pulled(training, 1)
    second = given[0][0] - first
    assert float(first.abs().max()) > 0.0
    assert float(second.abs().max()) > 0.0
    assert not torch.equal(first, second)


@pytest.mark.usefixtures("short_rounds")
def test_a_gradient_that_is_not_finite_is_told_before_the_kernel_moves() -> None:
    training = a_training()
    pulled(training, 3)
    before = training.model.kernels().detach().clone()
    training.gradient[0, 1, 1] = math.nan
    with pytest.raises(UserError, match="not finite"):
        training.step()
    assert torch.equal(training.model.kernels(), before)


@pytest.mark.usefixtures("short_rounds")
def test_steps_get_smaller_from_the_rate_down_to_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(TINY.with_changes({"images_kernel": 8 * 4 * 20, "kernel_rate": 0.5}))
    sizes: list[float] = []
    monkeypatch.setattr(training.descent, "move_shape", lambda *given: sizes.append(given[-1]))
    pulled(training, training.updates)
    assert len(sizes) == 20
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(0.5, rel=0.05)
    assert sizes[-1] == pytest.approx(0.5 * rounds.SMALLEST_STEP, rel=0.05)


@pytest.mark.parametrize("sigma", ["learn", 0.05])
@pytest.mark.usefixtures("short_rounds")
def test_noise_is_learned_only_when_asked_for(sigma: str | float) -> None:
    training = a_training(TINY.with_changes({"noise_sigma": sigma}))
    before = training.noise_sigma()
    pulled(training, 4)
    assert (training.noise_sigma() == before) is (sigma != "learn")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 10])
def test_the_result_is_the_mean_over_the_last_rounds(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "ROUND", 2)
    monkeypatch.setattr(rounds, "LISTENING", 1)
    training = a_training(TINY.with_changes({"images_kernel": max(64, 16 * number)}))
    training.rounds, training.updates = number, 2 * number
    seen, sigmas = [], []
    while training.update < training.updates:
        pulled(training, 2)
        seen.append(training.model.kernels().detach().clone())
        sigmas.append(training.noise_sigma())
    count = training.averaged
    assert 1 <= count <= TINY.averaged_share * number + 1
    assert count >= TINY.averaged_share * number - 1
    torch.testing.assert_close(training.average, torch.stack(seen[-count:]).mean(dim=0))
    torch.testing.assert_close(training.average.sum(dim=(1, 2)), torch.ones(1))
    assert float(training.average_sigma) == pytest.approx(np.mean(sigmas[-count:]), rel=1e-5)


def test_the_ikl_that_is_reported_is_a_running_mean() -> None:
    training = a_training()
    for value in (1.0, 2.0, 3.0):
        training._remember(torch.tensor(value))
    assert float(training.ikl) == pytest.approx(2.0)  # the mean of the first ones
    for _ in range(2000):
        training._remember(torch.tensor(7.0))
    assert float(training.ikl) == pytest.approx(7.0, abs=1e-3)


@pytest.mark.parametrize(("channels", "kernels"), [(1, 1), (3, 1), (3, 3)])
@pytest.mark.parametrize("start", ["spectral", "flat"])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_step_2_stays_finite_and_its_state_comes_back_at_any_update(
    monkeypatch: pytest.MonkeyPatch, start: str, channels: int, kernels: int
) -> None:
    """Wherever it is stopped, the update after is the same: hence all that follow are.

    The own start, five stretches, the second and third from a candidate, and nearly three rounds.
    """
    monkeypatch.setattr(ColourMatch, "differences", lambda *_: DIFFERENCES)
    changes = {"images_phase": 8 * 9, "candidates": 1, "images_kernel": 8 * 12, "start": start}
    settings = TINY.with_changes(changes)
    training = a_training(settings, channels, kernels, knows=True)
    assert (training.first_round, training.updates) == (3 + 5 * 6, 3 + 5 * 6 + 12)
    filled: set[str] = set()  # what was not zero at some update
    for _ in range(training.updates - 1):
        tensors = {name: tensor.detach().clone() for name, tensor in training.tensors().items()}
        assert all(tensor.isfinite().all() for tensor in tensors.values())
        copy = a_training(settings, channels, kernels, knows=True)
        copy.load(tensors, training.numbers())
        copy.update = training.update
        loaded = copy.tensors()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
        pulled(training, 1)
        pulled(copy, 1)
        first, second = training.tensors(), copy.tensors()
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            assert torch.equal(second[name], tensor), f"{name} after update {training.update}"
        assert copy.numbers() == training.numbers()
        filled |= {name for name, tensor in first.items() if bool(tensor.any())}
    for part in (
        "kernels.logits",
        "auxiliary.bias",
        "followed.bias",
        "optimiser.0.exp_avg_sq",
        "photometry.0.exp_avg",  # of the gain
        "photometry.1.exp_avg",  # of the noise
        "gradient",
        "average",
        "ikl",
        "ikls",
        "leads",
        "surprises",
        "begun",
        "begun surprise",
        "found",
        "mean",
        "own",
        "kernel",
        *(("differences",) if kernels > 1 else ()),
        "best.kernel",
        "best.variance",
        "phase.noise",
        "phase.updates",
    ):
        assert part in filled, part
    assert float(first["ikls"].max()) < rounds.LARGEST_IKL


@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_a_stretch_or_round_in_the_middle_of_which_it_is_stopped_is_gone_on_with() -> None:
    """To the end, from a stop while the own start is measured, one while a candidate's phases turn, one in the trial of
    itself turned about and one in a round.
    """
    settings = TINY.with_changes({"images_phase": 8 * 6, "candidates": 1, "images_kernel": 8 * 12})
    straight = a_training(settings, knows=True)
    pulled(straight, straight.updates)
    stopped = a_training(settings, knows=True)
    for stop in (2, 11, 20, 29, straight.updates):
        pulled(stopped, stop - stopped.update)
        again = a_training(settings, knows=True)
        again.load({name: tensor.clone() for name, tensor in stopped.tensors().items()}, stopped.numbers())
        again.update, stopped = stopped.update, again
    assert torch.equal(stopped.average, straight.average)
    assert float(stopped.average.sum()) == pytest.approx(1.0, abs=1e-5)
    assert stopped.numbers() == straight.numbers()


@pytest.mark.usefixtures("short_rounds")
def test_one_kernel_for_all_colours_is_moved_by_the_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    training = a_training(channels=3, kernels=1)

    def refuse(*_: Tensor) -> Tensor:
        raise AssertionError("one kernel has no differences between colours")

    monkeypatch.setattr(training.colour, "loss", refuse)
    before = training.model.kernels().detach().clone()
    pulled(training, 4)
    assert not torch.equal(training.model.kernels(), before)
    assert training.model.with_gain().shape == (3, 5, 5)


@pytest.mark.parametrize("images_phase", [0, 8 * 3])
@pytest.mark.usefixtures("short_rounds", "short_stretches")
def test_the_colours_are_set_apart_before_the_phases_are_turned_and_after(
    monkeypatch: pytest.MonkeyPatch, images_phase: int
) -> None:
    """Around the own start, and around the kernel that the phases led to; not after rounds. Once, without stretches."""
    training = a_training(TINY.with_changes({"images_phase": images_phase, "images_kernel": 8 * 12}), channels=3)
    given: list[tuple[int, Tensor]] = []

    def differences(kernel: Tensor, gains: Tensor, sigma: Tensor) -> Tensor:
        given.append((training.update, kernel))
        torch.testing.assert_close(gains, training.model.log_gain.detach().exp())
        assert float(sigma) == pytest.approx(training.noise_sigma())
        return DIFFERENCES / len(given)

    def assert_apart() -> None:
        expected = apart(training.kernel, DIFFERENCES / len(given))
        torch.testing.assert_close(training.model.kernels().detach(), expected, rtol=0.0, atol=1e-5)

    monkeypatch.setattr(training.colour, "differences", differences)
    own = training.kernel
    pulled(training, 1)
    assert_apart()
    pulled(training, max(training.first_round - 1, 0))
    before = training.kernel
    pulled(training, training.first_round + 1 - training.update)
    assert_apart()
    pulled(training, 11)
    assert [update for update, _ in given] == sorted({0, training.first_round})
    torch.testing.assert_close(given[0][1], own)
    torch.testing.assert_close(given[-1][1], before)


@pytest.mark.parametrize("start", ["spectral", "flat", "random"])
def test_the_push_from_the_outskirts_belongs_to_starts_that_know_nothing(start: str) -> None:
    training = a_training(TINY.with_changes({"start": start}))
    pushes = [training._push(done) for done in (0.0, 0.25, 0.5, 0.75)]
    if start == "spectral":
        assert all(float(push) == 0.0 for push in pushes)
        return
    first = pushes[0]
    assert float(first[2, 2]) == 0.0
    assert float(first[0, 0]) == float(first.max()) == pytest.approx(rounds.SPREAD_WEIGHT * 2 * (2 / 2.5) ** 2)
    torch.testing.assert_close(pushes[1], first / 2)
    assert float(pushes[2].abs().max()) == float(pushes[3].abs().max()) == 0.0


def test_a_snapshot_is_a_centred_grid_that_cannot_be_written_to() -> None:
    off = torch.zeros(3, 7, 7)
    off[:, 1, 2] = 1.0
    grid = as_grid(off)
    assert grid.shape == (1, 1, 3, 7, 7)
    assert not grid.flags.writeable
    assert grid[0, 0, 0].argmax() == 3 * 7 + 3


def test_an_update_of_step_2_takes_longer_than_one_of_step_1() -> None:
    flow_seconds, kernel_seconds = seconds_per_update(TINY, torch.device("cpu"))
    assert 0.0 < flow_seconds < kernel_seconds


def test_the_settings_that_decide_an_updates_time_are_named() -> None:
    """Else the window would say of other settings what was timed for these."""
    asked: set[str] = set()

    class Asked:
        def __getattr__(self, name: str) -> Any:
            asked.add(name)
            return getattr(TINY, name)

    seconds_per_update(cast(Settings, Asked()), torch.device("cpu"))
    assert asked - {"seed"} <= set(TIMED)


def test_a_batch_that_is_slow_here_is_timed_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pass of 0.03 s per patch, of which four are enough to be slow where a tenth of a second is."""
    batches: list[int] = []

    class Slow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.ones(()))

        def forward(self, y_t: torch.Tensor, t: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
            assert len(y_t) == len(t)
            assert places is None
            batches.append(len(y_t))
            time.sleep(0.03 * len(y_t))
            return y_t * self.gain

    monkeypatch.setattr(rounds, "build_velocity", lambda *_: Slow())
    monkeypatch.setattr(rounds, "SHORT_PASS", 0.1)
    settings = TINY.with_changes({"batch_size": 1024})
    flow_seconds, kernel_seconds = seconds_per_update(settings, torch.device("cpu"))
    assert max(batches) == 4
    assert flow_seconds == pytest.approx(1.3 * 0.03 * 1024, rel=0.3)
    assert kernel_seconds == pytest.approx((1.5 + 0.8) * 0.03 * 1024, rel=0.3)
