"""What tests of step 2 by rounds share: patches without photos, a search that is small, and short parts of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.flow.train import FlowModel, build_velocity
from ddm_gui.engine.flow.whitening import Whitening
from ddm_gui.engine.matching import flat_start, plan, retrieval, rounds, stretches, trial
from ddm_gui.engine.matching.colour import ColourMatch
from ddm_gui.engine.matching.found import FoundKernels
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.matching.magnitude import MagnitudeMatch
from ddm_gui.engine.matching.phase import PhaseDescent
from ddm_gui.engine.matching.rounds import KernelTraining
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchBatch, PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.optics import gaussian

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

LOPSIDED = torch.zeros(5, 5)
LOPSIDED[2, 2:] = torch.tensor([0.6, 0.3, 0.1])

# What sets three colours apart, for `ColourMatch.apart`: shifts in px, and widths.
DIFFERENCES = torch.tensor([[0.3, 0.1, 0.01, 0.0, 0.0], [0.0, 0.0, 0.0, 0.02, 0.0], [-0.3, -0.1, 0.0, 0.0, 0.01]])


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


def a_model(channels: int = 3, kernels: int = 3, noise: SimulatedNoise | float = 0.02) -> SoftmaxKernels:
    start = torch.from_numpy(gaussian(5, 1.0))[None].repeat(kernels, 1, 1)
    return SoftmaxKernels(start, torch.ones(channels), noise)


class NoEdges:
    """Photos whose edges say nothing: kernels stay as they are, each as surprising as another one."""

    def refined(self, kernel: Tensor) -> tuple[Tensor, float]:
        return kernel, 0.0


class KnownEdges:
    """Photos that refine each kernel by one step to the right, and whose surprise is `surprise_of` the kernel."""

    def __init__(self, surprise_of: Callable[[Tensor], float]) -> None:
        self.surprise_of = surprise_of

    def refined(self, kernel: Tensor) -> tuple[Tensor, float]:
        moved = kernel.roll(1, dims=1)
        return moved, self.surprise_of(moved)


class KnownNoise:
    """A fit whose answers are known."""

    level = 0.3

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def under(self, kernels: Tensor) -> PhotonNoise:
        self.asked.append(kernels.clone())
        return PhotonNoise(0.01 * len(self.asked), 1e-4)


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


def one_kernel(training: KernelTraining) -> Tensor:
    """That of the moment, the same for all colours."""
    kernels = training.model.kernels().detach()
    assert torch.equal(kernels, kernels[:1].expand_as(kernels))
    return kernels[0]


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of four updates, of which the last two are listened to."""
    monkeypatch.setattr(plan, "ROUND", 4)
    monkeypatch.setattr(rounds, "LISTENING", 2)


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of three turns and three updates of a trial, the last two listened to; haste in all else."""
    monkeypatch.setattr(plan, "STRETCH", 3)
    monkeypatch.setattr(plan, "TRIAL", 3)
    monkeypatch.setattr(trial, "TRIAL_LISTENING", 2)
    monkeypatch.setattr(flat_start, "CONTRACTING_STEPS", 5)
    monkeypatch.setattr(retrieval, "BEGINNINGS", 4)
    monkeypatch.setattr(retrieval, "STEPS", 10)
    monkeypatch.setattr(retrieval, "AGREEING", 3)


def retrieved(monkeypatch: pytest.MonkeyPatch, training: KernelTraining) -> list[Tensor]:
    """What each retrieval finds from now on, another one each time; its phases are taken over as they are."""
    found: list[Tensor] = []

    def find(_magnitude: Tensor, _visible: Tensor, size: int, generator: torch.Generator) -> Tensor:
        kernel = torch.rand(size, size, generator=generator)
        found.append(kernel / kernel.sum())
        return found[-1]

    def take(kernel: Tensor, gains: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        assert torch.equal(kernel, training.stretches.spectral)  # whichever the start is
        return other, 2 * gains

    monkeypatch.setattr(stretches, "retrieve", find)
    monkeypatch.setattr(training.stretches.phase, "with_phases_of", take)
    return found


@dataclass
class Seen:
    """The kernels with which stretches began, and those that were measured, with the gain and what is known."""

    begun: list[Tensor]
    measured: list[tuple[Tensor, Tensor, dict[str, Tensor]]]


def measuring(monkeypatch: pytest.MonkeyPatch, training: KernelTraining, ikl: list[float]) -> Seen:
    """Makes these the numbers of the own start and of the stretches."""
    seen = Seen([], [])
    begin, phase = training.stretches._begin_stretch, training.stretches.phase

    def begin_and_keep(stretch: int) -> None:
        begin(stretch)
        seen.begun.append(one_kernel(training))

    def measure(found: FoundKernels, stretch: int, update: int) -> None:
        if update == 0:
            found.ikls[stretch] = ikl[stretch]
            log_gain = training.model.log_gain.detach().clone()
            seen.measured.append((one_kernel(training), log_gain, dict(phase.tensors())))

    monkeypatch.setattr(training.stretches, "_begin_stretch", begin_and_keep)
    monkeypatch.setattr(training.stretches.trial, "measure", measure)
    return seen
