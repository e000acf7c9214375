"""Power spectra of a folder's patches: the zero-phase start of step 2, and the noise that a spectrum shows."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from ddm_gui.engine.blur.field import Field
from ddm_gui.engine.photos.patches import PatchPool

WINDOW = 64  # width and height of the patches whose periodograms are averaged
PATCHES = 2048
FIELD_PATCHES = 8192  # for all nodes of a grid
BATCH = 256
CAUTION = 1.1  # times the noise is subtracted: noise left over is divided by next to nothing at the finest detail


def periodogram(pool: PatchPool, seed: int) -> Tensor:
    """Patch-averaged cross-periodogram, WINDOW x WINDOW x C x C, complex Hermitian, per value: white noise of variance
    s^2 gives s^2 on the diagonal at every frequency.

    Hann-windowed, mean taken off.
    """
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(WINDOW, WINDOW, pool.channels, pool.channels, dtype=torch.complex64)
    for _ in range(PATCHES // BATCH):
        transform = _transformed(pool.draw(BATCH, WINDOW, generator).pixels)
        total += torch.einsum("bchw,bdhw->hwcd", transform, transform.conj()) / PATCHES
    return total


def field_periodograms(pool: PatchPool, field: Field, seed: int) -> tuple[Tensor, Tensor]:
    """The periodogram around each of the N nodes of a grid, N x WINDOW x WINDOW x C x C, and how many patches it is the
    mean of, N: a patch counts for the nodes around it by their bilinear weights."""
    generator = torch.Generator().manual_seed(seed)
    shape = (WINDOW, WINDOW, pool.channels, pool.channels)
    total = torch.zeros(field.rows * field.cols, math.prod(shape), dtype=torch.complex64)
    counts = torch.zeros(len(total))
    for _ in range(FIELD_PATCHES // BATCH):
        batch = pool.draw(BATCH, WINDOW, generator)
        transform, weights = _transformed(batch.pixels), field.weights(batch.positions)
        products = torch.einsum("bchw,bdhw->bhwcd", transform, transform.conj()).flatten(1)
        total += weights.T.to(products.dtype) @ products
        counts += weights.sum(dim=0)
    return (total / counts[:, None].clamp_min(1e-6)).view(-1, *shape), counts


def _transformed(patches: Tensor) -> Tensor:
    """Patches B x C x WINDOW x WINDOW, their means taken off, under a Hann window, in the Fourier domain; per value."""
    taper = torch.hann_window(WINDOW, periodic=True)
    window = taper[:, None] * taper
    window = window / window.square().mean().sqrt()
    weight = window.square() / window.square().sum()
    centred = patches - (patches * weight).sum(dim=(2, 3), keepdim=True)
    transform: Tensor = torch.fft.fft2(centred * window) / WINDOW
    return transform


def noise_floor(spectrum: Tensor) -> float:
    """Standard deviation of the white noise that a periodogram admits: no frequency may hold less power than the noise.

    The least power over frequencies, each the mean of 7x7 around it and of all channels. Where blur removed the finest
    detail it is the noise itself, elsewhere an upper bound.
    """
    power = torch.diagonal(spectrum.real, dim1=2, dim2=3).mean(dim=2)
    return float(_smooth(power, 7).min().clamp_min(0).sqrt())


def spectral_start(degraded: Tensor, clean: Tensor, noise_sigma: float, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The zero-phase kernel of each channel whose power spectrum is the ratio of the two folders', less the noise.

    Returns kernels, C x k x k, non-negative, each summing to one, and the gains, C: how much contrast remains at the
    lowest frequencies, which is the photos' difference, not the lens's.
    """
    frequency = torch.fft.fftfreq(WINDOW)
    radius = torch.hypot(frequency[:, None], frequency)
    lowest = (radius > 0.5 / WINDOW) & (radius < 3.5 / WINDOW)
    kernels, gains = [], []
    for channel in range(degraded.shape[-1]):
        excess = _smooth(degraded[..., channel, channel].real, 3) - CAUTION * noise_sigma**2
        transfer = (excess.clamp_min(0) / _smooth(clean[..., channel, channel].real, 3).clamp_min(1e-12)).sqrt()
        transfer[0, 0] = transfer[lowest].mean().clamp_min(1e-6)  # noise may be said to be all there is: a flat start
        kernel = _cropped(torch.fft.fftshift(torch.fft.ifft2(transfer).real), kernel_size).clamp_min(0)
        kernels.append(kernel / kernel.sum())
        gains.append(transfer[0, 0])
    return torch.stack(kernels), torch.stack(gains)


def _smooth(power: Tensor, size: int) -> Tensor:
    """Mean over size x size frequencies, around the torus."""
    reach = size // 2
    return avg_pool2d(pad(power[None, None], (reach,) * 4, mode="circular"), size, 1)[0, 0]


def _cropped(picture: Tensor, size: int) -> Tensor:
    """The middle size x size of a picture whose origin lies at n//2, its origin at size//2."""
    missing = size - picture.shape[-1]
    if missing > 0:
        before = size // 2 - picture.shape[-1] // 2
        picture = pad(picture, (before, missing - before, before, missing - before))
    first = picture.shape[-1] // 2 - size // 2
    return picture[first : first + size, first : first + size]
