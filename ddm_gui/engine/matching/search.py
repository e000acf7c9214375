"""What the procedures of step 2 share: what is learned, its average over the last part, and what is reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.blur.psf import centred
from ddm_gui.engine.events import KernelProgress, KernelSnapshot, Stage
from ddm_gui.engine.flow.train import FlowModel
from ddm_gui.engine.matching.kernels import KernelModel
from ddm_gui.engine.matching.simulated_noise import SimulatedNoise
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import Training, Watch, diverged, under_prefix, with_prefix

IKL_MEMORY = 0.98  # per update, of the running mean that is reported
LARGEST_GROWTH = 10.0  # of the auxiliary loss, which rises by itself as a kernel gets sharper: diverged beyond
DRAW_KERNELS = 3  # which random stream


class KernelSearch(Training):
    """A search for the kernel by two networks; a subclass says how it moves.

    `updates` is how many there are, `first` from which of them on the kernel moves by what both networks say.
    """

    stage = Stage.KERNELS

    def __init__(
        self,
        flow: FlowModel,
        clean: PatchPool,
        simulation: Simulation,
        model: KernelModel,
        settings: Settings,
        updates: int,
        first: int,
    ) -> None:
        self.flow, self.clean, self.simulation, self.model, self.settings = flow, clean, simulation, model, settings
        self.device = model.device
        self.batch_size = settings.batch_size
        self.updates, self.first = updates, first
        model.log_sigma.requires_grad_(settings.noise_sigma == "learn")
        self.average = torch.zeros_like(model.kernels().detach())
        self.average_sigma = torch.zeros((), device=self.device)
        self.average_share = torch.zeros((), device=self.device)  # of photon noise, where there is any
        self.averaged = 0
        self.ikl = torch.zeros((), device=self.device)
        self.heard = 0
        self.watch = Watch(self.device, LARGEST_GROWTH)

    def _simulated(self, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """A batch of the simulated side with the kernels and the noise of the moment, and its places in the field."""
        return self.simulation.draw(self.clean, self.model.with_gain(), self.model.noise(), generator)

    def _remember(self, excess: Tensor) -> None:
        """Running mean of the IKL over updates in which the auxiliary network has caught up."""
        self.heard += 1
        self.ikl = self.ikl.lerp(excess, max(1 - IKL_MEMORY, 1 / self.heard))

    def _average(self) -> None:
        """Mean of kernel and noise over the last part: their scatter goes, their place stays."""
        if self.update + 1 < self.updates - self.settings.averaged_share * (self.updates - self.first):
            return
        self.averaged += 1
        self.average = self.average.lerp(self.model.kernels().detach(), 1 / self.averaged)
        self.average_sigma = self.average_sigma.lerp(self.model.sigma().detach(), 1 / self.averaged)
        self.average_share = self.average_share.lerp(self.model.share().detach(), 1 / self.averaged)

    def result(self) -> Tensor:
        """The kernels that were found, in the end, (N x) C' x k x k."""
        return self.average

    def photon_noise(self) -> PhotonNoise | None:
        """How the noise grows with light, in the end; None where it is as strong everywhere."""
        if self.model.share_logit is None:
            return None
        return SimulatedNoise(self.average_sigma, self.average_share, self.model.level).photon

    def noise_sigma(self) -> float:
        """The noise of the moment."""
        return float(self.model.sigma().detach())

    def check(self) -> None:
        self.watch.check(self.stage)

    def progress(self, seconds_left: float) -> KernelProgress:
        self.check()
        ikl = float(self.ikl)
        if not math.isfinite(ikl):
            raise diverged(self.stage)
        caught_up = self.heard > 0
        seen, total = self.update * self.batch_size, self.updates * self.batch_size
        return KernelProgress(
            seen,
            total,
            ikl if caught_up else None,
            self.flow.floor if caught_up else None,
            self.noise_sigma(),
            seconds_left,
        )

    def snapshot(self) -> KernelSnapshot:
        return KernelSnapshot(
            self.update * self.batch_size, self.grid(self.model.kernels().detach()), self.noise_sigma()
        )

    def grid(self, kernels: Tensor) -> NDArray[np.float32]:
        """(N x) C' x k x k of this search as rows x cols x C' x k x k."""
        return as_grid(kernels.reshape(self.settings.rows, self.settings.cols, *kernels.shape[-3:]))

    def tensors(self) -> dict[str, Tensor]:
        return {
            **with_prefix("kernels", self.model.state_dict()),
            **with_prefix("watch", self.watch.tensors()),
            "average": self.average,
            "average_sigma": self.average_sigma,
            "average_share": self.average_share,
            "ikl": self.ikl,
        }

    def numbers(self) -> dict[str, Any]:
        return {"averaged": self.averaged, "heard": self.heard}

    def load(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        device = self.device
        self.model.load_state_dict(under_prefix("kernels", tensors))
        self.watch.load(under_prefix("watch", tensors))
        self.average, self.average_sigma = tensors["average"].to(device), tensors["average_sigma"].to(device)
        self.average_share = tensors["average_share"].to(device)
        self.ikl = tensors["ikl"].to(device)
        self.averaged, self.heard = numbers["averaged"], numbers["heard"]


@dataclass(frozen=True, eq=False)
class Match:
    """What step 2 found: kernels, their start and the spectral one, each rows x cols x C' x k x k and centred; the
    noise; the IKL; how sure each kernel is, rows x cols x C', where that is known; and how the noise grows with light,
    where that was looked for."""

    kernels: NDArray[np.float32]
    start: NDArray[np.float32]
    spectral: NDArray[np.float32]
    noise_sigma: float
    ikl: float
    confidence: NDArray[np.float32] | None = None
    photon_noise: PhotonNoise | None = None


def as_grid(kernels: Tensor) -> NDArray[np.float32]:
    """(rows x cols x) C' x k x k on any device, of any sign and sum -> rows x cols x C' x k x k (1 x 1 for one kernel),
    >= 0, summing to one, centred, read-only.

    A kernel without anything positive, on its way, is shown flat.
    """
    positive = kernels.cpu().clamp_min(0)
    positive = positive + (positive.sum(dim=(-2, -1), keepdim=True) <= 0)
    positive = positive / positive.sum(dim=(-2, -1), keepdim=True)  # each colour counts alike for the common centroid
    pixels = positive.numpy()
    grid = centred(pixels.reshape((1,) * (5 - pixels.ndim) + pixels.shape))
    grid.flags.writeable = False
    return grid
