"""What both networks see in place of a patch y: T(y), whitened and of unit contrast.

T is the same for degraded and simulated patches, so equal laws of y mean equal laws of T(y), and eq. 5 stays as it is.
On plain pixels the kernel's gradient is the absolute error of the power spectrum: four decades of low frequency hide
fine blur until t is near 1. Whitened, all detail above the noise weighs alike. The paper's networks see plain pixels,
which `PlainPixels` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ddm_gui.engine.blur.degradation import blur_valid

SIZE = 15  # of the filter, in pixels
WEAKEST = 0.02  # share of the noise power that is taken for signal where there is less
DULL = 2.0  # patches of less power than this multiple of the noise's are not looked at
SMALLEST_NOISE = 0.002  # standard deviation: half a grey level of 8 bits


@dataclass(frozen=True, eq=False)
class Whitening:
    """T: a 1 x C x 15 x 15 filter (row, col last), and the power that the noise alone has behind it.

    All colours are averaged: luminance, in which detail stands out best against noise (see `colour` for the rest).
    """

    filter: Tensor
    noise_power: float
    margin: ClassVar[int] = SIZE - 1  # pixels by which a patch must be larger than what the networks see
    surplus: ClassVar[int] = 3  # patches drawn for each that is kept
    sigma_data: ClassVar[float] = 1.0  # standard deviation of what the networks see

    @property
    def channels(self) -> int:
        """Of what the networks see."""
        return 1

    @classmethod
    def design(cls, spectrum: Tensor, noise_sigma: float) -> Whitening:
        """From a cross-periodogram (H x W x C x C) and the noise of one colour.

        With S the power of luminance, at each frequency |W| = sqrt(max(S - s^2, .02 s^2))/S, s the noise of luminance;
        Hann-tapered, zero mean.
        """
        channels = spectrum.shape[-1]
        sigma = max(noise_sigma, SMALLEST_NOISE) / channels**0.5
        power = spectrum.real.mean(dim=(2, 3)).clamp_min(1e-9)
        response = (power - sigma**2).clamp_min(WEAKEST * sigma**2).sqrt() / power
        impulse = torch.fft.fftshift(torch.fft.ifft2(response).real)
        first = impulse.shape[-1] // 2 - SIZE // 2
        impulse = impulse[first : first + SIZE, first : first + SIZE]
        hann = torch.hann_window(SIZE + 2, periodic=False)[1:-1]
        taper = hann[:, None] * hann
        impulse = impulse * taper
        impulse = impulse - impulse.sum() * (taper / taper.sum())
        noise_power = float(impulse.square().sum()) * sigma**2
        return cls((impulse / channels).expand(1, channels, SIZE, SIZE).contiguous(), noise_power)

    def apply(self, patches: Tensor) -> Tensor:
        """Whitens: B x C x (P + 14) x (P + 14) -> B x 1 x P x P. By FFT: a fifteenth of a direct convolution's time."""
        return blur_valid(patches.sum(dim=1, keepdim=True), self.filter[:, 0])

    def levelled(self, whitened: Tensor) -> Tensor:
        """What the networks see of whitened patches: all of unit contrast."""
        return unit_contrast(whitened)

    def bright_enough(self, whitened: Tensor, count: int) -> Tensor:
        """Indices of the first `count` patches with more than twice the noise's power; too few are filled up."""
        vivid = whitened.square().mean(dim=(1, 2, 3)) > DULL * self.noise_power
        order = torch.argsort((~vivid).to(torch.int8), stable=True)
        return order[:count]

    def to(self, device: torch.device) -> Whitening:
        """The same on another device."""
        return Whitening(self.filter.to(device), self.noise_power)


@dataclass(frozen=True)
class PlainPixels:
    """The patch as it is, C channels in [-1, 1]: nothing dropped, nothing levelled. It has Whitening's methods."""

    channels: int
    margin: ClassVar[int] = 0
    surplus: ClassVar[int] = 1
    sigma_data: ClassVar[float] = 0.5  # of photos in [-1, 1], as EDM takes it

    def apply(self, patches: Tensor) -> Tensor:
        """B x C x P x P in [0, 1] -> the same in [-1, 1]."""
        return 2 * patches - 1

    def levelled(self, patches: Tensor) -> Tensor:
        """They stay as they are."""
        return patches

    def bright_enough(self, patches: Tensor, count: int) -> Tensor:
        """Indices of the first `count`."""
        return torch.arange(count, device=patches.device)

    def to(self, device: torch.device) -> PlainPixels:
        """The same: it holds no tensor."""
        return self


Sight = Whitening | PlainPixels


def unit_contrast(whitened: Tensor) -> Tensor:
    """Each patch over its root mean square."""
    return whitened / whitened.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-8)
