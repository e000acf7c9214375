"""Step 2 for one kernel by rounds: the auxiliary network learns, then the kernel takes one large step (section 3.1).

The gradient and the number that is reported are in `ikl`; what comes before the rounds is in `stretches`. The paper's
own procedure is in `alternating`; which of the two runs is decided in `uniform_matching`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.flow.train import FlowModel, sample_path
from ddm_gui.engine.matching.auxiliary import Auxiliary
from ddm_gui.engine.matching.colour import ColourMatch
from ddm_gui.engine.matching.common_kernel import CommonKernel
from ddm_gui.engine.matching.derivatives import DerivativeFit
from ddm_gui.engine.matching.descent import KernelDescent
from ddm_gui.engine.matching.flat_start import contract, push
from ddm_gui.engine.matching.ikl import excess_loss, matching_loss
from ddm_gui.engine.matching.kernels import SoftmaxKernels, weighted_priors
from ddm_gui.engine.matching.noise_fit import PhotonNoiseFit
from ddm_gui.engine.matching.phase import PhaseDescent
from ddm_gui.engine.matching.plan import Plan
from ddm_gui.engine.matching.search import DRAW_KERNELS, KernelSearch
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.matching.stretches import Stretches
from ddm_gui.engine.matching.symmetry import believed
from ddm_gui.engine.matching.trial import Trial
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
# Of log gain and log noise, which begin with what the spectra say: noise of .02 and .08 at .0198 and .0783. With three
# times as much it ended at .0188 to .0198 and at .0718, by what sets the two sets of photos apart.
PHOTOMETRY_RATE = 3e-4
SMALLEST_STEP = 0.25  # the last step of the kernel over the first


class KernelTraining(KernelSearch):
    """Step 2's updates. First come stretches, in which phases are turned, and which lead to one kernel. Last come
    rounds: the auxiliary network learns the simulated patches of a kernel that stands still, then the gradients of a
    round's last updates are added up, and the kernel takes one large step.

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
        self.plan = plan = Plan.of(settings)
        super().__init__(flow, clean, simulation, model, settings, plan.updates, plan.first_round)
        self.noise_fit = noise_fit
        if noise_fit is not None:
            for parameter in model.noise_parameters():
                parameter.requires_grad_(False)
        self.photometry = adam([(model.photometry(), PHOTOMETRY_RATE)])
        self.descent = KernelDescent(spectral)
        self.gradient = torch.zeros_like(model.logits)
        self.common = CommonKernel(model, colour)
        self.auxiliary = Auxiliary(flow.velocity, settings.auxiliary_rate, self.watch)
        trial = Trial(flow, clean, simulation, model, self.auxiliary, settings.seed, plan.trial_length)
        self.stretches = Stretches(
            flow, clean, simulation, self.common, phase, spectral.mean(dim=0), edges, trial, plan, settings.seed
        )

    def step(self) -> None:
        if self.update == 0:
            self._contract()
        # Before the phases are turned and after; after each round it fitted what sets the photos themselves apart.
        if self.update in (0, self.first):
            self.common.separate_colours()
        if self.update < self.first:
            self.stretches.step(self.update)
            return
        generator = draws(self.settings.seed, DRAW_KERNELS, self.update)
        self._step_of_round((self.update - self.first) % self.plan.round_length, generator)

    def _contract(self) -> None:
        """A flat or random start, before its phases are turned."""
        if self.first > 0 and self.settings.start != "spectral":
            contract(self.model, self.common.colour, self.descent)
            self.stretches.start_from(self.common.mean_of_colours())

    def _step_of_round(self, in_round: int, generator: torch.Generator) -> None:
        """Update number `in_round` of a round."""
        if in_round == 0:
            self._fit_noise()
            self.auxiliary.begin()
        simulated, _ = self._simulated(generator)
        sample = sample_path(simulated.detach(), generator)
        self.auxiliary.follow(sample, in_round, self.update)
        if in_round < self.plan.round_length - LISTENING:
            return
        with torch.no_grad():
            auxiliary = sample.under(self.auxiliary.followed)
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
        self.descent.move_shape(self.model.logits, self.gradient, self._push(done), size)
        # A step alike for all colours blurs what sets them apart: made anew, the demo's NCC ends .003 higher.
        self.common.set(self.common.mean_of_colours())
        self.gradient = torch.zeros_like(self.gradient)

    def _push(self, done: float) -> Tensor:
        """Of a flat or random start that did not contract before."""
        if self.first > 0 or self.settings.start == "spectral":
            return torch.zeros((), device=self.device)
        return push(self.settings.kernel_size, done, self.device)

    def photon_noise(self) -> PhotonNoise | None:
        if self.noise_fit is None:
            return None
        return self.noise_fit.under(self.average * self.model.log_gain.detach().exp()[:, None, None])

    def result(self) -> Tensor:
        return believed(self.average)

    def work(self, updates: int) -> float:
        return self.plan.work(updates)

    def tensors(self) -> dict[str, Tensor]:
        return {
            **super().tensors(),
            **self.auxiliary.tensors(),
            **self.common.tensors(),
            **self.stretches.tensors(),
            **with_prefix("photometry", optimiser_tensors(self.photometry)),
            "gradient": self.gradient,
        }

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        super().load(tensors, numbers)
        self.auxiliary.load(tensors)
        self.common.load(tensors)
        self.stretches.load(tensors)
        restore_optimiser(self.photometry, under_prefix("photometry", tensors))
        self.gradient = tensors["gradient"].to(self.device)
