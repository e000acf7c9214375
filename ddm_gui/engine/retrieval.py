"""Phase retrieval: kernels that the power spectra allow, found by their support and by being positive.

The spectra hold |H| and nothing of its phase; but few kernels of k x k pixels without a negative one have a given |H|,
all else alike only the kernel and itself turned by half a turn. From a random beginning one arrives near one of them,
not always the right one, and never exactly, since |H| is measured. What is found is a start for the phases (see
`phase`), chosen by the networks: from such a start Levin's second kernel was found at NCC .92, from its zero-phase one
(.60) at .86.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.magnitude import MagnitudeMatch

BEGINNINGS = 64
STEPS = 400
RELAXATION = 0.8  # beta of RAAR
POLISHING = 0.2  # share of the steps, the last ones, that are plain projections
MAGNITUDE_STEPS, MAGNITUDE_RATE = 60, 0.3  # by which |H| is found from the power spectra


@torch.no_grad()
def spectral_magnitude(match: MagnitudeMatch, kernels: Tensor, gains: Tensor) -> Tensor:
    """|H| of luminance on the N x N frequencies of the spectra, 1 at frequency 0: of the kernels C' x k x k where
    nothing is seen, and elsewhere as the spectra say, whatever support and sign its kernel then has."""
    size = match.visible.shape[0]
    magnitude: Tensor = torch.fft.fft2(kernels.mean(dim=0), s=(size, size)).abs()
    for _ in range(MAGNITUDE_STEPS):
        correction, gain = match.correction(torch.fft.ifft2(magnitude).real * gains[:, None, None])
        gains = gains * torch.tensor(gain, device=gains.device).exp()
        magnitude = magnitude * torch.exp(MAGNITUDE_RATE * correction)
        magnitude = magnitude / magnitude[0, 0]
    return magnitude


@torch.no_grad()
def retrieve(magnitude: Tensor, visible: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Kernels BEGINNINGS x k x k, >= 0, each summing to one, origin at k//2, those first whose |H| fits best.

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
    best: Tensor = kernels[misfit.argsort(stable=True)]
    return best


def turned_about(kernels: Tensor) -> Tensor:
    """Kernels ... x k x k turned by half a turn about their origin k//2."""
    turned = kernels.flip(-2, -1)
    if kernels.shape[-1] % 2 == 0:
        turned = turned.roll((1, 1), dims=(-2, -1))
    return turned
