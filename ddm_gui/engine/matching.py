"""Step 2: the degradation that makes clean patches look, in distribution, like degraded ones (section 3.1).

The gradient (eq. 5). With y_1 = T(A x + noise) simulated, y_t = (1 - t) y_0 + t y_1, and the scores
s = (t v - y_t)/(1 - t), the gradient of the integrated KL divergence with respect to y_1 is w(t) (v_aux - v_degraded)
at the same y_t, with no gradient through the networks. It is descended, so y_1 moves towards v_degraded. The exact
weight is t^2/(1 - t), the published code's 1; here w = t: once whitened they differ little.

The number. For this path the KL divergence of simulated from degraded patches is, by de Bruijn's identity,

    KL = integral over t in (0, 1) of  t/(1 - t) * E|v_aux - v_degraded|^2 dt,
    IKL = integral over s of KL at time s = integral over t of  t * E|v_aux - v_degraded|^2 dt,

since d/dt KL_t = (t/(1 - t)) E|v_aux - v_degraded|^2 and the integral of KL_s over s weighs what happens at t by 1 - t.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.colour import ColourMatch
from ddm_gui.engine.degradation import blur_valid, clip_straight_through, round_straight_through
from ddm_gui.engine.descent import KernelDescent
from ddm_gui.engine.events import Event, KernelProgress, KernelSnapshot, Stage
from ddm_gui.engine.flow import FlowModel, PathSample, Velocity, build_velocity, degraded_batch, sample_path
from ddm_gui.engine.kernels import KernelModel, centre_prior, outskirts, start_kernels
from ddm_gui.engine.patches import PatchPool
from ddm_gui.engine.psf import centred
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.spectrum import noise_floor, periodogram
from ddm_gui.engine.training import (
    Training,
    adam,
    cosine_decay,
    diverged,
    draws,
    optimiser_tensors,
    restore_optimiser,
    run,
    set_rate,
    under_prefix,
    with_prefix,
)
from ddm_gui.engine.velocity import VelocityNet
from ddm_gui.engine.whitening import MARGIN, SURPLUS, Whitening, unit_contrast

WARM_UP = 100  # updates of the networks alone, before the kernel moves
AVERAGED_SHARE = 0.5  # of the updates, the last ones, over which the kernel is averaged
FOLLOWER_MEMORY = 0.97  # per update, of the networks' averages
SLOWEST = 0.2  # of the networks' highest rate: they have to follow to the end
PHOTOMETRY_RATE = 1e-3  # of log gain and log noise
SPREAD_WEIGHT = 0.3  # of the push from a flat or random start, of a step of size one; falling to 0 at half time
IKL_MEMORY = 0.98  # per update, of the running mean that is reported
DRAW_KERNELS = 3  # which random stream


@dataclass(frozen=True)
class Simulation:
    """How clean patches become simulated ones: T, the degraded photos' depth in bits, and the settings."""

    whitening: Whitening
    depth: int
    settings: Settings

    def draw(self, clean: PatchPool, kernels: KernelModel, generator: torch.Generator) -> Tensor:
        """T(A x + noise), B x C x P x P, differentiable in the kernels, the gain and the noise.

        Of three patches the first bright ones are kept, by the same rule as degraded patches.
        """
        device, seen = kernels.logits.device, self.settings.patch_size + MARGIN
        size = seen + kernels.logits.shape[-1] - 1
        batch = clean.draw(SURPLUS * self.settings.batch_size, size, generator, mirror=self.settings.mirror_clean)
        patches = batch.pixels.to(device)
        noise = torch.randn((*patches.shape[:2], seen, seen), generator=generator).to(device)
        with torch.no_grad():
            whitened = self.whitening.apply(self._camera(patches, kernels, noise))
            kept = self.whitening.bright_enough(whitened, self.settings.batch_size)
        return unit_contrast(self.whitening.apply(self._camera(patches[kept], kernels, noise[kept])))

    def _camera(self, patches: Tensor, kernels: KernelModel, noise: Tensor) -> Tensor:
        """What the camera did: blur, noise, clipping, rounding (gradient straight through the last two)."""
        exposed = blur_valid(patches, kernels.with_gain()) + kernels.log_sigma.exp() * noise
        return round_straight_through(clip_straight_through(exposed), self.depth)


