"""Phase retrieval: kernels that the power spectra allow, found by their support and by being positive.

The spectra hold |H| and nothing of its phase; but few kernels of k x k pixels without a negative one have a given |H|,
all else alike only the kernel and itself turned by half a turn. From a random beginning one arrives near them, each
time elsewhere, since |H| is measured. What many beginnings agree upon is a start for the phases (see `phase`), in two
orientations, between which and the zero-phase one the networks choose. On camera shake it is far better than zero
phase (Levin's first, second and fourth kernel: NCC .66, .60, .57 with zero phase, .85, .87, .80 so).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from ddm_gui.engine.matching.magnitude import MagnitudeMatch

BEGINNINGS = 64
STEPS = 400
RELAXATION = 0.8  # beta of RAAR
POLISHING = 0.2  # share of the steps, the last ones, that are plain projections
AGREEING = 16  # of the kernels found, those that fit best
ALIGNMENTS = 5
MAGNITUDE_STEPS, MAGNITUDE_RATE = 60, 0.3  # by which |H| is found from the power spectra


@torch.no_grad()
def spectral_magnitude(match: MagnitudeMatch, kernel: Tensor, gains: Tensor) -> Tensor:
    """|H| of luminance on the N x N frequencies of the spectra, 1 at frequency 0: of the kernel k x k where
    nothing is seen, and elsewhere as the spectra say, whatever support and sign its kernel then has."""
    size = match.visible.shape[0]
    magnitude: Tensor = torch.fft.fft2(kernel, s=(size, size)).abs()
    for _ in range(MAGNITUDE_STEPS):
        correction, gain = match.correction(torch.fft.ifft2(magnitude).real * gains[:, None, None])
        gains = gains * math.exp(gain)
        magnitude = magnitude * torch.exp(MAGNITUDE_RATE * correction)
        magnitude = magnitude / magnitude[0, 0]
    return magnitude


@torch.no_grad()
def retrieve(magnitude: Tensor, visible: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """A kernel k x k, >= 0, its sum one, upon which those agree whose |H| fits best; which way about is chance.

    Relaxed averaged alternating reflections (Luke, Inverse Problems 21, 2005), then plain projections, between the
    kernels of k x k pixels without a negative one and those with the given |H|. The second counts as far as a frequency
    is `visible` (N x N, 0 to 1).
    """
    side = magnitude.shape[0]
    first = side // 2 - size // 2
    inside = slice(first, first + size)
    support = torch.zeros_like(magnitude, dtype=torch.bool)
    support[inside, inside] = True
    support = torch.fft.ifftshift(support)
    picture = torch.rand(BEGINNINGS, side, side, generator=generator).to(magnitude.device) * support
    picture = picture / picture.sum(dim=(1, 2), keepdim=True)
    for step in range(STEPS):
        transfer = torch.fft.fft2(picture)
        scale = 1 - visible + visible * magnitude / transfer.abs().clamp_min(1e-9)
        fitting = torch.fft.ifft2(transfer * scale).real
        if step < STEPS * (1 - POLISHING):
            kept = (2 * fitting - picture > 0) & support
            relaxed = RELAXATION * picture + (1 - 2 * RELAXATION) * fitting
            picture = torch.where(kept, fitting, relaxed)
        else:
            picture = fitting.clamp_min(0) * support
    kernels = torch.fft.fftshift(picture, dim=(1, 2))[:, inside, inside].clamp_min(0)
    kernels = kernels / kernels.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    misfit = ((torch.fft.fft2(kernels, s=(side, side)).abs() - magnitude).square() * visible).sum(dim=(1, 2))
    return _agreed(kernels[misfit.argsort(stable=True)[:AGREEING]])


def _agreed(kernels: Tensor) -> Tensor:
    """The mean k x k of kernels n x k x k, each turned about and moved by whole pixels as it fits the mean best."""
    size = kernels.shape[-1]
    grid = (2 * size, 2 * size)
    both = torch.stack([kernels, turned_about(kernels)])
    transfers = torch.fft.fft2(both, s=grid)
    mean = kernels[0]
    for _ in range(ALIGNMENTS):
        fit = torch.fft.ifft2(transfers.conj() * torch.fft.fft2(mean, s=grid)).real.flatten(2)
        best, place = fit.max(dim=2)
        way = best.argmax(dim=0)
        moved = []
        for index, about in enumerate(way.tolist()):
            row, col = divmod(int(place[about, index]), grid[1])
            padded = pad(both[about, index], (0, size, 0, size))
            moved.append(padded.roll((row, col), dims=(0, 1))[:size, :size])
        mean = torch.stack(moved).mean(dim=0)
        mean = _recentred(mean)
    return mean / mean.sum()


def _recentred(kernel: Tensor) -> Tensor:
    """Moved by whole pixels, around the edges, so that the centroid of k x k lies within one of k//2."""
    size = kernel.shape[-1]
    axis = torch.arange(size, device=kernel.device) - size // 2
    total = kernel.sum()
    offsets = [int((kernel.sum(dim=dim) * axis).sum() / total) for dim in (1, 0)]
    return kernel.roll((-offsets[0], -offsets[1]), dims=(0, 1))


def turned_about(kernels: Tensor) -> Tensor:
    """Kernels ... x k x k turned by half a turn about their origin k//2."""
    turned = kernels.flip(-2, -1)
    if kernels.shape[-1] % 2 == 0:
        turned = turned.roll((1, 1), dims=(-2, -1))
    return turned
