"""Step 2 as in the paper: one update of the auxiliary network and one of the kernel, in turns (section 3.2).

Both by Adam, with rates of their own; priors stand beside the data term, mean((v_aux - v_degraded) y_1) over all
values, whose gradient is eq. 5 with weight 1, as in the published code. One pass of the auxiliary network serves its
own loss and the kernel's gradient. First the auxiliary network learns alone: it starts as a copy of step 1's, whose
difference from step 1 says nothing.

Step 1 leaves a network without dropout, which would be noise in the difference. (In the published code it is on in both
networks, also in the frozen one.)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ddm_gui.engine.flow.train import FlowModel, sample_path
from ddm_gui.engine.matching.ikl import excess_loss, matching_loss
from ddm_gui.engine.matching.kernels import KernelModel, weighted_priors
from ddm_gui.engine.matching.search import DRAW_KERNELS, KernelSearch
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import (
    adam,
    draws,
    optimiser_tensors,
    rate_factor,
    restore_optimiser,
    set_rate,
    under_prefix,
    with_prefix,
)

CATCHING_UP = 50  # updates of the auxiliary network alone, a tenth of all at most
RATES = {"softmax": 2e-2, "normalised": 2e-4, "deep-linear": 4e-4}  # of the kernel, where the setting says 'auto'
PHOTOMETRY_RATE = 1e-3  # of log gain and log noise


def updates_needed(settings: Settings) -> int:
    """How many updates step 2 makes, those of the auxiliary network alone among them."""
    return math.ceil(settings.images_kernel / settings.batch_size)


class AlternatingTraining(KernelSearch):
    """Step 2's updates in the paper's way. The gain is fixed at 1 unless the setting `free_gain` says otherwise."""

    def __init__(
        self, flow: FlowModel, clean: PatchPool, simulation: Simulation, model: KernelModel, settings: Settings
    ) -> None:
        updates = updates_needed(settings)
        super().__init__(flow, clean, simulation, model, settings, updates, min(CATCHING_UP, updates // 10))
        if not settings.free_gain:
            model.log_gain.requires_grad_(False).zero_()
        self.auxiliary = copy.deepcopy(flow.velocity).train().requires_grad_(True)
        self.optimiser = adam([(self.auxiliary.parameters(), settings.auxiliary_rate)])
        rate = RATES[settings.parametrisation] if settings.alternating_rate == "auto" else settings.alternating_rate
        photometry = [parameter for parameter in model.photometry() if parameter.requires_grad]
        self.learned = [*model.shape(), *photometry]
        groups = [(model.shape(), rate), (photometry, PHOTOMETRY_RATE)]
        self.descent = adam([group for group in groups if group[0]])

    def step(self) -> None:
        moves = self.update >= self.first
        generator = draws(self.settings.seed, DRAW_KERNELS, self.update)
        with torch.set_grad_enabled(moves):
            simulated, places = self._simulated(generator)
        sample = sample_path(simulated.detach(), generator, places)
        auxiliary = sample.under(self.auxiliary)
        self._follow((auxiliary - sample.target).square().mean())
        if moves:
            with torch.no_grad():
                degraded = sample.under(self.flow.velocity)
            self._remember(excess_loss(auxiliary.detach(), degraded, sample))
            self._move(matching_loss(auxiliary - degraded, 1.0, simulated))
            self._average()

    def _follow(self, loss: Tensor) -> None:
        """One update of the auxiliary network."""
        self._set_rate(self.optimiser)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.watch.see(loss, self.update)

    def _move(self, data_term: Tensor) -> None:
        """One update of the kernel, and of gain and noise where they are learned."""
        loss = data_term + weighted_priors(self.settings, self.model.kernels())
        self._set_rate(self.descent)
        for parameter, gradient in zip(self.learned, torch.autograd.grad(loss, self.learned), strict=True):
            parameter.grad = gradient
        self.descent.step()

    def _set_rate(self, optimiser: torch.optim.Optimizer) -> None:
        set_rate(optimiser, rate_factor(self.settings, self.update, self.updates, self.batch_size))

    def tensors(self) -> dict[str, Tensor]:
        return {
            **super().tensors(),
            **with_prefix("auxiliary", self.auxiliary.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
            **with_prefix("descent", optimiser_tensors(self.descent)),
        }

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        super().load(tensors, numbers)
        self.auxiliary.load_state_dict(under_prefix("auxiliary", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
        restore_optimiser(self.descent, under_prefix("descent", tensors))
