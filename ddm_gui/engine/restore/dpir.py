"""Plug-and-play restoration with a denoiser: half-quadratic splitting, 8 steps (DPIR).

From sigma_1 = 49/255 down to the photo's noise sigma, in equal steps of its logarithm:

    x_k = argmin |W^(1/2)(A x - y)|^2 + alpha_k |x - z_(k-1)|^2,  alpha_k = lam (sigma / sigma_k)^2
    z_k = the denoiser for noise of sigma_k, at x_k

(Zhang et al. 2021, equations 6 and 7, algorithm 1; lam is its lambda.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.restore.denoiser_files import find_denoiser
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Restorer, Steps, number
from ddm_gui.engine.settings import Scope, setting

if TYPE_CHECKING:
    from torch import Tensor

    from ddm_gui.engine.restore.data_step import DataStep
    from ddm_gui.engine.restore.denoiser import Denoiser


HALO = 96  # px: what lies further changes a pixel by less than 1 of 255


@dataclass(frozen=True)
class Dpir(Restorer):
    """A denoiser says what photos look like: the cleanest of all, and the slowest."""

    name: ClassVar[str] = "dpir"
    title: ClassVar[str] = "Plug and play (DPIR)"
    citation: ClassVar[str] = "Zhang et al., 'Plug-and-play image restoration with deep denoiser prior', TPAMI 2021"
    copies: ClassVar[int] = 200  # by its layers FFDNet holds 40, DRUNet 130

    denoiser: str = setting(
        "",
        "Denoiser",
        "One that you have learned (ddm denoiser), by its name, or a file of weights: FFDNet, FDnCNN, DnCNN or DRUNet.",
        scope=Scope.RUN,
        advanced=False,
    )
    steps: int = number(8, "Steps", "Of both, the data's and the denoiser's.", 1, 100)
    first_sigma: float = number(49 / 255, "First noise", "That the denoiser is told at the first step.", 0.01, 1.0)
    lam: float = number(0.23, "Lambda", "How much the denoiser counts against the data.", 0.001, 100.0)

    def check(self) -> None:
        self._network()

    def restoring(self, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        # torch loads here: the window opens before it.
        import torch

        from ddm_gui.engine.restore.splitting import restored

        network = self._network().to(torch.device(plan.device))
        sigma = max(blurred.noises)
        return restored(blurred, lambda step: self._splitting(step, network, sigma), HALO, plan)

    def halo(self, psf: PsfGrid) -> int:
        return HALO

    def _network(self) -> Denoiser:
        from ddm_gui.engine.restore.denoisers import load_denoiser

        if not self.denoiser:
            raise UserError(
                "Plug-and-play restoration (dpir) needs a denoiser.",
                "It says what photos look like.",
                "Learn one from sharp photos (ddm denoiser; in the window Run, Learn a denoiser), or choose a file of "
                "weights (denoiser): of FFDNet, FDnCNN, DnCNN or DRUNet.",
            )
        return load_denoiser(find_denoiser(self.denoiser))

    def _splitting(self, step: DataStep, network: Denoiser, sigma: float) -> Steps[Tensor]:
        """x of one tile."""
        z = step.start()
        for index in range(self.steps):
            yield index / self.steps
            done = index / max(self.steps - 1, 1)
            level = self.first_sigma ** (1 - done) * sigma**done
            x = step.solve(z, self.lam * (sigma / level) ** 2)
            z = network.denoised(x, level)
        return z