def matching_loss(difference: Tensor, sample: PathSample, simulated: Tensor) -> Tensor:
    """A surrogate whose gradient with respect to `simulated` is eq. 5 with w = t; as a number it means nothing.

    `difference` is v_aux - v_degraded at the same y_t.
    """
    return (sample.weight * difference.detach() * simulated).mean()


def excess_loss(auxiliary: Tensor, degraded: Tensor, sample: PathSample) -> Tensor:
    """The IKL from one batch, in nats per value: mean of t (|v_degraded - u|^2 - |v_aux - u|^2).

    The same integral as t |v_aux - v_degraded|^2 where v_aux is exact, since u - v_aux then has mean 0 given y_t; and
    it scatters around 0 when nothing is left to tell the two apart.
    """
    difference = (degraded - sample.target).square() - (auxiliary - sample.target).square()
    return (sample.weight * difference).mean()


def integrated_kl(auxiliary: Velocity, degraded: Velocity, simulated: Tensor, generator: torch.Generator) -> float:
    """The IKL between simulated and degraded patches, nats per value, for exact velocities: E[t |v_aux - v_deg|^2]."""
    sample = sample_path(simulated, generator)
    difference = auxiliary(sample.y_t, sample.t) - degraded(sample.y_t, sample.t)
    return float((sample.weight * difference.square()).mean())


