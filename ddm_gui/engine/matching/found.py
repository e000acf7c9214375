"""The kernels that stretches led to, and which of them is believed: by the IKL, by what step 1's network makes of each
turned about, and by how surprising the edges of whole photos are with it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ddm_gui.engine.matching.blend import blended

LARGEST_IKL = 1e9  # of a kernel that was not measured
LARGEST_SURPRISE = 1e9  # nats per pixel, likewise
CHANCE_LEAD = 3e-4  # nats per value by which a symmetric kernel may lead itself turned about, at most; seen: 2.4e-4
SURPRISE_WORTH = 0.02  # nats per value of the IKL for one nat per pixel of surprise
# Nats per pixel by which the least surprising kernel need not be better: the more often edges refined one, the less it
# surprises. (Coma: NCC .973 -7.855, .957 -7.865; Levin's first kernel: .948 -7.707, .926 -7.723.)
CHANCE_SURPRISE = 0.02


class FoundKernels:
    """Of the own start and of each stretch: the kernel, its IKL, its lead over itself turned about, its surprise."""

    def __init__(self, count: int, size: int, device: torch.device) -> None:
        self.kernels = torch.zeros(count, size, size, device=device)
        self.ikls = torch.full((count,), LARGEST_IKL, device=device)
        self.leads = torch.zeros(count, device=device)  # by which the same turned about is worse, nats per value
        self.surprises = torch.full((count,), LARGEST_SURPRISE, device=device)  # nats per pixel; of the start unknown

    def hear(self, index: int, heard: int, excess: Tensor, lead: Tensor) -> None:
        """One measurement of a kernel's IKL and lead, after `heard` others: their means are kept."""
        share = 1 / (heard + 1)
        self.ikls[index] = self.ikls[index].lerp(excess, share)
        self.leads[index] = self.leads[index].lerp(lead, share)

    def judged(self) -> Tensor:
        """The IKLs, and what a kernel is worse by that lies behind itself turned about, or that surprises.

        The own start is judged by its IKL: zero phases surprise little whatever is true (the demo: NCC .937 -6.853,
        .985 -6.796).
        """
        behind = (-self.leads - CHANCE_LEAD).clamp_min(0)
        surprising = (self.surprises - self.surprises[1:].min() - CHANCE_SURPRISE).clamp_min(0)
        surprising[0] = 0
        return self.ikls + behind + SURPRISE_WORTH * surprising

    def best(self) -> int:
        """The number of the best one."""
        return int(self.judged().argmin())

    def blend(self) -> Tensor:
        """The kernel k x k that all of them make probable."""
        return blended(self.kernels, self.judged())

    def tensors(self) -> dict[str, Tensor]:
        """The state."""
        return {"ikls": self.ikls, "leads": self.leads, "surprises": self.surprises, "found": self.kernels}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        device = self.kernels.device
        self.ikls, self.leads = tensors["ikls"].to(device), tensors["leads"].to(device)
        self.surprises, self.kernels = tensors["surprises"].to(device), tensors["found"].to(device)
