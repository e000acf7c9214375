"""The auxiliary network of a search by rounds: what simulated patches of a kernel that stands still look like."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from ddm_gui.engine.flow.train import PathSample
from ddm_gui.engine.flow.velocity import VelocityModel
from ddm_gui.engine.training import Watch, adam, optimiser_tensors, restore_optimiser, under_prefix, with_prefix

FOLLOWED_MEMORY = 0.95  # per update, of the average through which the network is looked


class Auxiliary:
    """A network that starts from step 1's, learns simulated patches, and is looked through a short average of its
    weights, `followed`."""

    def __init__(self, degraded: VelocityModel, rate: float, watch: Watch) -> None:
        """`degraded`: step 1's network, which is left alone. `rate`: Adam's. `watch`: of the loss."""
        self.degraded, self.rate, self.watch = degraded, rate, watch
        self.begin()

    def begin(self) -> None:
        """From step 1's network again: what is learned beyond step 1 must not pile up round by round."""
        self.network = copy.deepcopy(self.degraded).train().requires_grad_(True)
        self.followed = copy.deepcopy(self.degraded)
        self.optimiser = adam([(self.network.parameters(), self.rate)])

    def follow(self, sample: PathSample, update: int, count: int) -> None:
        """One update by flow matching on simulated patches: number `update` since it began, after `count` such updates
        in all."""
        self.optimiser.zero_grad()
        loss = (sample.under(self.network) - sample.target).square().mean()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.watch.see(loss, count)
        memory = min(FOLLOWED_MEMORY, (update + 1) / (update + 10))
        with torch.no_grad():
            for followed, weight in zip(self.followed.parameters(), self.network.parameters(), strict=True):
                followed.lerp_(weight, 1 - memory)

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return {
            **with_prefix("auxiliary", self.network.state_dict()),
            **with_prefix("followed", self.followed.state_dict()),
            **with_prefix("optimiser", optimiser_tensors(self.optimiser)),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        self.network.load_state_dict(under_prefix("auxiliary", tensors))
        self.followed.load_state_dict(under_prefix("followed", tensors))
        restore_optimiser(self.optimiser, under_prefix("optimiser", tensors))
