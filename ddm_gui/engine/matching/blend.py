"""Which of several kernels that were found to believe: the mean of those that are alike, by their measured IKL."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

IKL_SCATTER = 2e-4  # by which the measured IKL of kernels of equal NCC differ, nats per value
ALIKE = 0.8  # correlation from which on two kernels are two sights of one; turned about they have .5 to .75


@torch.no_grad()
def blended(kernels: Tensor, ikls: Tensor) -> Tensor:
    """The kernel k x k that n kernels n x k x k, of which some may be wrong altogether, make probable.

    Those of a small IKL count more, gently: it does not order kernels that are nearly as good. But one and itself
    turned about must not be mixed: a group of kernels that are alike has the weight of all its members, and the mean is
    that of the weightiest group. On camera shake (Levin's fourth kernel, six candidates) NCC .82 instead of .73.
    """
    weights = torch.exp(-(ikls - ikls.min()) / IKL_SCATTER)
    alike = (_correlations(kernels) > ALIKE).to(weights)
    alike.fill_diagonal_(1.0)
    group = weights * alike[(alike @ weights).argmax()]
    mean: Tensor = torch.einsum("n,nhw->hw", group / group.sum(), kernels)
    return mean


def _correlations(kernels: Tensor) -> Tensor:
    """n x n: of each pair of n x k x k, their means taken off, best over whole-pixel shifts."""
    size = kernels.shape[-1]
    deviations = kernels - kernels.mean(dim=(1, 2), keepdim=True)
    lengths = deviations.flatten(1).norm(dim=1).clamp_min(1e-12)
    spectra = torch.fft.fft2(pad(deviations / lengths[:, None, None], (0, size, 0, size)))
    products: Tensor = torch.fft.ifft2(spectra[:, None] * spectra.conj()).real
    return products.amax(dim=(2, 3))
