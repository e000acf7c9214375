"""What the folders' power spectra say of |H|, with what sets the photos themselves apart taken out.

A closed form, without a network: second-order statistics hold the whole magnitude of the transfer function and nothing
of its phase (see `phase`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.flow.spectrum import CAUTION, WINDOW

VISIBLE = 0.1  # share of signal in a degraded photo's power below which a frequency is not looked at
LOWEST = 1.5 / WINDOW  # cycles per pixel: below, the periodogram's window leaks
STIFFNESS = 20.0  # of the prior that the photos have as many upright and level structures as each other
RIDGE = 7.0  # degrees: how far from the upright and the level what people build is found, standard deviation
LARGEST = 1.0  # nats by which one frequency's power may be corrected at once


class MagnitudeMatch:
    """Compares the power spectra of simulated and degraded luminance.

    Two sets of photos differ in contrast, and in how much of them is upright or level (houses more than trees). These
    are fitted, as a + b cos 4u + c r(u) + d r(u + 90 degrees), u the angle of the frequency and r a narrow ridge, and
    only the rest is the kernel's to explain.
    """

    def __init__(self, degraded: Tensor, clean: Tensor, noise_sigma: float) -> None:
        """Cross-periodograms N x N x C x C (`spectrum.periodogram`), and the noise of one colour."""
        channels = degraded.shape[-1]
        noise = noise_sigma**2 / channels
        self.clean = clean
        self.excess = (degraded.real.mean(dim=(2, 3)) - CAUTION * noise).clamp_min(0)
        self.visible = self.excess / (self.excess + noise).clamp_min(1e-12)
        frequency = torch.fft.fftfreq(degraded.shape[0], device=degraded.device)
        radius = torch.hypot(frequency[:, None], frequency)
        self.weight = self.visible.square() * ((self.visible > VISIBLE) & (radius > LOWEST))
        content = content_functions(*torch.meshgrid(frequency, frequency, indexing="ij"))
        self.basis = torch.cat([torch.ones_like(content[..., :1]), content], dim=-1)
        prior = torch.diag(torch.tensor([1e-4, STIFFNESS, STIFFNESS, STIFFNESS], device=degraded.device))
        weighted = self.basis * self.weight[..., None]
        self.normal = torch.einsum("hwi,hwj->ij", weighted, self.basis) + prior

    def correction(self, kernels: Tensor) -> tuple[Tensor, float]:
        """For kernels C x k x k with their gain: nats by which the power of each frequency must rise, N x N, nearer 0
        where noise hides it; and nats by which the gain must rise."""
        size = self.clean.shape[0]
        transfer = torch.fft.fft2(kernels, s=(size, size))
        power = torch.einsum("chw,hwcd,dhw->hw", transfer, self.clean, transfer.conj()).real / kernels.shape[0] ** 2
        ratio = (self.excess / _windowed(power).clamp_min(1e-12)).clamp(1e-3, 1e3).log()
        fitted = torch.linalg.solve(self.normal, torch.einsum("hwi,hw->i", self.basis, self.weight * ratio))
        rest = ((ratio - self.basis @ fitted) * self.weight).clamp(-LARGEST, LARGEST)
        return rest, 0.5 * float(fitted[0])


def content_functions(row: Tensor, col: Tensor) -> Tensor:
    """In what photos differ beside their contrast, at frequencies (row, col) of any one shape: ... x 3, cos 4u and
    ridges along both axes."""
    angle = torch.atan2(row, col)
    return torch.stack([torch.cos(4 * angle), _ridge(angle.sin()), _ridge(angle.cos())], dim=-1)


def _ridge(sine: Tensor) -> Tensor:
    """1 where the sine of the angle to an axis is 0, falling within RIDGE degrees."""
    return torch.exp(-0.5 * (sine.asin().rad2deg() / RIDGE).square())


def _windowed(power: Tensor) -> Tensor:
    """As a Hann window shows a power spectrum: mixed with its neighbours by 1/6, 2/3, 1/6 each way."""
    for dim in (0, 1):
        power = power * (2 / 3) + (power.roll(1, dim) + power.roll(-1, dim)) / 6
    return power
