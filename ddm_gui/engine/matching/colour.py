"""How the kernels of the colours differ: seen in second-order statistics, without a network.

The networks of both steps see luminance, in which detail stands out best against noise. What a lens does to one colour
against another (lateral colour above all) shows in the cross-spectra between colours, phase included: a photo's own
colours are in phase on average. So this part of the distribution is matched in closed form, by the KL divergence of
stationary Gaussian fields along the path of flow matching.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.flow.spectrum import WINDOW

TIMES = (0.3, 0.5, 0.7, 0.9)  # of the path, at which fields are compared
WIDTH_UNIT = 10.0  # px^2 of a Gaussian's variance: what makes widths as stiff as shifts
SEARCH_STEPS = 60
MOST_SHARPENED = 0.3  # nats: more would raise what is noise in a learned kernel


class ColourMatch:
    """The Gaussian IKL between simulated and degraded photos of C colours, from their cross-periodograms.

    Both periodograms are N x N x C x C as `spectrum.periodogram` gives them.
    """

    def __init__(self, degraded: Tensor, clean: Tensor) -> None:
        self.size = degraded.shape[0]
        half = self.size // 2 + 1
        self.channels = degraded.shape[-1]
        self.clean = clean[:, :half]
        self.identity = torch.eye(self.channels, dtype=degraded.dtype, device=degraded.device)
        power = torch.diagonal(degraded[:, :half].real, dim1=2, dim2=3).mean(dim=2)
        self.scale = power.clamp_min(1e-9)[..., None, None]
        whitened = degraded[:, :half] / self.scale
        self.inverses = [torch.linalg.inv(self._at(t, whitened)) for t in TIMES]
        # Of the frequencies that a real field shares with their mirror images only one half is kept, counted twice.
        weight = torch.full((self.size, half), 2.0, device=degraded.device)
        weight[:, 0] = weight[:, -1] = 1.0
        self.weight = weight / weight.sum()

    def loss(self, kernels: Tensor, noise_sigma: Tensor) -> Tensor:
        """Nats per value, up to a constant, for kernels C x k x k with their gain; differentiable in both."""
        transfer = torch.diag_embed(torch.fft.rfft2(kernels, s=(self.size, self.size)).permute(1, 2, 0))
        simulated = transfer @ self.clean @ transfer.mH + self.identity * noise_sigma.square()
        whitened = simulated / self.scale
        total = torch.zeros((), device=kernels.device)
        for t, inverse in zip(TIMES, self.inverses, strict=True):
            field = self._at(t, whitened)
            trace = torch.diagonal(inverse @ field, dim1=2, dim2=3).real.sum(dim=2)
            divergence = 0.5 * (trace - torch.linalg.slogdet(field).logabsdet)
            total = total + (self.weight * divergence).sum() / (self.channels * len(TIMES))
        return total

    def differences(self, kernel: Tensor, gains: Tensor, noise_sigma: Tensor) -> Tensor:
        """What sets the colours apart around a common kernel k x k, for `apart`: C x 5 numbers, by L-BFGS.

        Few numbers, since the photos differ in colour, too, and any pixel's freedom would be spent on that.
        """
        numbers = torch.zeros(self.channels, 6, device=kernel.device, requires_grad=True)  # the last one: log gain
        search = torch.optim.LBFGS([numbers], max_iter=SEARCH_STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            search.zero_grad()
            kernels = apart(kernel, numbers[:, :5])
            loss = self.loss(kernels * (gains * numbers[:, 5].exp())[:, None, None], noise_sigma)
            torch.autograd.backward(loss)
            return loss.detach()

        search.step(closure)  # type: ignore[no-untyped-call]
        return numbers.detach()[:, :5]

    def _at(self, t: float, spectrum: Tensor) -> Tensor:
        """The spectrum of y_t = (1 - t) y_0 + t y_1."""
        return t**2 * spectrum + (1 - t) ** 2 * self.identity


def apart(kernel: Tensor, numbers: Tensor) -> Tensor:
    """Kernels C x k x k of the colours, >= 0, each summing to one, whose mean is nearly the common kernel k x k.

    Each is shifted, and blurred or sharpened by a Gaussian of its own width in each direction. Numbers C x 5: shift
    (row, col) in px; exponents over WIDTH_UNIT along rows, columns and both. Their means count for nothing, and
    what the shifts smear in the mean is taken off each.
    """
    size, first = kernel.shape[-1], WINDOW // 2 - kernel.shape[-1] // 2
    inside = slice(first, first + size)
    placed = torch.zeros(WINDOW, WINDOW, device=kernel.device)
    placed[inside, inside] = kernel
    row = torch.fft.fftfreq(WINDOW, device=kernel.device)[:, None]
    col = torch.fft.fftfreq(WINDOW, device=kernel.device)[None, :]
    shift = numbers[:, :2] - numbers[:, :2].mean(dim=0)
    width = WIDTH_UNIT * (numbers[:, 2:] - numbers[:, 2:].mean(dim=0))
    turn = -2 * torch.pi * (row * shift[:, 0, None, None] + col * shift[:, 1, None, None])
    fall = -(row**2 * width[:, 0, None, None] + col**2 * width[:, 1, None, None])
    fall = fall - 2 * row * col * width[:, 2, None, None]
    smeared = 0.5 * turn.square().mean(dim=0)  # a Gaussian's exponent of the shifts' covariance
    ratio = torch.exp(torch.complex(fall + smeared.clamp(max=MOST_SHARPENED), turn))
    picture = torch.fft.ifft2(torch.fft.fft2(torch.fft.ifftshift(placed)) * ratio).real
    picture = torch.fft.fftshift(picture, dim=(1, 2))[:, inside, inside].clamp_min(0)
    kernels: Tensor = picture / picture.sum(dim=(1, 2), keepdim=True)
    return kernels
