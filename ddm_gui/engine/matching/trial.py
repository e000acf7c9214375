"""How good a kernel is that stands still: an auxiliary network learns its patches, and measures the IKL."""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.flow.train import FlowModel, PathSample, sample_path
from ddm_gui.engine.matching.auxiliary import Auxiliary
from ddm_gui.engine.matching.found import FoundKernels
from ddm_gui.engine.matching.ikl import excess_loss, turned_about_lead
from ddm_gui.engine.matching.kernels import SoftmaxKernels
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.training import draws

TRIAL_LISTENING = 16  # updates of a trial, the last ones, that are listened to
DRAW_TRIAL = 4  # which random stream


class Trial:
    """Measures the kernels that a model holds, in `length` updates of the auxiliary network; always by the same
    patches, so that one kernel has one number."""

    def __init__(
        self,
        flow: FlowModel,
        clean: PatchPool,
        simulation: Simulation,
        model: SoftmaxKernels,
        auxiliary: Auxiliary,
        seed: int,
        length: int,
    ) -> None:
        self.flow, self.clean, self.simulation, self.model = flow, clean, simulation, model
        self.auxiliary, self.seed, self.length = auxiliary, seed, length

    def measure(self, found: FoundKernels, index: int, update: int) -> None:
        """Update number `update` of the measurement of kernel number `index` of those that were found.

        A network of so few updates sees magnitudes and hardly the phases: camera shake and itself turned about have
        nearly the same number (Levin's fourth kernel: .00076 with NCC .94, .00063 to .00078 turned about). What
        step 1's network makes of both is another matter: a lead of .0009 to .0012 and of -.0009 to -.0010. So a kernel
        that lies behind itself turned about is as much worse. How far ahead one is says nothing of its shape: .0013
        with NCC .72.
        """
        if update == 0:
            self.auxiliary.begin()
        sample = self._sample(self.model.with_gain(), update)
        self.auxiliary.follow(sample, update, self.length * index + update)
        listened = update - (self.length - TRIAL_LISTENING)
        if listened >= 0:
            with torch.no_grad():
                auxiliary = sample.under(self.auxiliary.followed)
                degraded = sample.under(self.flow.velocity)
                lead = self._lead(sample, update)
            found.hear(index, listened, excess_loss(auxiliary, degraded, sample), lead)

    @torch.no_grad()
    def _sample(self, kernels: Tensor, update: int) -> PathSample:
        """Patches simulated with kernels C' x k x k, on the path; the same clean ones, noise and times each time."""
        generator = draws(self.seed, DRAW_TRIAL, update)
        simulated, _ = self.simulation.draw(self.clean, kernels, self.model.noise(), generator)
        return sample_path(simulated, generator)

    def _lead(self, sample: PathSample, update: int) -> Tensor:
        """By how much step 1's network takes patches of the kernel of the moment for likelier than patches of the same
        kernel turned about, nats per value. Photos, too, have an up and a down: what these add is the same for both."""
        turned = self._sample(self.model.with_gain().flip(-2, -1), update)
        leads = [turned_about_lead(self.flow.velocity, each) for each in (sample, turned)]
        return 0.5 * (leads[0] - leads[1])
