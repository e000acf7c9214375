"""Step 2: the degradation that makes clean patches look, in distribution, like degraded ones (section 3.1), by rounds.

The gradient and the number that is reported are in `ikl`; the paper's own procedure is in `alternating`. Which of the
two runs is decided by `learn_kernels`.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine import alternating
from ddm_gui.engine.alternating import AlternatingTraining
from ddm_gui.engine.colour import ColourMatch
from ddm_gui.engine.descent import KernelDescent, set_kernels
from ddm_gui.engine.events import Event
from ddm_gui.engine.flow import FlowModel, PathSample, build_velocity, sample_path
from ddm_gui.engine.ikl import excess_loss, matching_loss
from ddm_gui.engine.kernels import SoftmaxKernels, build_kernels, outskirts, start_kernels, weighted_priors
from ddm_gui.engine.magnitude import MagnitudeMatch
from ddm_gui.engine.patches import PatchPool
from ddm_gui.engine.phase import PhaseDescent, all_pass_gradient, path_loss, taps_width
from ddm_gui.engine.retrieval import retrieve, spectral_magnitude, turned_about
from ddm_gui.engine.search import DRAW_KERNELS, PHOTOMETRY_RATE, KernelSearch, as_grid
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulation import Simulation
from ddm_gui.engine.spectrum import noise_floor, periodogram
from ddm_gui.engine.training import (
    adam,
    diverged,
    draws,
    optimiser_tensors,
    restore_optimiser,
    run,
    under_prefix,
    with_prefix,
)
from ddm_gui.engine.whitening import PlainPixels

ROUND = 100  # updates of the auxiliary network for each step of the kernel
LISTENING = 40  # of them, the last ones, whose gradients are added up
ROUND_WORK = 3.0  # times as long as an update of the phases takes one of a round, which trains a network
GLANCE_WORK = 4.0  # times as long as an update of a round takes a glance at a start
SMALLEST_STEP = 0.25  # the last step of the kernel over the first
FOLLOWED_MEMORY = 0.95  # per update, of the auxiliary network's average
CONTRACTING_STEPS = 150  # by which a flat or random kernel becomes one of the right size, before its phases are turned
CONTRACTING_SIZE = 0.5  # of the first of them, nats
COLOUR_STEPS = 60  # of the colours against each other, each time
SPREAD_WEIGHT = 1.0  # of the push from a flat or random start, of a step of size one; falling to 0 at half time
ABOUT_BATCHES = 20  # of patches, by which a kernel is compared with itself turned by half a turn
GLANCES = 12  # batches of patches, by which starts are sorted
TRIAL, TRIAL_LISTENING = 48, 16  # updates of the auxiliary network in which a start's IKL is measured; the last ones
FINALISTS = 6  # of the starts that are tried so, beside the own one
LARGEST_RETRIEVED = 40  # px: of a larger kernel the spectra's window of 64 px says too little
DRAW_ABOUT, DRAW_GLANCE, DRAW_TRIAL, DRAW_RETRIEVAL = 4, 5, 6, 7  # which random stream
SHORT_PASS = 0.1  # s: a longer pass of the network is not timed with more patches
# The settings on which `seconds_per_update` depends.
TIMED = (
    "patch_size",
    "batch_size",
    "accumulate",
    "procedure",
    "whiten",
    "network",
    "width",
    "blocks",
    "multiples",
    "attention",
    "dropout",
)


def phase_updates(settings: Settings) -> int:
    """How many updates turn the phases, before the first round."""
    return math.ceil(settings.images_phase / settings.batch_size)


def glances(settings: Settings) -> int:
    """How many starts are glanced at: those that the spectra allow, each as it is and turned about."""
    tried = phase_updates(settings) > 0 and settings.kernel_size <= LARGEST_RETRIEVED
    return 2 * settings.candidates if tried else 0


def search_updates(settings: Settings) -> int:
    """How many updates choose the start: a glance each, then trials of the best ones and of the own start."""
    count = glances(settings)
    return count + TRIAL * (min(FINALISTS, count) + 1) if count else 0


def updates_needed(settings: Settings) -> int:
    """How many updates step 2 makes: in rounds those of the start and of the phases, then whole rounds."""
    if settings.procedure == "alternating":
        return alternating.updates_needed(settings)
    turning = search_updates(settings) + phase_updates(settings)
    return turning + ROUND * math.ceil(settings.images_kernel / (settings.batch_size * ROUND))


def work(settings: Settings, updates: int) -> float:
    """How much work the first `updates` of step 2 are, in updates of a round or of the alternating procedure."""
    if settings.procedure == "alternating":
        return float(updates)
    glanced = min(updates, glances(settings))
    searching = min(updates, search_updates(settings)) - glanced
    turning = min(updates - glanced - searching, phase_updates(settings))
    return glanced * GLANCE_WORK + searching + turning / ROUND_WORK + updates - glanced - searching - turning


class KernelTraining(KernelSearch):
    """Step 2's updates. First a start is chosen, by its IKL, among kernels that the power spectra allow (see
    `retrieval`). Then the phases are turned, which needs no auxiliary network (see `phase`). Then come rounds: the
    auxiliary network learns the simulated patches of a kernel that stands still, then the gradients of a round's last
    updates are added up, and the kernel takes one large step.

    A kernel that moved at each update would run ahead of the auxiliary network, whose gradient then is of a kernel of
    before: on a lens with coma that ended at NCC .77 to .92 from .907; five rounds ended at .949.
    """

    model: SoftmaxKernels

    def __init__(
        self,
        flow: FlowModel,
        clean: PatchPool,
        simulation: Simulation,
        model: SoftmaxKernels,
        colour: ColourMatch,
        phase: PhaseDescent,
        spectral: Tensor,
        settings: Settings,
    ) -> None:
        """`spectral`: the zero-phase kernels of the power spectra, C' x k x k, whichever the start is."""
        self.first_turn = search_updates(settings)
        self.first_round = self.first_turn + phase_updates(settings)
        super().__init__(flow, clean, simulation, model, settings, updates_needed(settings), self.first_round)
        self.colour, self.phase, self.descent = colour, phase, KernelDescent(spectral)
        self.photometry = adam([([model.log_gain, model.log_sigma], PHOTOMETRY_RATE)])
        self._begin_round()
        self.gradient = torch.zeros_like(model.logits)
        self.glances = torch.zeros(glances(settings))
        self.trials = torch.zeros(max(self.first_turn - glances(settings), 0) // TRIAL)
        self.spectral = spectral
        self.own = model.kernels().detach().clone()
        self.gains = model.log_gain.detach().exp()

    def step(self) -> None:
        if self.update == 0 and self.first_round > 0:
            self._begin()
        if self.update < self.first_turn:
            self._search(self.update)
            return
        half = self.first_turn + (self.first_round - self.first_turn) // 2
        if self.first_round > 0 and self.update in (half, self.first_round):
            self._turn_about()
        if self.update == self.first_round:
            self._align_colours()
        generator = draws(self.settings.seed, DRAW_KERNELS, self.update)
        if self.update < self.first_round:
            self._turn_phases(generator)
        else:
            self._step_of_round((self.update - self.first_round) % ROUND, generator)

    def _contract(self) -> None:
        """From a flat or random start: down the IKL of Gaussian fields, which has a closed form, to the right size.

        The phases of a flat kernel's faint detail are chance: turned as it was, the kernel fell into pieces (NCC .19 on
        a lens with coma, whose spectral start has .92). Contracted it is at .87, from a random start at .92.
        """
        if self.settings.start == "spectral":
            return
        for step in range(CONTRACTING_STEPS):
            done = step / CONTRACTING_STEPS
            loss = self.colour.loss(self.model.with_gain(), self.model.log_sigma.detach().exp())
            (gradient,) = torch.autograd.grad(loss, self.model.logits)
            size = CONTRACTING_SIZE * (1 - 0.9 * done)
            self.descent.move_shape(self.model.logits, gradient, self._push(done), size)

    def _begin(self) -> None:
        """The own start, and the spectral one, which candidates lend their phases; both with their colours aligned."""
        if self.settings.start != "spectral":
            set_kernels(self.model.logits, self.spectral)
            self._align_colours()
            self.spectral = self.model.kernels().detach().clone()
            set_kernels(self.model.logits, self.own)
            self._contract()
        self._align_colours()
        self.own = self.model.kernels().detach().clone()
        if self.settings.start == "spectral":
            self.spectral = self.own

    def _search(self, update: int) -> None:
        """Update number `update` of the choice of a start; the last one makes it.

        A glance tells which of the candidates, all of nearly the same |H|, make likelier patches. Only the IKL tells
        them from the own start, whose phases are simpler: on Levin's second kernel it falls in the order of NCC
        (correlation -.87 over ten candidates), while the likelihood takes the zero-phase start for better than the
        truth.
        """
        if update < len(self.glances):
            self._begin_with(update)
            self.glances[update] = self._unlikelihood(GLANCES, DRAW_GLANCE)
            return
        trial, in_trial = divmod(update - len(self.glances), TRIAL)
        if in_trial == 0:
            self._begin_with(self._finalist(trial))
            self._begin_round()
        generator = draws(self.settings.seed, DRAW_TRIAL, in_trial)  # the same patches for each
        with torch.no_grad():
            sample = sample_path(self.simulation.draw(self.clean, self.model, generator), generator)
        self._follow(sample, in_trial, update - len(self.glances))
        if in_trial >= TRIAL - TRIAL_LISTENING:
            with torch.no_grad():
                auxiliary = self.followed(sample.y_t, sample.t)
                degraded = self.flow.velocity(sample.y_t, sample.t)
            self.trials[trial] += float(excess_loss(auxiliary, degraded, sample)) / TRIAL_LISTENING
        if update == self.first_turn - 1:
            self._begin_with(self._finalist(int(self.trials.argmin())))
            self._align_colours()

    def _finalist(self, trial: int) -> int | None:
        """Which candidate is tried; None, the own start, comes last."""
        best = self.glances.argsort(stable=True)[: len(self.trials) - 1]
        return int(best[trial]) if trial < len(best) else None

    def _begin_with(self, candidate: int | None) -> None:
        """Sets kernels and gain: the spectral start with the phases of a candidate (None: the own start)."""
        kernels, gains = self.own, self.gains
        if candidate is not None:
            index, about = divmod(candidate, 2)
            other = self._candidates[index]
            phases = turned_about(other) if about else other
            kernels, gains = self.phase.with_phases_of(self.spectral, gains, phases)
        set_kernels(self.model.logits, kernels)
        with torch.no_grad():
            self.model.log_gain.copy_(gains.log())

    @cached_property
    def _candidates(self) -> Tensor:
        """Kernels of luminance that the power spectra allow, n x k x k."""
        magnitude = spectral_magnitude(self.phase.match, self.spectral, self.gains)
        generator = draws(self.settings.seed, DRAW_RETRIEVAL, 0)
        found = retrieve(magnitude, self.phase.match.visible, self.settings.kernel_size, generator)
        return found[: self.settings.candidates]

    def _unlikelihood(self, batches: int, purpose: int) -> float:
        """How unlikely the simulated patches are to step 1's network, on the same patches at each call."""
        total = 0.0
        for batch in range(batches):
            generator = draws(self.settings.seed, purpose, batch)
            whitened = self.simulation.whitened(self.clean, self.model, generator, 0)
            total += path_loss(self.flow.velocity, whitened, generator)
        return total / batches

    def _turn_phases(self, generator: torch.Generator) -> None:
        """One step of the phases, and of magnitudes and gain by the power spectra."""
        model, taps = self.model, taps_width(self.settings.kernel_size)
        whitened = self.simulation.whitened(self.clean, model, generator, taps - 1)
        gradient = all_pass_gradient(self.flow.velocity, whitened, taps, generator)
        with torch.no_grad():
            kernels, gain = self.phase.move(model.kernels(), model.log_gain.exp(), gradient)
            model.log_gain.add_(gain)
            set_kernels(model.logits, kernels)

    def _turn_about(self) -> None:
        """Turns the kernels by half a turn where simulated patches then are likelier, by the same patches and noise.

        From the symmetric start both ways lead to a kernel of the right |H|, and no small step leads from one to the
        other: Levin's second kernel was found turned about (NCC .70, turned back .86).
        """
        found = self.model.kernels().detach().clone()
        losses = []
        for kernels in (found, turned_about(found)):
            set_kernels(self.model.logits, kernels)
            losses.append(self._unlikelihood(ABOUT_BATCHES, DRAW_ABOUT))
        if losses[0] <= losses[1]:
            set_kernels(self.model.logits, found)

    def _step_of_round(self, in_round: int, generator: torch.Generator) -> None:
        """Update number `in_round` of a round."""
        if in_round == 0:
            self._begin_round()
        simulated = self.simulation.draw(self.clean, self.model, generator)
        sample = sample_path(simulated.detach(), generator)
        self._follow(sample, in_round, TRIAL * len(self.trials) + self.update - self.first_round)
        if in_round < ROUND - LISTENING:
            return
        with torch.no_grad():
            auxiliary = self.followed(sample.y_t, sample.t)
            degraded = self.flow.velocity(sample.y_t, sample.t)
        self._remember(excess_loss(auxiliary, degraded, sample))
        self._listen(matching_loss(auxiliary - degraded, sample.weight, simulated))
        if in_round == ROUND - 1:
            self._move()
            self._average()

    def _begin_round(self) -> None:
        """The auxiliary network starts from step 1's: what it learns beyond step 1 must not pile up round by round."""
        self.auxiliary = copy.deepcopy(self.flow.velocity).train().requires_grad_(True)
        self.followed = copy.deepcopy(self.flow.velocity)  # a short average of the auxiliary weights, looked through
        self.optimiser = adam([(self.auxiliary.parameters(), self.settings.auxiliary_rate)])

    def _follow(self, sample: PathSample, in_round: int, count: int) -> None:
        """One update of the auxiliary network by flow matching on simulated patches, after `count` such updates."""
        self.optimiser.zero_grad()
        loss = (self.auxiliary(sample.y_t, sample.t) - sample.target).square().mean()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.watch.see(loss, count)
        memory = min(FOLLOWED_MEMORY, (in_round + 1) / (in_round + 10))
        with torch.no_grad():
            for followed, weight in zip(self.followed.parameters(), self.auxiliary.parameters(), strict=True):
                followed.lerp_(weight, 1 - memory)

    def _listen(self, loss: Tensor) -> None:
        """Adds to the kernel's gradient; gain and noise, which are stiff, move at once."""
        model = self.model
        loss = loss + weighted_priors(self.settings, model.kernels())
        photometry = [parameter for parameter in (model.log_gain, model.log_sigma) if parameter.requires_grad]
        shape, *rest = torch.autograd.grad(loss, [model.logits, *photometry])
        self.gradient += shape
        for parameter, gradient in zip(photometry, rest, strict=True):
            parameter.grad = gradient
        self.photometry.step()

    def _move(self) -> None:
        """The round's step of the shape, ever smaller."""
        if not bool(self.gradient.isfinite().all()):
            raise diverged(self.stage)
        done = (self.update - self.first_round) / (self.updates - self.first_round)
        size = self.settings.kernel_rate * (1 - (1 - SMALLEST_STEP) * done)
        push = self._push(done) if self.first_round == 0 else torch.zeros((), device=self.device)
        self.descent.move_shape(self.model.logits, self.gradient, push, size)
        self.gradient = torch.zeros_like(self.gradient)

    def _align_colours(self) -> None:
        """What moves the colours apart, by the photos' cross-spectra; nothing to do for one kernel.

        Before the phases are turned and after: turning moves all colours alike, but what each loses by being kept
        non-negative is its own (colour shifts were wrong by .9 px before the second time, by .1 px after it). Repeated
        after each round it fitted the photos' own difference in colour, and NCC fell from .954 to .942 while that of
        luminance stayed at .960.
        """
        if self.model.logits.shape[0] == 1:
            return
        for _ in range(COLOUR_STEPS):
            loss = self.colour.loss(self.model.with_gain(), self.model.log_sigma.detach().exp())
            (gradient,) = torch.autograd.grad(loss, self.model.logits)
            self.descent.move_colours(self.model.logits, gradient)

    def _push(self, done: float) -> Tensor:
        """From a flat or random start: away from the outskirts, gone at half time."""
        if self.settings.start == "spectral":
            return torch.zeros((), device=self.device)
        return SPREAD_WEIGHT * max(0.0, 1 - 2 * done) * outskirts(self.settings.kernel_size, self.device)

    def work(self, updates: int) -> float:
        return work(self.settings, updates)

    def tensors(self) -> dict[str, Tensor]:
        return {
            **super().tensors(),
            **with_prefix("auxiliary", self.auxiliary.state_dict()),
            **with_prefix("followed", self.followed.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
            **with_prefix("phase", self.phase.tensors()),
            **with_prefix("descent", self.descent.tensors()),
            **with_prefix("photometry", optimiser_tensors(self.photometry)),
            "glances": self.glances,
            "trials": self.trials,
            "own": self.own,
            "spectral": self.spectral,
            "gradient": self.gradient,
        }

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        super().load(tensors, numbers)
        self.auxiliary.load_state_dict(under_prefix("auxiliary", tensors))
        self.followed.load_state_dict(under_prefix("followed", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        self.phase.load(under_prefix("phase", tensors))
        self.descent.load(under_prefix("descent", tensors))
        restore_optimiser(self.photometry, under_prefix("photometry", tensors))
        self.glances, self.trials = tensors["glances"], tensors["trials"]
        self.own, self.spectral = tensors["own"].to(self.device), tensors["spectral"].to(self.device)
        self.gradient = tensors["gradient"].to(self.device)


@dataclass(frozen=True, eq=False)
class Match:
    """What step 2 found: kernels, their start and the spectral one, 1 x 1 x C' x k x k and centred; noise; IKL."""

    kernels: NDArray[np.float32]
    start: NDArray[np.float32]
    spectral: NDArray[np.float32]
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
    """Step 2 by the procedure of the settings; resumes from `checkpoint` by itself, bit for bit on a CPU.

    `depth` is that of the degraded photos, in bits. Closing the generator saves a checkpoint.

    Raises:
        UserError: training has diverged, or the disk does not take a checkpoint.
    """
    sigma = noise_floor(flow.spectrum) if settings.noise_sigma == "learn" else float(settings.noise_sigma)
    clean_spectrum = periodogram(clean, settings.seed)
    start, gains = start_kernels(settings, flow.spectrum, clean_spectrum, sigma)
    visible, _ = start_kernels(replace(settings, start="spectral"), flow.spectrum, clean_spectrum, sigma)
    simulation = Simulation(flow.sight, depth, settings)
    training: KernelSearch
    if settings.procedure == "alternating":
        model = build_kernels(settings, start, gains, sigma).to(device)
        training = AlternatingTraining(flow, clean, simulation, model, settings)
    else:
        training = KernelTraining(
            flow,
            clean,
            simulation,
            SoftmaxKernels(start, gains, sigma).to(device),
            ColourMatch(flow.spectrum.to(device), clean_spectrum.to(device)),
            PhaseDescent(MagnitudeMatch(flow.spectrum.to(device), clean_spectrum.to(device), sigma)),
            visible.to(device),
            settings,
        )
    yield from run(training, checkpoint, fingerprint)
    return Match(
        as_grid(training.average),
        as_grid(start),
        as_grid(visible),
        float(training.average_sigma),
        float(training.ikl),
    )


def seconds_per_update(settings: Settings, device: torch.device) -> tuple[float, float]:
    """Seconds that an update of step 1 and one of step 2 (in a round) take here, timed on a few passes of the network.

    Of a batch that is slow here only a part is passed through it, and the rest is taken to be as slow: a network meant
    for GPUs would be timed for minutes on a processor. Plain pixels are taken to be in colour.
    """
    sight = PlainPixels(1 if settings.whiten else 3)
    network = build_velocity(settings, sight).to(device)
    patches = torch.zeros(1, sight.channels, settings.patch_size, settings.patch_size, device=device)
    t = torch.full((1,), 0.5, device=device)

    def forward() -> float:
        with torch.no_grad():
            return float(network(patches, t).square().mean())

    def both_ways() -> float:
        loss = network(patches, t).square().mean()
        torch.autograd.backward(loss)
        return float(loss.detach())  # waits for the device

    both_ways()  # the first call is slow
    while len(patches) < settings.batch_size and _seconds(both_ways) < SHORT_PASS:
        count = min(2 * len(patches), settings.batch_size)
        patches, t = patches[:1].repeat(count, 1, 1, 1), t[:1].repeat(count)
    batch = settings.batch_size / len(patches)
    forward_seconds, training_seconds = batch * _median_seconds(forward), batch * _median_seconds(both_ways)
    looks = 1.0 if settings.procedure == "alternating" else 2 * LISTENING / ROUND
    # Beside the network: drawing, whitening and the optimiser, and in step 2 blurring.
    return 1.3 * training_seconds * settings.accumulate, 1.5 * training_seconds + looks * forward_seconds


def _median_seconds(action: Callable[[], float]) -> float:
    """Median of three calls after one that is not counted."""
    action()
    return sorted(_seconds(action) for _ in range(3))[1]


def _seconds(action: Callable[[], float]) -> float:
    before = time.perf_counter()
    action()
    return time.perf_counter() - before
