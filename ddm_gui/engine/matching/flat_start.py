"""What a flat or random start needs, which the spectral one does not: to contract, and a push away from its edges."""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.matching.colour import ColourMatch
from ddm_gui.engine.matching.descent import KernelDescent
from ddm_gui.engine.matching.kernels import SoftmaxKernels, outskirts

CONTRACTING_STEPS = 150  # by which a flat or random kernel becomes one of the right size, before its phases are turned
CONTRACTING_SIZE = 0.5  # of the first of them, nats
SPREAD_WEIGHT = 1.0  # of the push, of a step of size one; falling to 0 at half time


def contract(model: SoftmaxKernels, colour: ColourMatch, descent: KernelDescent) -> None:
    """Moves kernels down the IKL of Gaussian fields, which has a closed form, to the right size.

    The phases of a flat kernel's faint detail are chance: turned as it was, the kernel fell into pieces (NCC .19 on a
    lens with coma, whose spectral start has .92). Contracted it is at .87, from a random start at .92.
    """
    for step in range(CONTRACTING_STEPS):
        done = step / CONTRACTING_STEPS
        loss = colour.loss(model.with_gain(), model.sigma().detach())
        (gradient,) = torch.autograd.grad(loss, model.logits)
        size = CONTRACTING_SIZE * (1 - 0.9 * done)
        descent.move_shape(model.logits, gradient, push(model.logits.shape[-1], done, model.device), size)


def push(size: int, done: float, device: torch.device) -> Tensor:
    """Away from the outskirts of a kernel, k x k, for `KernelDescent.move_shape`; gone once half is done."""
    return SPREAD_WEIGHT * max(0.0, 1 - 2 * done) * outskirts(size, device)
