"""What step 2 can learn: a kernel per colour, the photos' difference in contrast, the noise; and the priors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ddm_gui.engine.settings import Settings
from ddm_gui.engine.spectrum import spectral_start

FAINTEST = 1e-4  # of the brightest pixel: a softmax cannot start at 0
SMALLEST_SIGMA = 1e-4  # where the learned noise starts at the least


class KernelModel(nn.Module):
    """Kernels as a softmax over pixels, hence non-negative and summing to one; gain and noise as logarithms.

    The gain, one per colour, is not part of the kernel: two sets of photos differ in contrast, and a kernel that had to
    sum to one would make up for it by its shape.
    """

    def __init__(self, kernels: Tensor, gains: Tensor, noise_sigma: float) -> None:
        """kernels: C' x k x k (C' is 1 or C), gains: C, one per colour of the photos."""
        super().__init__()
        faintest = FAINTEST * kernels.amax(dim=(1, 2), keepdim=True)
        self.logits = nn.Parameter(kernels.maximum(faintest).log())
        self.log_gain = nn.Parameter(gains.clamp_min(1e-3).log())
        self.log_sigma = nn.Parameter(torch.tensor(math.log(max(noise_sigma, SMALLEST_SIGMA))))

    def kernels(self) -> Tensor:
        """C' x k x k, each summing to one."""
        return self.logits.flatten(1).softmax(dim=1).view_as(self.logits)

    def with_gain(self) -> Tensor:
        """C x k x k: what clean patches are convolved with."""
        return self.kernels() * self.log_gain.exp()[:, None, None]


def start_kernels(settings: Settings, degraded: Tensor, clean: Tensor, noise_sigma: float) -> tuple[Tensor, Tensor]:
    """Where step 2 starts (setting `start`): kernels C' x k x k and gains C, from the folders' periodograms.

    With one kernel for all colours the spectral start is that of the mean over colours.
    """
    size = settings.kernel_size
    kernels, gains = spectral_start(degraded, clean, noise_sigma, size)
    count = settings.channels or kernels.shape[0]
    if settings.start == "flat":
        kernels = torch.ones_like(kernels)
    elif settings.start == "random":
        kernels = torch.rand(kernels.shape, generator=torch.Generator().manual_seed(settings.seed))
    if count < kernels.shape[0]:
        kernels = kernels.mean(dim=0, keepdim=True)
    return kernels / kernels.sum(dim=(1, 2), keepdim=True), gains


def _coordinates(size: int, device: torch.device) -> Tensor:
    """Pixels from the origin k//2."""
    return torch.arange(size, device=device) - size // 2


def centre_prior(kernels: Tensor) -> Tensor:
    """Squared distance in px of the centroid of all channels together from k//2.

    Per channel it would erase lateral colour.
    """
    axis = _coordinates(kernels.shape[-1], kernels.device)
    mean = kernels.mean(dim=0)
    return (mean.sum(dim=1) * axis).sum().square() + (mean.sum(dim=0) * axis).sum().square()


def outskirts(size: int, device: torch.device) -> Tensor:
    """Squared distance from k//2 in units of (k/2)^2, k x k: what a flat start is pushed by at first.

    Without it a flat kernel splits into copies of the right one in its corners: a patch cannot see how far apart.
    """
    squared = (_coordinates(size, device) / (size / 2)).square()
    return squared[:, None] + squared
