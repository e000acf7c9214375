"""Total variation: non-blind, quick, without a network.

x = argmin |W^(1/2)(A x - y)|^2 / 2 + weight sigma TV(x), TV the sum over pixels of the length of the gradient, of all
colours together (Rudin, Osher and Fatemi 1992; Blomgren and Chan 1998), by ADMM (Boyd et al. 2011, section 3): the
data step in turns with the proximal operator of TV, which is Chambolle's dual projection (2004), carried on from turn
to turn. sigma is the photo's noise, and what a kernel that was learned leaves unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.restore.measurements import kernel_noise
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Restorer, Steps, number

if TYPE_CHECKING:
    from torch import Tensor

    from ddm_gui.engine.restore.data_step import DataStep

RHO = 20.0  # of ADMM, in units of weight sigma: how fast it gets there, not where
PROJECTIONS = 4  # of the dual, each turn
DUAL_STEP = 0.125  # Chambolle's 1/8
# Times what a kernel's own error makes; it is no white noise but follows the edges. A learned lens: 29.6 dB without it,
# 30.3 with it (26.7, 26.9 on other photos), Levin's second kernel, learned: 25.1, 25.4, a Gaussian: 27.7 both.
ERRING = 2.0
HALO = 64  # px: what lies further changes a pixel by less than 1 of 255


@dataclass(frozen=True)
class TotalVariation(Restorer):
    """Smooth areas and sharp edges: quick, and a bit like a painting."""

    name: ClassVar[str] = "tv"
    title: ClassVar[str] = "Total variation"
    citation: ClassVar[str] = "Rudin, Osher, Fatemi, 'Nonlinear total variation based noise removal algorithms', 1992"
    copies: ClassVar[int] = 40

    weight: float = number(0.1, "Smoothing", "Weight of the total variation, in units of the photo's noise.", 0.0, 10.0)
    turns: int = number(20, "Turns", "Of both steps; more come closer to the least.", 1, 200)

    def restoring(self, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        # torch loads here: the window opens before it.
        from ddm_gui.engine.restore.splitting import restored

        by_kernel = [kernel_noise(channel, blurred.psf) for channel in np.moveaxis(blurred.photo.pixels, -1, 0)]
        sigma = float(np.hypot(max(blurred.noises), ERRING * max(by_kernel)))
        return restored(blurred, lambda step: self._admm(step, sigma), HALO, plan)

    def halo(self, psf: PsfGrid) -> int:
        return HALO

    def _admm(self, step: DataStep, sigma: float) -> Steps[Tensor]:
        """x of one tile."""
        strength = max(self.weight * sigma, 1e-6)
        rho = RHO * strength
        smooth = step.start()
        drift = smooth.new_zeros(smooth.shape)
        dual = smooth.new_zeros(2, *smooth.shape)
        for turn in range(self.turns):
            yield turn / self.turns
            x = step.solve(smooth - drift, rho)
            smooth, dual = _least_variation(x + drift, strength / rho, dual)
            drift = drift + x - smooth
        return smooth


def _least_variation(x: Tensor, weight: float, dual: Tensor) -> tuple[Tensor, Tensor]:
    """argmin over z of |z - x|^2 / 2 + weight TV(z), for 1 x C x H x W, from a dual variable 2 x 1 x C x H x W on; and
    that variable afterwards."""
    for _ in range(PROJECTIONS):
        dual = dual + (DUAL_STEP / weight) * _gradient(x + weight * _divergence(dual))
        dual = dual / dual.square().sum(dim=(0, 2), keepdim=True).sqrt().clamp_min(1.0)
    return x + weight * _divergence(dual), dual


def _gradient(x: Tensor) -> Tensor:
    """Differences to the next pixel down and to the right, 2 x ..., 0 at the last."""
    found = x.new_zeros(2, *x.shape)
    found[0, ..., :-1, :] = x.diff(dim=-2)
    found[1, ..., :, :-1] = x.diff(dim=-1)
    return found


def _divergence(dual: Tensor) -> Tensor:
    """Minus the adjoint of `_gradient`."""
    found = dual[0] + dual[1]
    found[..., 1:, :] -= dual[0, ..., :-1, :]
    found[..., :, 1:] -= dual[1, ..., :, :-1]
    return found