class Follower:
    """A velocity network that goes on learning in step 2, and the short average of its weights that is looked through.

    Both networks follow: the auxiliary one the simulated patches, as they change, the other the degraded patches. Were
    the second frozen, all that step 1 had no time to learn would stand in the difference, and pull the kernel: on a
    lens with coma the kernel then fell from NCC .909 to .77; with both it rose to .93.
    """

    def __init__(self, velocity: VelocityNet, rate: float) -> None:
        self.network = copy.deepcopy(velocity).train().requires_grad_(True)
        self.average = copy.deepcopy(velocity).eval().requires_grad_(False)
        self.optimiser = adam([(self.network.parameters(), rate)])

    def learn(self, sample: PathSample, factor: float) -> None:
        """One update of flow matching, at `factor` times the highest rate."""
        set_rate(self.optimiser, factor)
        self.optimiser.zero_grad()
        torch.autograd.backward((self.network(sample.y_t, sample.t) - sample.target).square().mean())
        self.optimiser.step()
        with torch.no_grad():
            for averaged, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
                averaged.lerp_(weight, 1 - FOLLOWER_MEMORY)

    @torch.no_grad()
    def velocity(self, sample: PathSample) -> Tensor:
        """v(y_t, t) of the averaged weights."""
        velocity: Tensor = self.average(sample.y_t, sample.t)
        return velocity

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return {
            **with_prefix("network", self.network.state_dict()),
            **with_prefix("average", self.average.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        self.network.load_state_dict(under_prefix("network", tensors))
        self.average.load_state_dict(under_prefix("average", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))


class KernelTraining(Training):
    """Step 2's updates: both networks follow their patches, then the kernel moves by the difference they see."""

    stage = Stage.KERNELS

    def __init__(
        self,
        flow: FlowModel,
        clean: PatchPool,
        simulation: Simulation,
        model: KernelModel,
        colour: ColourMatch,
        descent: KernelDescent,
        settings: Settings,
    ) -> None:
        self.flow, self.clean, self.simulation, self.settings = flow, clean, simulation, settings
        self.model, self.colour, self.descent = model, colour, descent
        self.device = model.logits.device
        self.batch_size = settings.batch_size
        self.updates = WARM_UP + math.ceil(settings.images_kernel / settings.batch_size)
        model.log_sigma.requires_grad_(settings.noise_sigma == "learn")
        self.photometry = adam([([model.log_gain, model.log_sigma], PHOTOMETRY_RATE)])
        self.auxiliary = Follower(flow.velocity, settings.auxiliary_rate)
        self.degraded = Follower(flow.velocity, settings.auxiliary_rate)
        self.average = model.kernels().detach() * 0
        self.average_sigma = model.log_sigma.detach() * 0
        self.averaged = 0
        self.ikl = torch.zeros((), device=self.device)

    def step(self) -> None:
        generator = draws(self.settings.seed, DRAW_KERNELS, self.update)
        simulated = self.simulation.draw(self.clean, self.model, generator)
        degraded = degraded_batch(self.flow.patches, self.flow.whitening, self.settings, self.device, generator)
        sample = sample_path(simulated.detach(), generator)
        moved = max(0, self.update - WARM_UP)
        decay = cosine_decay(moved, self.updates - WARM_UP) if self.update >= WARM_UP else 0.0

        factor = SLOWEST + (1 - SLOWEST) * (decay if moved else 1.0)
        self.auxiliary.learn(sample, factor)
        self.degraded.learn(sample.with_data(degraded), factor)
        auxiliary_velocity, degraded_velocity = self.auxiliary.velocity(sample), self.degraded.velocity(sample)
        self._remember(excess_loss(auxiliary_velocity, degraded_velocity, sample))
        if self.update >= WARM_UP:
            self._move(matching_loss(auxiliary_velocity - degraded_velocity, sample, simulated), decay)
            self._average()

    def _move(self, loss: Tensor, decay: float) -> None:
        """Shape, gain and noise by the networks' gradient; the difference between colours by the cross-spectra."""
        model = self.model
        loss = loss + self.settings.centre_weight * centre_prior(model.kernels())
        photometry = [parameter for parameter in (model.log_gain, model.log_sigma) if parameter.requires_grad]
        shape, *rest = torch.autograd.grad(loss, [model.logits, *photometry])
        apart = None
        if model.logits.shape[0] > 1:
            (apart,) = torch.autograd.grad(
                self.colour.loss(model.with_gain(), model.log_sigma.exp().detach()), model.logits
            )
        for parameter, gradient in zip(photometry, rest, strict=True):
            parameter.grad = gradient
        set_rate(self.photometry, decay)
        self.photometry.step()
        self.descent.step(model.logits, shape, apart, self._push(), decay)

    def _push(self) -> Tensor:
        """From a flat or random start: away from the outskirts, gone at half time."""
        if self.settings.start == "spectral":
            return torch.zeros((), device=self.device)
        done = (self.update - WARM_UP) / (self.updates - WARM_UP)
        return SPREAD_WEIGHT * max(0.0, 1 - 2 * done) * outskirts(self.settings.kernel_size, self.device)

    def _remember(self, excess: Tensor) -> None:
        """Running mean of the IKL, begun when the auxiliary network has caught up."""
        weight = 1.0 if self.update <= WARM_UP else max(1 - IKL_MEMORY, 1 / (self.update - WARM_UP + 1))
        self.ikl = self.ikl.lerp(excess, weight)

    def _average(self) -> None:
        """Mean of kernel and noise over the last updates: their scatter goes, their place stays."""
        if self.update < self.updates - max(1.0, AVERAGED_SHARE * (self.updates - WARM_UP)):
            return
        self.averaged += 1
        self.average = self.average.lerp(self.model.kernels().detach(), 1 / self.averaged)
        self.average_sigma = self.average_sigma.lerp(self.model.log_sigma.detach().exp(), 1 / self.averaged)

    def noise_sigma(self) -> float:
        """The noise of the moment."""
        return float(self.model.log_sigma.detach().exp())

    def progress(self, seconds_left: float) -> KernelProgress:
        ikl = float(self.ikl)
        if not math.isfinite(ikl):
            raise diverged(self.stage)
        caught_up = self.update > WARM_UP
        seen, total = self.update * self.batch_size, self.updates * self.batch_size
        return KernelProgress(
            seen,
            total,
            ikl if caught_up else None,
            self.flow.floor if caught_up else None,
            self.noise_sigma(),
            seconds_left,
        )

    def snapshot(self) -> KernelSnapshot:
        return KernelSnapshot(self.update * self.batch_size, as_grid(self.model.kernels().detach()), self.noise_sigma())

    def tensors(self) -> dict[str, Tensor]:
        return {
            **with_prefix("kernels", self.model.state_dict()),
            **with_prefix("auxiliary", self.auxiliary.tensors()),
            **with_prefix("degraded", self.degraded.tensors()),
            **with_prefix("descent", self.descent.tensors()),
            **with_prefix("photometry", optimiser_tensors(self.photometry)),
            "average": self.average,
            "average_sigma": self.average_sigma,
            "ikl": self.ikl,
        }

    def numbers(self) -> dict[str, Any]:
        return {"averaged": self.averaged}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        self.model.load_state_dict(under_prefix("kernels", tensors))
        self.auxiliary.load(under_prefix("auxiliary", tensors))
        self.degraded.load(under_prefix("degraded", tensors))
        self.descent.load(under_prefix("descent", tensors))
        restore_optimiser(self.photometry, under_prefix("photometry", tensors))
        device = self.device
        self.average, self.average_sigma = tensors["average"].to(device), tensors["average_sigma"].to(device)
        self.ikl = tensors["ikl"].to(device)
        self.averaged = numbers["averaged"]


@dataclass(frozen=True, eq=False)
class Match:
    """What step 2 found: kernels and their start, 1 x 1 x C' x k x k and centred; the noise; the IKL reached."""

    kernels: NDArray[np.float32]
    start: NDArray[np.float32]
    noise_sigma: float
    ikl: float


def learn_kernels(
    flow: FlowModel,
    clean: PatchPool,
    depth: int,
    settings: Settings,
    device: torch.device,
    checkpoint: Path,
    fingerprint: Mapping[str, Any],
) -> Generator[Event, None, Match]:
    """Alternates the auxiliary network and the kernel; resumes from `checkpoint` by itself, bit for bit on a CPU.

    `depth` is that of the degraded photos, in bits. Closing the generator saves a checkpoint.

    Raises:
        UserError: the loss is not finite any more, or the disk does not take a checkpoint.
    """
    sigma = noise_floor(flow.spectrum) if settings.noise_sigma == "learn" else float(settings.noise_sigma)
    clean_spectrum = periodogram(clean, settings.seed)
    start, gains = start_kernels(settings, flow.spectrum, clean_spectrum, sigma)
    visible, _ = start_kernels(replace(settings, start="spectral"), flow.spectrum, clean_spectrum, sigma)
    training = KernelTraining(
        flow,
        clean,
        Simulation(flow.whitening, depth, settings),
        KernelModel(start, gains, sigma).to(device),
        ColourMatch(flow.spectrum.to(device), clean_spectrum.to(device)),
        KernelDescent(visible.to(device), settings.kernel_rate),
        settings,
    )
    yield from run(training, checkpoint, fingerprint)
    return Match(as_grid(training.average), as_grid(start), float(training.average_sigma), float(training.ikl))


def seconds_per_update(settings: Settings, device: torch.device) -> tuple[float, float]:
    """Seconds that one update of step 1 and of step 2 takes here, timed on a few passes of the network."""
    network = build_velocity(settings).to(device)
    patches = torch.randn(settings.batch_size, 1, settings.patch_size, settings.patch_size, device=device)
    t = torch.full((settings.batch_size,), 0.5, device=device)

    def forward() -> float:
        with torch.no_grad():
            return float(network(patches, t).square().mean())

    def both_ways() -> float:
        loss = network(patches, t).square().mean()
        torch.autograd.backward(loss)
        return float(loss.detach())  # waits for the device

    forward_seconds, training_seconds = _median_seconds(forward), _median_seconds(both_ways)
    # Drawing, whitening and the optimiser took a fifth of an update where this was measured; blurring as much again.
    return 1.3 * training_seconds, 1.3 * (2 * training_seconds + 2 * forward_seconds)


def _median_seconds(action: Callable[[], float]) -> float:
    """Median of three calls after one that is not counted."""
    action()
    times = []
    for _ in range(3):
        before = time.perf_counter()
        action()
        times.append(time.perf_counter() - before)
    return sorted(times)[1]


def as_grid(kernels: Tensor) -> NDArray[np.float32]:
    """C' x k x k on any device -> 1 x 1 x C' x k x k, centred, read-only."""
    grid = centred(kernels.cpu().numpy()[None, None])
    grid.flags.writeable = False
    return grid
