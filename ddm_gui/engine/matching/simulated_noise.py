"""The noise that simulated patches are given: as strong everywhere, or Poisson-Gaussian (see `noise`)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ddm_gui.engine.blur.noise import PhotonNoise


@dataclass(frozen=True, eq=False)
class SimulatedNoise:
    """Noise of variance sigma^2 (1 - share + share max(y, 0) / level) at the noise-free value y.

    So `sigma` is its root mean square over photos whose mean is `level`, which is all that a power spectrum knows of
    it, and `share` how much of that variance is photon noise; 0: it is as strong everywhere. Differentiable in both.
    """

    sigma: Tensor | float
    share: Tensor | float = 0.0
    level: float = 1.0

    @classmethod
    def of(cls, noise: PhotonNoise, level: float) -> SimulatedNoise:
        """Poisson-Gaussian noise by its two variances."""
        total = max(noise.shot * level + noise.read, 1e-12)
        return cls(torch.tensor(total**0.5), torch.tensor(noise.shot * level / total), level)

    @property
    def grows(self) -> bool:
        """Whether it is Poisson-Gaussian."""
        return isinstance(self.share, Tensor) or self.share > 0

    @property
    def photon(self) -> PhotonNoise:
        """The two variances of the moment."""
        sigma, share = (float(torch.as_tensor(value).detach()) for value in (self.sigma, self.share))
        variance = sigma**2
        return PhotonNoise(variance * share / self.level, variance * (1 - share))

    def scaled(self, unit: Tensor, blurred: Tensor) -> Tensor:
        """Noise of variance one made noise of pixels whose noise-free values are `blurred`."""
        if not self.grows:
            return self.sigma * unit
        relative = 1 + self.share * (blurred.clamp_min(0) / self.level - 1)
        return self.sigma * torch.sqrt(relative.clamp_min(1e-9)) * unit
