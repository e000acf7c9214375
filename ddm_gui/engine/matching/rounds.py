"""Step 2: the degradation that makes clean patches look, in distribution, like degraded ones (section 3.1), by rounds.

The gradient and the number that is reported are in `ikl`; the paper's own procedure is in `alternating`. Which of the
two runs is decided in `uniform_matching`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.flow.train import FlowModel, PathSample, sample_path
from ddm_gui.engine.matching.blend import blended
from ddm_gui.engine.matching.colour import ColourMatch, apart
from ddm_gui.engine.matching.derivatives import DerivativeFit
from ddm_gui.engine.matching.descent import KernelDescent, set_kernels
from ddm_gui.engine.matching.ikl import excess_loss, matching_loss, turned_about_lead
from ddm_gui.engine.matching.kernels import SoftmaxKernels, outskirts, weighted_priors
from ddm_gui.engine.matching.noise_fit import PhotonNoiseFit
from ddm_gui.engine.matching.phase import PhaseDescent, all_pass_gradient, taps_width
from ddm_gui.engine.matching.plan import Plan
from ddm_gui.engine.matching.retrieval import retrieve, spectral_magnitude, turned_about
from ddm_gui.engine.matching.search import DRAW_KERNELS, PHOTOMETRY_RATE, KernelSearch
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.matching.symmetry import believed
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import (
    adam,
    diverged,
    draws,
    optimiser_tensors,
    restore_optimiser,
    under_prefix,
    with_prefix,
)

LISTENING = 40  # updates of a round, the last ones, whose gradients are added up
SMALLEST_STEP = 0.25  # the last step of the kernel over the first
FOLLOWED_MEMORY = 0.95  # per update, of the auxiliary network's average
GAIN_STEPS = 5  # of a kernel's contrast
CONTRACTING_STEPS = 150  # by which a flat or random kernel becomes one of the right size, before its phases are turned
CONTRACTING_SIZE = 0.5  # of the first of them, nats
LARGEST_IKL = 1e9  # of a kernel that was not measured
LARGEST_SURPRISE = 1e9  # nats per pixel, likewise
# Nats per value of the IKL for one nat per pixel of surprise: by .01 and 2e-4 kernels of equal NCC scatter.
SURPRISE_WORTH = 0.02
SPREAD_WEIGHT = 1.0  # of the push from a flat or random start, of a step of size one; falling to 0 at half time
TRIAL_LISTENING = 16  # updates of a trial, the last ones, that are listened to
CHANCE_LEAD = 3e-4  # nats per value by which a symmetric kernel may lead itself turned about, at most; seen: 2.4e-4
ROUGHLY_KNOWN = 0.4  # rad: how far the phases of a candidate may be from the truth
DRAW_TRIAL, DRAW_RETRIEVAL = 4, 5  # which random stream


class KernelTraining(KernelSearch):
    """Step 2's updates. First the phases are turned, which needs no auxiliary network (see `phase`): in stretches, from
    the start and from kernels that the power spectra allow (see `retrieval`), then on from the best. Before and after
    each stretch the edges of whole photos refine the kernel (see `derivatives`): where one way stands still the other
    one goes on. Then an auxiliary network measures the IKL. Last come rounds: the auxiliary network learns the
    simulated patches of a kernel that stands still, then the gradients of a round's last updates are added up, and the
    kernel takes one large step.

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
        edges: DerivativeFit,
        noise_fit: PhotonNoiseFit | None = None,
    ) -> None:
        """`spectral`: the zero-phase kernels of the power spectra, C' x k x k, whichever the start is. `noise_fit`: of
        Poisson-Gaussian noise, which does not move by the gradient then but is fitted again before each round."""
        self.plan = Plan.of(settings)
        count = self.plan.stretches
        super().__init__(flow, clean, simulation, model, settings, self.plan.updates, self.plan.first_round)
        self.colour, self.phase, self.descent = colour, phase, KernelDescent(spectral)
        self.edges = edges
        self.noise_fit = noise_fit
        if noise_fit is not None:
            for parameter in model.noise_parameters():
                parameter.requires_grad_(False)
        self.photometry = adam([(model.photometry(), PHOTOMETRY_RATE)])
        self._begin_round()
        self.gradient = torch.zeros_like(model.logits)
        self.own = model.kernels().detach().mean(dim=0)
        self.spectral = spectral.mean(dim=0)
        self.gains = model.log_gain.detach().exp()
        self.kernel = self.own.clone()  # of luminance, of which those of the colours are made
        self.differences = torch.zeros(model.logits.shape[0], 5, device=self.device)  # of the colours from it
        self.mean = self.own.clone()  # of the kernel over the second half of a stretch
        self.ikls = torch.full((count + 1,), LARGEST_IKL, device=self.device)  # of the own start and each stretch
        self.leads = torch.zeros(count + 1, device=self.device)  # by which the same turned about is worse, nats
        self.surprises = torch.full((count + 1,), LARGEST_SURPRISE, device=self.device)  # of the same, nats per pixel
        self.begun, self.begun_surprise = self.own, torch.tensor(LARGEST_SURPRISE, device=self.device)  # a stretch's
        self.found = torch.zeros(count + 1, *self.own.shape, device=self.device)  # the kernel of each
        self.candidate: tuple[int, Tensor] | None = None
        self.best = self._state_of_phases()  # after the stretch of the least IKL

    def step(self) -> None:
        if self.update == 0:
            self._contract()
        if self.update in (0, self.first):
            self._separate_colours()
        if self.update == 0 < self.first:
            self._fit_gain()
            self.gains = self.model.log_gain.detach().exp()
            self.best = self._state_of_phases()
        if self.update < self.first:
            self._step_of_stretch(*self.plan.place(self.update))
            return
        generator = draws(self.settings.seed, DRAW_KERNELS, self.update)
        self._step_of_round((self.update - self.first) % self.plan.round_length, generator)

    def _contract(self) -> None:
        """From a flat or random start: down the IKL of Gaussian fields, which has a closed form, to the right size.

        The phases of a flat kernel's faint detail are chance: turned as it was, the kernel fell into pieces (NCC .19 on
        a lens with coma, whose spectral start has .92). Contracted it is at .87, from a random start at .92.
        """
        if self.settings.start == "spectral" or self.first == 0:
            return
        for step in range(CONTRACTING_STEPS):
            done = step / CONTRACTING_STEPS
            loss = self.colour.loss(self.model.with_gain(), self.model.sigma().detach())
            (gradient,) = torch.autograd.grad(loss, self.model.logits)
            size = CONTRACTING_SIZE * (1 - 0.9 * done)
            self.descent.move_shape(self.model.logits, gradient, self._push(done), size)
        self.kernel = self.own = self.mean = self.model.kernels().detach().mean(dim=0)

    def _fit_gain(self) -> None:
        """The contrast with which a kernel explains the power of the degraded photos best, all its shape kept.

        A wrong contrast is a wrong amount of noise: with it the IKL of a Gaussian's spectral start was .0006, without
        it .0004 (turned kernels, as good by NCC but with magnitudes fitted to these photos: .0001).
        """
        with torch.no_grad():
            for _ in range(GAIN_STEPS):
                _, gain = self.phase.match.correction(self.model.with_gain())
                self.model.log_gain.add_(gain)

    def _step_of_stretch(self, stretch: int, update: int) -> None:
        """Update number `update` of a stretch: the phases turn, then the IKL of their mean kernel is measured, once the
        edges of whole photos have refined it (see `derivatives`).

        Luminance is what the networks see, so one kernel turns, and those of the colours are made of it. Left alone the
        phases drift off the best place, by what sets the two sets of photos apart: Levin's second kernel went from NCC
        .91 to .78 in 600 updates. The IKL sees it: over ten candidates for that kernel it fell in the order of NCC
        (correlation -.87). The likelihood of the simulated patches, which is cheaper, takes zero phase for better than
        the truth.
        """
        if update == 0:
            self._begin_stretch(stretch)
        if update >= self.plan.turns:
            self._step_of_trial(stretch, update - self.plan.turns)
            return
        self._turn_phases(draws(self.settings.seed, DRAW_KERNELS, stretch * self.plan.turns + update))
        averaged = update - self.plan.turns // 2
        if averaged >= 0:
            self.mean = self.mean.lerp(self.kernel, 1 / (averaged + 1))

    def _step_of_trial(self, stretch: int, update: int) -> None:
        """Update number `update` of the measurement of a stretch's mean kernel, or of the own start."""
        if update == 0:
            self.mean, self.surprises[stretch] = self._refined_mean(stretch)
            self._set_kernel(self.mean)
            self._fit_gain()
        self._measure(stretch, update)
        if update == self.plan.trial_length - 1:
            if not bool(self.ikls[stretch].isfinite()):
                raise diverged(self.stage)
            self.found[stretch] = self.mean
            judged = self.ikls + (-self.leads - CHANCE_LEAD).clamp_min(0) + SURPRISE_WORTH * self.surprises
            if int(judged.argmin()) == stretch:
                self.best = self._state_of_phases()
            self._resume_phases({**self.best, "kernel": blended(self.found, judged)})

    def _refined_mean(self, stretch: int) -> tuple[Tensor, float]:
        """What a stretch ends with, refined, or what it began with where that is less surprising; and how surprising it
        is. The own start as it is.

        Without noise phase retrieval may be nearly right (Levin's second kernel: NCC .962, refined .971), and what step
        1's network makes of it is worse (.65).
        """
        if stretch == 0:
            return self.mean, self.edges.surprise(self.mean)
        kernel, surprise = self.edges.refined(self.mean)
        if surprise > float(self.begun_surprise):
            return self.begun, float(self.begun_surprise)
        return kernel, surprise

    def _begin_stretch(self, stretch: int) -> None:
        """Sets kernel, gain and phases: the own start, then the spectral one with the phases of candidates; later
        stretches go on from what is there."""
        self.begun_surprise = torch.full_like(self.begun_surprise, LARGEST_SURPRISE)
        if stretch > self.plan.starts:
            return
        kernel, gains, state = self.own, self.gains, self.phase.beginning()
        if stretch > 1:
            index, about = divmod(stretch - 2, 2)
            found = self._retrieved(index)
            kernel, gains = self.phase.with_phases_of(self.spectral, gains, turned_about(found) if about else found)
            kernel, surprise = self.edges.refined(kernel)
            self.begun, self.begun_surprise = kernel, torch.full_like(self.begun_surprise, surprise)
            state = self.phase.beginning(ROUGHLY_KNOWN)
        self._resume_phases({"kernel": kernel, "gains": gains, **state})

    def _retrieved(self, index: int) -> Tensor:
        """Candidate number `index`, k x k; the last one is kept, since it serves twice."""
        if self.candidate is None or self.candidate[0] != index:
            generator = draws(self.settings.seed, DRAW_RETRIEVAL, index)
            magnitude = spectral_magnitude(self.phase.match, self.spectral, self.gains)
            found = retrieve(magnitude, self.phase.match.visible, self.settings.kernel_size, generator)
            self.candidate = (index, found)
        return self.candidate[1]

    def _turn_phases(self, generator: torch.Generator) -> None:
        """One step of the phases, and of magnitudes and gain by the power spectra."""
        model, taps = self.model, taps_width(self.settings.kernel_size)
        kernels, noise = model.with_gain().detach(), model.noise()
        whitened, _ = self.simulation.whitened(self.clean, kernels, noise, generator, taps - 1)
        gradient = all_pass_gradient(self.flow.velocity, whitened, taps, generator)
        with torch.no_grad():
            kernel, gain = self.phase.move(self.kernel, model.with_gain(), gradient)
            model.log_gain.add_(gain)
        self._set_kernel(kernel)

    def _measure(self, stretch: int, update: int) -> None:
        """Update number `update` of an auxiliary network that measures the IKL of a stretch's kernel.

        A network of so few updates sees magnitudes and hardly the phases: camera shake and itself turned about have
        nearly the same number (Levin's fourth kernel: .00076 with NCC .94, .00063 to .00078 turned about). What
        step 1's network makes of both is another matter: a lead of .0009 to .0012 and of -.0009 to -.0010. So a kernel
        that lies behind itself turned about is as much worse. How far ahead one is says nothing of its shape: .0013
        with NCC .72.
        """
        if update == 0:
            self._begin_round()
        generator = draws(self.settings.seed, DRAW_TRIAL, update)  # the same patches each time
        with torch.no_grad():
            sample = sample_path(self._simulated(generator)[0], generator)
        self._follow(sample, update, self.plan.trial_length * stretch + update)
        listened = update - (self.plan.trial_length - TRIAL_LISTENING)
        if listened >= 0:
            with torch.no_grad():
                auxiliary = sample.under(self.followed)
                degraded = sample.under(self.flow.velocity)
                lead = self._lead(sample, update)
            share = 1 / (listened + 1)
            self.ikls[stretch] = self.ikls[stretch].lerp(excess_loss(auxiliary, degraded, sample), share)
            self.leads[stretch] = self.leads[stretch].lerp(lead, share)

    def _lead(self, sample: PathSample, update: int) -> Tensor:
        """By how much step 1's network takes patches of the kernel of the moment for likelier than patches of the same
        kernel turned about, nats per value. Photos, too, have an up and a down: what these add is the same for both."""
        generator = draws(self.settings.seed, DRAW_TRIAL, update)
        kernels, noise = self.model.with_gain().flip(-2, -1), self.model.noise()
        turned = sample_path(self.simulation.draw(self.clean, kernels, noise, generator)[0], generator)
        leads = [turned_about_lead(self.flow.velocity, each) for each in (sample, turned)]
        return 0.5 * (leads[0] - leads[1])

    def _set_kernel(self, kernel: Tensor) -> None:
        """Luminance's kernel k x k, and with it those of the colours."""
        self.kernel = kernel
        colours = apart(kernel, self.differences) if len(self.differences) > 1 else kernel[None]
        set_kernels(self.model.logits, colours)

    def _state_of_phases(self) -> dict[str, Tensor]:
        """All that turning the phases goes on from."""
        return {"kernel": self.kernel, "gains": self.model.log_gain.detach().exp(), **self.phase.tensors()}

    def _resume_phases(self, state: Mapping[str, Tensor]) -> None:
        """Puts back what `_state_of_phases` gave."""
        self._set_kernel(state["kernel"])
        with torch.no_grad():
            self.model.log_gain.copy_(state["gains"].log())
        self.phase.load(state)

    def _step_of_round(self, in_round: int, generator: torch.Generator) -> None:
        """Update number `in_round` of a round."""
        if in_round == 0:
            self._fit_noise()
            self._begin_round()
        simulated, _ = self._simulated(generator)
        sample = sample_path(simulated.detach(), generator)
        self._follow(sample, in_round, self.update)
        if in_round < self.plan.round_length - LISTENING:
            return
        with torch.no_grad():
            auxiliary = sample.under(self.followed)
            degraded = sample.under(self.flow.velocity)
        self._remember(excess_loss(auxiliary, degraded, sample))
        self._listen(matching_loss(auxiliary - degraded, sample.weight, simulated))
        if in_round == self.plan.round_length - 1:
            self._move()
            self._average()

    def _fit_noise(self) -> None:
        """Poisson-Gaussian noise as it goes with the kernel of the moment."""
        if self.noise_fit is not None:
            found = self.noise_fit.under(self.model.with_gain().detach())
            self.model.set_noise(SimulatedNoise.of(found, self.noise_fit.level))

    def _begin_round(self) -> None:
        """The auxiliary network starts from step 1's: what it learns beyond step 1 must not pile up round by round."""
        self.auxiliary = copy.deepcopy(self.flow.velocity).train().requires_grad_(True)
        self.followed = copy.deepcopy(self.flow.velocity)  # a short average of the auxiliary weights, looked through
        self.optimiser = adam([(self.auxiliary.parameters(), self.settings.auxiliary_rate)])

    def _follow(self, sample: PathSample, in_round: int, count: int) -> None:
        """One update of the auxiliary network by flow matching on simulated patches, after `count` such updates."""
        self.optimiser.zero_grad()
        loss = (sample.under(self.auxiliary) - sample.target).square().mean()
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
        photometry = [parameter for parameter in model.photometry() if parameter.requires_grad]
        shape, *rest = torch.autograd.grad(loss, [model.logits, *photometry])
        self.gradient += shape
        for parameter, gradient in zip(photometry, rest, strict=True):
            parameter.grad = gradient
        self.photometry.step()

    def _move(self) -> None:
        """The round's step of the shape, ever smaller."""
        if not bool(self.gradient.isfinite().all()):
            raise diverged(self.stage)
        done = (self.update - self.first) / (self.updates - self.first)
        size = self.settings.kernel_rate * (1 - (1 - SMALLEST_STEP) * done)
        push = self._push(done) if self.first == 0 else torch.zeros((), device=self.device)
        self.descent.move_shape(self.model.logits, self.gradient, push, size)
        # A step alike for all colours blurs what sets them apart: made anew, the demo's NCC ends .003 higher.
        self._set_kernel(self.model.kernels().detach().mean(dim=0))
        self.gradient = torch.zeros_like(self.gradient)

    def _separate_colours(self) -> None:
        """What sets the colours apart, by the photos' cross-spectra; nothing to find out for one kernel.

        Before the phases are turned and after. After each round it fitted what sets the photos themselves apart.
        """
        model = self.model
        if model.logits.shape[0] > 1:
            gains, sigma = model.log_gain.detach().exp(), model.sigma().detach()
            self.differences = self.colour.differences(self.kernel, gains, sigma)
        self._set_kernel(self.kernel)

    def photon_noise(self) -> PhotonNoise | None:
        if self.noise_fit is None:
            return None
        return self.noise_fit.under(self.average * self.model.log_gain.detach().exp()[:, None, None])

    def result(self) -> Tensor:
        return believed(self.average)

    def _push(self, done: float) -> Tensor:
        """From a flat or random start: away from the outskirts, gone at half time."""
        if self.settings.start == "spectral":
            return torch.zeros((), device=self.device)
        return SPREAD_WEIGHT * max(0.0, 1 - 2 * done) * outskirts(self.settings.kernel_size, self.device)

    def work(self, updates: int) -> float:
        return self.plan.work(updates)

    def tensors(self) -> dict[str, Tensor]:
        return {
            **super().tensors(),
            **with_prefix("auxiliary", self.auxiliary.state_dict()),
            **with_prefix("followed", self.followed.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
            **with_prefix("phase", self.phase.tensors()),
            **with_prefix("photometry", optimiser_tensors(self.photometry)),
            **with_prefix("best", self.best),
            "own": self.own,
            "gains": self.gains,
            "kernel": self.kernel,
            "differences": self.differences,
            "mean": self.mean,
            "ikls": self.ikls,
            "leads": self.leads,
            "surprises": self.surprises,
            "begun": self.begun,
            "begun surprise": self.begun_surprise,
            "found": self.found,
            "gradient": self.gradient,
        }

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        super().load(tensors, numbers)
        self.auxiliary.load_state_dict(under_prefix("auxiliary", tensors))
        self.followed.load_state_dict(under_prefix("followed", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        self.phase.load(under_prefix("phase", tensors))
        self.best = {name: value.to(self.device) for name, value in under_prefix("best", tensors).items()}
        restore_optimiser(self.photometry, under_prefix("photometry", tensors))
        device = self.device
        self.own, self.mean = tensors["own"].to(device), tensors["mean"].to(device)
        self.gains = tensors["gains"].to(device)
        self.kernel, self.differences = tensors["kernel"].to(device), tensors["differences"].to(device)
        self.ikls, self.leads = tensors["ikls"].to(device), tensors["leads"].to(device)
        self.surprises, self.found = tensors["surprises"].to(device), tensors["found"].to(device)
        self.begun, self.begun_surprise = tensors["begun"].to(device), tensors["begun surprise"].to(device)
        self.gradient = tensors["gradient"].to(device)
