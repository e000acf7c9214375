"""Step 2 over the field: a grid of kernels that makes clean patches look, each at its place, like degraded ones.

The magnitudes and what sets the colours apart are known in closed form from the power spectra around the nodes
(`field_start`). An auxiliary network learns patches simulated with these kernels of phase zero; under it the phases are
turned (`field_phase`), on each half of the photos by itself: how far the kernels of both agree says how sure they are,
and whether each photo says what the other half found, how much of it is the lens (`field_agreement`). Then a second
auxiliary network follows the kernels that were found and says what the IKL is.

The paper's own procedure, `alternating`, takes a grid of kernels as well; `learn_field` decides.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.events import Event, KernelProgress, KernelSnapshot, Note, Stage
from ddm_gui.engine.flow.train import FlowModel, PathSample, sample_path
from ddm_gui.engine.matching import alternating
from ddm_gui.engine.matching.alternating import AlternatingTraining
from ddm_gui.engine.matching.field_agreement import groups_of, lens_share
from ddm_gui.engine.matching.field_phase import (
    CONTEXT,
    FieldPhaseDescent,
    known_taps,
    recentred,
    turned_patches,
    undone,
)
from ddm_gui.engine.matching.field_start import FieldShape, FieldStart, coloured, measure_field
from ddm_gui.engine.matching.ikl import excess_loss
from ddm_gui.engine.matching.kernels import begun, build_kernels
from ddm_gui.engine.matching.noise_fit import PhotonNoiseFit
from ddm_gui.engine.matching.phase import all_pass_gradients, placed_spectrum, taps_width
from ddm_gui.engine.matching.reliability import reliability
from ddm_gui.engine.matching.search import DRAW_KERNELS, LARGEST_GROWTH, Match, as_grid
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation, middle
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import (
    Training,
    Watch,
    WeightAverage,
    adam,
    cosine_decay,
    draws,
    optimiser_tensors,
    restore_optimiser,
    run,
    set_rate,
    under_prefix,
    with_prefix,
)

TRYING = 30  # updates that measure the curvature of the phases
ASKING = 120  # updates in which groups of the photos are asked what they say of the phases, one after the other
TURN_WORK = 2.0  # times as long as an update of the phases takes one that trains a network
MEASURING, LISTENING = 150, 50  # updates of the network that measures the IKL; the last ones, that are listened to
FEW = 0.1  # of the mean over the nodes: with fewer patches around it a kernel rests on its neighbours


def turns_needed(settings: Settings) -> int:
    """How many updates of the phases there are on each half of the photos."""
    return math.ceil(settings.images_phase / settings.batch_size / 2)


def updates_needed(settings: Settings) -> int:
    """How many updates step 2 makes."""
    if settings.procedure == "alternating":
        return alternating.updates_needed(settings)
    following = math.ceil(settings.images_kernel / settings.batch_size)
    return following + TRYING + ASKING + 2 * turns_needed(settings) + MEASURING


def work(settings: Settings, updates: int) -> float:
    """How much work the first `updates` are, in updates that train a network."""
    if settings.procedure == "alternating":
        return float(updates)
    following = math.ceil(settings.images_kernel / settings.batch_size)
    turning = TRYING + ASKING + 2 * turns_needed(settings)
    turned = min(max(updates - following, 0), turning)
    return updates - turned + turned / TURN_WORK


class Turning:
    """Phases that are turned on half of the photos, and their mean over the second half of the turns."""

    def __init__(self, phase: FieldPhaseDescent, photos: PatchPool, turns: int) -> None:
        self.phase, self.photos, self.turns = phase, photos, turns
        self.mean = torch.zeros_like(phase.magnitude)  # N x F x F, rad

    def move(self, turn: int, gradients: Tensor, positions: Tensor) -> None:
        """Turn number `turn`, by gradients as `FieldPhaseDescent.move` takes them."""
        self.phase.move(gradients, positions)
        averaged = turn - self.turns // 2
        # Until then it is the phases of the moment.
        self.mean = self.mean.lerp(self.phase.phases, 1 / (max(averaged, 0) + 1))

    def found(self) -> Tensor:
        """The kernels of luminance that these photos alone say, N x k x k."""
        return recentred(self.phase.with_phases(self.mean))

    def tensors(self) -> dict[str, Tensor]:
        return {**with_prefix("phase", self.phase.tensors()), "mean": self.mean}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.phase.load(under_prefix("phase", tensors))
        self.mean = tensors["mean"].to(self.mean.device).clone()


class FieldTraining(Training):
    """Step 2's updates over the field: the auxiliary network follows, the phases turn, the IKL is measured."""

    stage = Stage.KERNELS

    def __init__(
        self,
        flow: FlowModel,
        degraded: PatchPool,
        halves: tuple[PatchPool, PatchPool],
        clean: PatchPool,
        start: FieldStart,
        settings: Settings,
        device: torch.device,
        noise_fit: PhotonNoiseFit | None = None,
    ) -> None:
        """`halves`: of the degraded photos, as the start was measured on. `noise_fit`: of Poisson-Gaussian noise, which
        is fitted to the kernels of the start, and again to those that were found."""
        self.flow, self.clean, self.settings, self.device = flow, clean, settings, device
        self.known = start
        self.batch_size = settings.batch_size
        self.updates = updates_needed(settings)
        self.following = math.ceil(settings.images_kernel / settings.batch_size)
        self.simulation = Simulation(flow.sight, degraded.depth, settings, start.field)
        turns = turns_needed(settings)
        self.whole = self._phases(start.shape)
        self.halves = [
            Turning(self._phases(shape), half, turns) for shape, half in zip(start.halves, halves, strict=True)
        ]
        # Each half's photos in groups, and what each group says at phase zero, J x F x F.
        self.groups = [(index, group) for index, half in enumerate(halves) for group in groups_of(half, settings.seed)]
        self.answers = torch.zeros(len(self.groups), *self.whole.state["variance"].shape, device=device)
        self.photos = (degraded.photo_count, clean.photo_count)
        self.start = self.whole.kernels
        self.kernels = self.start  # of luminance, N x k x k: those of the moment
        self.noise_fit = noise_fit
        self.noise = SimulatedNoise(start.noise_sigma)
        self._fit_noise()
        self.acts: list[tuple[int, Callable[[int, torch.Generator], None]]] = [
            (self.following, self._learn_start),
            (TRYING, self._try),
            (ASKING, self._ask),
            (2 * turns, self._turn),
            (MEASURING, self._measure),
        ]
        self.watch = Watch(device, LARGEST_GROWTH)
        self.ikl = torch.zeros((), device=device)
        self._begin_following()

    def _phases(self, shape: FieldShape) -> FieldPhaseDescent:
        settings, known = self.settings, self.known
        return FieldPhaseDescent(known.field, shape.log_power.to(self.device), settings.kernel_size, known.is_round)

    def _begin_following(self) -> None:
        """A network as step 1 left it, to learn the simulated patches, and its average."""
        self.auxiliary = copy.deepcopy(self.flow.velocity).train().requires_grad_(True)
        self.average = WeightAverage(self.auxiliary, self.settings.ema_relative_std)
        self.optimiser = adam([(self.auxiliary.parameters(), self.settings.auxiliary_rate)])

    def step(self) -> None:
        generator, update = draws(self.settings.seed, DRAW_KERNELS, self.update), self.update
        for count, act in self.acts:
            if update < count:
                act(update, generator)
                return
            update -= count

    def _learn_start(self, update: int, generator: torch.Generator) -> None:
        """The auxiliary network learns the start; after its last update it stays as its average is."""
        self._follow(self._sample(self.start, generator), update, self.following)
        if update == self.following - 1:
            self.auxiliary.load_state_dict(self.average.weights)
            self.auxiliary.eval().requires_grad_(False)

    def _sample(self, kernels: Tensor, generator: torch.Generator) -> PathSample:
        """Simulated patches on the path."""
        with torch.no_grad():
            seen, places = self.simulation.draw(self.clean, self._blurring(kernels), self.noise, generator)
        return sample_path(seen, generator, places)

    def _fit_noise(self) -> None:
        """Poisson-Gaussian noise as it goes with the kernels of the moment."""
        if self.noise_fit is not None:
            found = self.noise_fit.under(self._blurring(self.kernels))
            self.noise = SimulatedNoise.of(found, self.noise_fit.level)

    def photon_noise(self) -> PhotonNoise | None:
        """How the noise grows with light; None where it is as strong everywhere."""
        return self.noise.photon if self.noise.grows else None

    def _blurring(self, kernels: Tensor) -> Tensor:
        """What clean patches are convolved with: kernels of luminance in colour, with their contrast."""
        return coloured(kernels, self.known.shape.differences.to(self.device)) * self.known.gain

    def _follow(self, sample: PathSample, update: int, updates: int) -> None:
        """One of `updates` updates of the auxiliary network by flow matching."""
        set_rate(self.optimiser, cosine_decay(update, updates))
        self.optimiser.zero_grad()
        loss = (sample.under(self.auxiliary) - sample.target).square().mean()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.average.update(self.auxiliary, update)
        self.watch.see(loss, self.update)

    def _try(self, update: int, generator: torch.Generator) -> None:
        """How the gradient answers to known phases in simulated patches, put in and taken out: what it says of itself
        is the same in both."""
        taps = taps_width(self.settings.kernel_size)
        known = known_taps(taps, generator).to(self.device)
        seen, places = self.simulation.whitened(
            self.clean, self._blurring(self.start), self.noise, generator, taps - 1 + 2 * CONTEXT
        )
        phases = placed_spectrum(known, seen.shape[-1]).imag
        seed = int(torch.randint(2**62, (), generator=generator))
        answers = [
            all_pass_gradients(
                self.auxiliary, turned_patches(seen, sign * phases), taps, torch.Generator().manual_seed(seed), places
            ).sum(dim=0)
            for sign in (1, -1)
        ]
        for half in self.halves:
            half.phase.learn_curvature(0.5 * (answers[0] - answers[1]), known)

    def _ask(self, update: int, generator: torch.Generator) -> None:
        """What a group of the photos says of the start, one after the other."""
        index = update % len(self.groups)
        _, photos = self.groups[index]
        gradients, positions = self._gradients(photos, self.start, generator)
        self.answers[index] += self.whole.by_place(gradients, positions)

    def _turn(self, turn: int, generator: torch.Generator) -> None:
        """Update number `turn` of the phases, of one half and the other in turns."""
        half = self.halves[turn % 2]
        half.move(turn // 2, *self._gradients(half.photos, half.phase.kernels, generator))
        self.kernels = recentred(self.whole.with_phases(self._believed()))

    def _believed(self) -> Tensor:
        """The mean of the phases that both halves found, as far as it is the lens."""
        found = [half.mean for half in self.halves]
        answers = [
            self.whole.slope(answer, found[1 - half])
            for (half, _), answer in zip(self.groups, self.answers, strict=True)
        ]
        return lens_share(torch.stack(answers), *self.photos) * (found[0] + found[1]) / 2

    def _gradients(self, photos: PatchPool, kernels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What the network of the simulated patches says of photos without the phases of these kernels: gradients for
        the taps of a filter behind them, and positions."""
        settings, sight, taps = self.settings, self.flow.sight, taps_width(self.settings.kernel_size)
        seen = settings.patch_size + taps - 1
        batch = photos.draw(sight.surplus * self.batch_size, seen + 2 * CONTEXT + sight.margin, generator)
        weights = self.known.field.weights(batch.positions).to(self.device)
        here = torch.einsum("bn,nhw->bhw", weights, kernels)
        whitened = undone(sight.apply(batch.pixels.to(self.device)), here)
        kept = sight.bright_enough(middle(whitened, settings.patch_size), self.batch_size)
        places = batch.places(settings.patch_size).to(self.device)[kept]
        gradients = all_pass_gradients(self.auxiliary, whitened[kept], taps, generator, places)
        return gradients, batch.positions.to(self.device)[kept]

    def _measure(self, update: int, generator: torch.Generator) -> None:
        """Update number `update` of a network that follows what was found, and then says what the IKL is.

        It does not judge: on a simulated lens it was .0023 for the start (NCC .87) and .0024 for what was found (.96).
        """
        if update == 0:
            self._fit_noise()
            self._begin_following()
        sample = self._sample(self.kernels, generator)
        self._follow(sample, update, MEASURING)
        listened = update - (MEASURING - LISTENING)
        if listened >= 0:
            with torch.no_grad():
                excess = excess_loss(sample.under(self.auxiliary), sample.under(self.flow.velocity), sample)
            self.ikl = self.ikl.lerp(excess, 1 / (listened + 1))

    def confidence(self) -> NDArray[np.float32]:
        """How sure the kernels are, rows x cols x C': see `reliability`."""
        one, other = (
            coloured(half.found().cpu(), shape.differences)
            for half, shape in zip(self.halves, self.known.halves, strict=True)
        )
        sure = reliability(one, other) * (self.known.counts >= FEW * self.known.counts.mean())[:, None]
        return sure.view(self.settings.rows, self.settings.cols, -1).numpy()

    def check(self) -> None:
        self.watch.check(self.stage)

    def work(self, updates: int) -> float:
        return work(self.settings, updates)

    def progress(self, seconds_left: float) -> KernelProgress:
        self.check()
        known = self.update > self.updates - LISTENING
        return KernelProgress(
            self.update * self.batch_size,
            self.updates * self.batch_size,
            float(self.ikl) if known else None,
            self.flow.floor if known else None,
            float(self.noise.sigma),
            seconds_left,
        )

    def snapshot(self) -> KernelSnapshot:
        return KernelSnapshot(self.update * self.batch_size, self.grid(self.kernels), float(self.noise.sigma))

    def grid(self, kernels: Tensor) -> NDArray[np.float32]:
        """Kernels of luminance N x k x k as rows x cols x C' x k x k, centred together."""
        in_colour = coloured(kernels.cpu(), self.known.shape.differences)
        return as_grid(in_colour.view(self.settings.rows, self.settings.cols, *in_colour.shape[1:]))

    def tensors(self) -> dict[str, Tensor]:
        return {
            **with_prefix("auxiliary", self.auxiliary.state_dict()),
            **with_prefix("average", self.average.weights),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
            **with_prefix("one half", self.halves[0].tensors()),
            **with_prefix("other half", self.halves[1].tensors()),
            **with_prefix("watch", self.watch.tensors()),
            "kernels": self.kernels,
            "answers": self.answers,
            "noise": torch.tensor([float(self.noise.sigma), float(self.noise.share)]),
            "ikl": self.ikl,
        }

    def numbers(self) -> dict[str, Any]:
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        self.auxiliary.load_state_dict(under_prefix("auxiliary", tensors))
        self.average.load(under_prefix("average", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        self.halves[0].load(under_prefix("one half", tensors))
        self.halves[1].load(under_prefix("other half", tensors))
        self.watch.load(under_prefix("watch", tensors))
        self.kernels, self.answers, self.ikl = (
            tensors[name].to(self.device).clone() for name in ("kernels", "answers", "ikl")
        )
        if self.noise_fit is not None:
            sigma, share = tensors["noise"]
            self.noise = SimulatedNoise(sigma, share, self.noise_fit.level)


def learn_field(
    flow: FlowModel,
    degraded: PatchPool,
    clean: PatchPool,
    settings: Settings,
    device: torch.device,
    checkpoint: Path,
    fingerprint: Mapping[str, Any],
) -> Generator[Event, None, Match]:
    """Step 2 for a grid of kernels, by the procedure of the settings; resumes from `checkpoint` by itself, bit for bit
    on a CPU.

    Closing the generator saves a checkpoint.

    Raises:
        UserError: training has diverged, or the disk does not take a checkpoint.
    """
    halves = degraded.split(0.5, settings.seed)
    start = measure_field(halves, clean, settings)
    scarce = start.counts < FEW * start.counts.mean()
    if bool(scarce.any()):
        yield Note(f"{_named(scarce, settings.cols)}: few patches of the degraded photos lie there.")
    noise_fit = None
    if settings.photon_noise:
        simulation = Simulation(flow.sight, degraded.depth, settings, start.field)
        noise_fit = PhotonNoiseFit(degraded, clean, simulation, flow.spectrum, start.noise_sigma)
    if settings.procedure == "alternating":
        return (
            yield from _learn_alternating(
                flow, degraded, clean, start, settings, device, checkpoint, fingerprint, noise_fit
            )
        )
    training = FieldTraining(flow, degraded, halves, clean, start, settings, device, noise_fit)
    yield from run(training, checkpoint, fingerprint)
    spectral = training.grid(training.start)
    return Match(
        training.grid(training.kernels),
        spectral,
        spectral,
        float(training.noise.sigma),
        float(training.ikl),
        training.confidence(),
        training.photon_noise(),
    )


def _learn_alternating(
    flow: FlowModel,
    degraded: PatchPool,
    clean: PatchPool,
    known: FieldStart,
    settings: Settings,
    device: torch.device,
    checkpoint: Path,
    fingerprint: Mapping[str, Any],
    noise_fit: PhotonNoiseFit | None,
) -> Generator[Event, None, Match]:
    """The paper's procedure for a grid of kernels."""
    spectral = known.shape.kernels(settings.kernel_size)
    kernels = begun(settings, spectral)
    gains = torch.full((degraded.channels,), known.gain)
    noise = SimulatedNoise(known.noise_sigma)
    if noise_fit is not None:
        noise = SimulatedNoise.of(noise_fit.under((spectral * known.gain).to(device)), noise_fit.level)
    model = build_kernels(settings, kernels, gains, noise).to(device)
    simulation = Simulation(flow.sight, degraded.depth, settings, known.field)
    training = AlternatingTraining(flow, clean, simulation, model, settings)
    yield from run(training, checkpoint, fingerprint)
    found, first, visible = (training.grid(each) for each in (training.average, kernels, spectral))
    sigma, ikl = float(training.average_sigma), float(training.ikl)
    return Match(found, first, visible, sigma, ikl, photon_noise=training.photon_noise())


def _named(scarce: Tensor, cols: int) -> str:
    """'The kernels at row 0, column 3; row 0, column 4' of nodes that are marked."""
    nodes = [divmod(int(node), cols) for node in scarce.nonzero().flatten()]
    places = "; ".join(f"row {row}, column {col}" for row, col in nodes)
    return f"What is said of the kernels at {places} follows from their neighbours"
