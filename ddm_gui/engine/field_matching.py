"""Step 2 over the field: a grid of kernels that makes clean patches look, each at its place, like degraded ones.

The magnitudes and what sets the colours apart are known in closed form from the power spectra around the nodes
(`field_magnitude`, `field_colour`). An auxiliary network learns patches simulated with these kernels of phase zero;
under it the phases are turned (`field_phase`). Then a second auxiliary network follows the kernels that were found and
says what the IKL is.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.colour import apart
from ddm_gui.engine.events import Event, KernelProgress, KernelSnapshot, Stage
from ddm_gui.engine.field import Field
from ddm_gui.engine.field_colour import field_colours
from ddm_gui.engine.field_magnitude import FieldMagnitude, FieldSpectra
from ddm_gui.engine.field_phase import (
    CONTEXT,
    FieldPhaseDescent,
    known_taps,
    recentred,
    turned_patches,
    undone,
)
from ddm_gui.engine.flow import FlowModel, PathSample, sample_path
from ddm_gui.engine.ikl import excess_loss
from ddm_gui.engine.patches import PatchPool, field_places
from ddm_gui.engine.phase import all_pass_gradients, placed_spectrum, taps_width
from ddm_gui.engine.search import DRAW_KERNELS, LARGEST_GROWTH, Match, as_grid
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulation import middle, photographed
from ddm_gui.engine.spectrum import field_periodograms, noise_floor, periodogram
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
SURVEYING = 80  # updates that ask both halves of the photos for the phases
TURN_WORK = 2.0  # times as long as an update of the phases takes one that trains a network
MEASURING, LISTENING = 150, 50  # updates of the network that measures the IKL; the last ones, that are listened to


def stages(settings: Settings) -> tuple[int, int, int, int]:
    """How many updates there are: of the auxiliary network; of known phases; of those that are looked for, the survey
    before included; and of the measurement."""
    return (
        math.ceil(settings.images_kernel / settings.batch_size),
        TRYING,
        SURVEYING + math.ceil(settings.images_phase / settings.batch_size),
        MEASURING,
    )


def updates_needed(settings: Settings) -> int:
    """How many updates step 2 makes."""
    return sum(stages(settings))


def work(settings: Settings, updates: int) -> float:
    """How much work the first `updates` are, in updates that train a network."""
    following, trying, turning, _ = stages(settings)
    turned = min(max(updates - following, 0), trying + turning)
    return updates - turned + turned / TURN_WORK


class FieldTraining(Training):
    """Step 2's updates over the field: the auxiliary network follows, the phases turn, the IKL is measured."""

    stage = Stage.KERNELS

    def __init__(
        self,
        flow: FlowModel,
        degraded: PatchPool,
        clean: PatchPool,
        settings: Settings,
        device: torch.device,
    ) -> None:
        self.flow, self.degraded, self.clean, self.settings, self.device = flow, degraded, clean, settings, device
        self.batch_size = settings.batch_size
        self.following, self.trying, self.turning, _ = stages(settings)
        self.updates = updates_needed(settings)
        self.field = Field(settings.rows, settings.cols, *Counter(degraded.sizes).most_common(1)[0][0])
        self.halves = degraded.split(0.5, settings.seed)
        halves = [field_periodograms(half, self.field, settings.seed) for half in self.halves]
        counts = halves[0][1] + halves[1][1]
        spectra = torch.stack([half * (seen / counts)[:, None, None, None, None] for half, seen in halves]).sum(dim=0)
        clean_spectrum = periodogram(clean, settings.seed)
        learned = settings.noise_sigma == "learn"
        self.sigma = noise_floor(spectra.mean(dim=0)) if learned else float(settings.noise_sigma)
        noise, reference = self.sigma**2 / degraded.channels, _luminance(clean_spectrum)
        known = [FieldSpectra(_luminance(half), seen) for half, seen in halves]
        found = FieldMagnitude(self.field, reference, noise).fit((known[0], known[1]))
        self.gain = math.exp(found.contrast / 2)
        self.differences = torch.zeros(len(counts), 1, 5)  # of the colours, for `colour.apart`
        if degraded.channels > 1 and settings.channels != 1:
            self.differences = field_colours(self.field, spectra, counts, clean_spectrum, self.sigma**2)
        self.differences = self.differences.to(device)
        self.phase = FieldPhaseDescent(self.field, found.log_power.to(device), settings.kernel_size, found.is_round)
        self.start = self.phase.kernels
        self.kernels = self.start  # of luminance, N x k x k: those of the moment
        self.mean = self.start  # over the second half of the turning
        self.watch = Watch(device, LARGEST_GROWTH)
        self.ikl = torch.zeros((), device=device)
        self._begin_following()

    def _begin_following(self) -> None:
        """A network as step 1 left it, to learn the simulated patches, and its average."""
        self.auxiliary = copy.deepcopy(self.flow.velocity).train().requires_grad_(True)
        self.average = WeightAverage(self.auxiliary, self.settings.ema_relative_std)
        self.optimiser = adam([(self.auxiliary.parameters(), self.settings.auxiliary_rate)])

    def step(self) -> None:
        generator = draws(self.settings.seed, DRAW_KERNELS, self.update)
        tried = self.update - self.following
        turned = tried - self.trying
        measured = turned - self.turning
        if tried == 0:
            self._look_through_average()
        if tried < 0:
            self._follow(self._sample(self.start, generator), self.update, self.following)
        elif turned < 0:
            self._try(generator)
        elif measured < 0:
            self._turn(turned, generator)
        else:
            self._measure(measured, generator)

    def _sample(self, kernels: Tensor, generator: torch.Generator) -> PathSample:
        """Simulated patches on the path."""
        seen, places = self._simulated(kernels, generator, 0)
        return sample_path(self.flow.sight.levelled(seen), generator, places)

    def _simulated(self, kernels: Tensor, generator: torch.Generator, more: int) -> tuple[Tensor, Tensor]:
        """Clean patches through the kernels of random places, whitened, before contrast is taken, B x 1 x (P + more) x
        (P + more); and the places of their middle, B x 2 x P x P."""
        settings, sight = self.settings, self.flow.sight
        side, count = settings.patch_size + sight.margin + more, sight.surplus * self.batch_size
        batch = self.clean.draw(count, side + settings.kernel_size - 1, generator, mirror=settings.mirror_clean)
        positions = torch.rand(count, 2, generator=generator)
        weights = self.field.weights(positions).to(self.device)
        here = torch.einsum("bn,nchw->bchw", weights, self._colours(kernels)) * self.gain
        noise = self.sigma * torch.randn(count, batch.pixels.shape[1], side, side, generator=generator)
        with torch.no_grad():
            seen = sight.apply(
                photographed(batch.pixels.to(self.device), here, noise.to(self.device), self.degraded.depth)
            )
        kept = sight.bright_enough(middle(seen, settings.patch_size), self.batch_size)
        places = field_places(positions, self.field.pitch.expand(count, 2), settings.patch_size).to(self.device)
        return seen[kept], places[kept]

    def _follow(self, sample: PathSample, update: int, updates: int) -> None:
        """One of `updates` updates of the auxiliary network by flow matching."""
        set_rate(self.optimiser, cosine_decay(update, updates))
        self.optimiser.zero_grad()
        loss = (sample.under(self.auxiliary) - sample.target).square().mean()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.average.update(self.auxiliary, update)
        self.watch.see(loss, self.update)

    def _try(self, generator: torch.Generator) -> None:
        """How the gradient answers to known phases in simulated patches, put in and taken out: what it says of itself
        is the same in both."""
        taps = taps_width(self.settings.kernel_size)
        known = known_taps(taps, generator).to(self.device)
        seen, places = self._simulated(self.start, generator, taps - 1 + 2 * CONTEXT)
        phases = placed_spectrum(known, seen.shape[-1]).imag
        seed = int(torch.randint(2**62, (), generator=generator))
        answers = [
            all_pass_gradients(
                self.auxiliary, turned_patches(seen, sign * phases), taps, torch.Generator().manual_seed(seed), places
            ).sum(dim=0)
            for sign in (1, -1)
        ]
        self.phase.learn_curvature(0.5 * (answers[0] - answers[1]), known)

    def _turn(self, turned: int, generator: torch.Generator) -> None:
        """Update number `turned` of the phases; the kernels of the second half are averaged."""
        settings, sight, taps = self.settings, self.flow.sight, taps_width(self.settings.kernel_size)
        seen = settings.patch_size + taps - 1
        photos = self.halves[turned % 2] if turned < SURVEYING else self.degraded
        batch = photos.draw(sight.surplus * self.batch_size, seen + 2 * CONTEXT + sight.margin, generator)
        weights = self.field.weights(batch.positions).to(self.device)
        here = torch.einsum("bn,nhw->bhw", weights, self.kernels)
        whitened = undone(sight.apply(batch.pixels.to(self.device)), here)
        kept = sight.bright_enough(middle(whitened, settings.patch_size), self.batch_size)
        places = batch.places(settings.patch_size).to(self.device)[kept]
        gradients = all_pass_gradients(self.auxiliary, whitened[kept], taps, generator, places)
        positions = batch.positions.to(self.device)[kept]
        if turned < SURVEYING:
            self.phase.survey(gradients, positions, turned % 2)
            return
        if turned == SURVEYING:
            self.phase.expect(SURVEYING // 2)
        self.phase.move(gradients, positions)
        self.kernels = self.phase.kernels
        averaged = turned - (self.turning + SURVEYING) // 2
        if averaged >= 0:
            self.mean = self.mean.lerp(self.kernels, 1 / (averaged + 1))

    def _look_through_average(self) -> None:
        """From here on the auxiliary network stays as its average is."""
        self.auxiliary.load_state_dict(self.average.weights)
        self.auxiliary.eval().requires_grad_(False)

    def _measure(self, measured: int, generator: torch.Generator) -> None:
        """Update number `measured` of a network that follows what was found, and then says what the IKL is.

        It does not judge: on a simulated lens it was .0023 for the start (NCC .87) and .0024 for what was found (.96).
        """
        if measured == 0:
            self.kernels = recentred(self.mean) if self.turning > SURVEYING else self.start
            self._begin_following()
        sample = self._sample(self.kernels, generator)
        self._follow(sample, measured, MEASURING)
        listened = measured - (MEASURING - LISTENING)
        if listened >= 0:
            with torch.no_grad():
                excess = excess_loss(sample.under(self.auxiliary), sample.under(self.flow.velocity), sample)
            self.ikl = self.ikl.lerp(excess, 1 / (listened + 1))

    def _colours(self, kernels: Tensor) -> Tensor:
        """N x C' x k x k of those of luminance, N x k x k."""
        if self.differences.shape[1] == 1:
            return kernels[:, None]
        return torch.stack([apart(*each) for each in zip(kernels, self.differences, strict=True)])

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
            self.sigma,
            seconds_left,
        )

    def snapshot(self) -> KernelSnapshot:
        return KernelSnapshot(self.update * self.batch_size, self.grid(self.kernels), self.sigma)

    def grid(self, kernels: Tensor) -> NDArray[np.float32]:
        """Kernels of luminance N x k x k as rows x cols x C' x k x k, centred together."""
        coloured = self._colours(kernels)
        return as_grid(coloured.view(self.field.rows, self.field.cols, *coloured.shape[1:]))

    def tensors(self) -> dict[str, Tensor]:
        return {
            **with_prefix("auxiliary", self.auxiliary.state_dict()),
            **with_prefix("average", self.average.weights),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
            **with_prefix("phase", self.phase.tensors()),
            **with_prefix("watch", self.watch.tensors()),
            "kernels": self.kernels,
            "mean": self.mean,
            "ikl": self.ikl,
        }

    def numbers(self) -> dict[str, Any]:
        return {}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        self.auxiliary.load_state_dict(under_prefix("auxiliary", tensors))
        self.average.load(under_prefix("average", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        self.phase.load(under_prefix("phase", tensors))
        self.watch.load(under_prefix("watch", tensors))
        self.kernels, self.mean, self.ikl = (
            tensors[name].to(self.device).clone() for name in ("kernels", "mean", "ikl")
        )


def learn_field(
    flow: FlowModel,
    degraded: PatchPool,
    clean: PatchPool,
    settings: Settings,
    device: torch.device,
    checkpoint: Path,
    fingerprint: Mapping[str, Any],
) -> Generator[Event, None, Match]:
    """Step 2 for a grid of kernels; resumes from `checkpoint` by itself, bit for bit on a CPU.

    Closing the generator saves a checkpoint.

    Raises:
        UserError: training has diverged, or the disk does not take a checkpoint.
    """
    training = FieldTraining(flow, degraded, clean, settings, device)
    yield from run(training, checkpoint, fingerprint)
    start = training.grid(training.start)
    return Match(training.grid(training.kernels), start, start, training.sigma, float(training.ikl))


def _luminance(spectra: Tensor) -> Tensor:
    """Power of the mean of the colours, of cross-periodograms ... x C x C."""
    return spectra.real.mean(dim=(-2, -1))
