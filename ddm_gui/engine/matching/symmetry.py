"""Whether a kernel that was found is lopsided at all: where a blur is symmetric, what the photos show is turned into
phases all the same, and small ones.

A kernel that is the same turned about has phases 0 or pi. How far it is from that, about the place where it is most
like itself turned about, is one number, its asymmetry: the root of the share that the odd part has in its power. Of
what step 2 finds, chance and the content of photos make .02 to .08 where the truth has 0 to .05 (twelve of Kodak's
photos behind a disc, a short shake, trefoil); coma has .28, camera shake .4 to .7. The IKL does not see it: with the
magnitudes as they were found it was .00021 for trefoil's learned phases (NCC .974), and .0004 for phase zero (.994) and
for the true phases alike. So small phases are shrunk, as James and Stein's estimator does it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ddm_gui.engine.flow.spectrum import WINDOW
from ddm_gui.engine.matching.phase import confined, placed_spectrum

CHANCE = 0.1  # asymmetry that is found where there is none, at most
STEPS = 8  # of Gauss and Newton, from the nearest half pixel to the place of a kernel


@torch.no_grad()
def believed(kernels: Tensor) -> Tensor:
    """Kernels C' x k x k of the colours of one blur, >= 0, each summing to one, with as much of their common asymmetry
    as is more than chance.

    All of it where half of its power or more is more than chance, none where nothing is. What is taken off is one
    all-pass filter for all colours, so magnitudes and what sets the colours apart stay.
    """
    phases = _about_its_place(placed_spectrum(kernels.mean(dim=0), WINDOW))
    share = min(1.0, 2 * max(0.0, 1 - (CHANCE / max(asymmetry(kernels.mean(dim=0)), 1e-6)) ** 2))
    if share == 1.0:
        return kernels
    even = torch.where(phases.cos() < 0, torch.pi * phases.sign(), torch.zeros_like(phases))
    filtered = placed_spectrum(kernels, WINDOW) * torch.exp(1j * (1 - share) * (even - phases))
    return confined(filtered, kernels.shape[-1], pedestal=0.0)


@torch.no_grad()
def asymmetry(kernel: Tensor) -> float:
    """Of a kernel k x k: 0 where it is the same turned about, at most 1."""
    transfer = placed_spectrum(kernel, WINDOW)
    odd = (transfer.abs() * _about_its_place(transfer).sin()).square().sum()
    return float((odd / transfer.abs().square().sum()).sqrt())


def _about_its_place(transfer: Tensor) -> Tensor:
    """The phases of a transfer function F x F, rad, seen from where its kernel is most like itself turned about.

    Blurred once more by itself, a kernel is brightest at twice that place. Between half pixels: least squares of the
    phases, of which pi is taken for nothing, each weighed by its power.
    """
    size = transfer.shape[-1]
    frequency = torch.fft.fftfreq(size, device=transfer.device)
    axes = 2 * torch.pi * torch.stack(torch.meshgrid(frequency, frequency, indexing="ij")).flatten(1)
    twice = torch.fft.ifft2(transfer.square()).real.argmax()
    place = 0.5 * torch.stack([size * frequency[twice // size], size * frequency[twice % size]])
    power = transfer.abs().square().flatten()
    normal = (axes * power) @ axes.T
    for _ in range(STEPS):
        seen = transfer.angle().flatten() + place @ axes
        place = place - torch.linalg.solve(normal, (axes * power) @ (2 * seen).sin() / 2)
    return torch.angle(torch.exp(1j * (transfer.angle() + (place @ axes).view_as(power.view(size, size)))))
