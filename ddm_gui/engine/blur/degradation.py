"""The forward operator A: what the camera did to a photo. Stateless functions.

A kernel is the picture of a point of light and y = h * x is a true convolution with its origin at pixel k//2 (see
`psf`). In 'valid' form degraded pixel (i, j) lies on clean pixel (i + k-1-k//2, j + k-1-k//2).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import oaconvolve
from torch import Tensor


def blur_valid(photos: Tensor, kernels: Tensor) -> Tensor:
    """A x: photos blurred where the whole kernel fits (eq. 1 of the paper without the noise).

    Args:
        photos: B x C x H x W.
        kernels: C' x k x k or B x C' x k x k, C' being 1 (one blur for all channels) or C.

    Returns:
        B x C x (H-k+1) x (W-k+1), float32 (float64 if both are), differentiable in both arguments.

    Raises:
        ValueError: the shapes do not fit.
    """
    size = _checked_size(photos, kernels)
    height, width = photos.shape[-2:]
    if min(height, width) < size:
        raise ValueError(f"photos of {height} x {width} are smaller than the kernel of {size} x {size}")
    # A circular convolution of at least the photo's size wraps into the first k-1 rows and columns only.
    grid = _fast(height), _fast(width)
    product = torch.fft.rfft2(_real(photos), s=grid) * torch.fft.rfft2(_real(kernels), s=grid)
    blurred: Tensor = torch.fft.irfft2(product, s=grid)[..., size - 1 : height, size - 1 : width]
    return blurred


def blur_adjoint(degraded: Tensor, kernels: Tensor) -> Tensor:
    """A' y: the adjoint of `blur_valid`, the full correlation with the kernels.

    Args:
        degraded: B x C x h x w.
        kernels: as in `blur_valid`.

    Returns:
        B x C x (h+k-1) x (w+k-1), with <y, A x> = <A' y, x> for every x of that size.

    Raises:
        ValueError: the shapes do not fit.
    """
    size = _checked_size(degraded, kernels)
    height, width = (length + size - 1 for length in degraded.shape[-2:])
    grid = _fast(height), _fast(width)
    placed = torch.nn.functional.pad(_real(degraded), (size - 1, 0, size - 1, 0))
    product = torch.fft.rfft2(placed, s=grid) * torch.fft.rfft2(_real(kernels), s=grid).conj()
    spread: Tensor = torch.fft.irfft2(product, s=grid)[..., :height, :width]
    return spread


def blur_same(pixels: NDArray[np.floating], kernels: NDArray[np.floating]) -> NDArray[np.float32]:
    """A whole photo blurred at its own size, mirrored beyond its edges. For simulation.

    Args:
        pixels: H x W x C.
        kernels: C' x k x k, C' being 1 or C.

    Raises:
        ValueError: the shapes do not fit.
    """
    size = kernels.shape[-1]
    channels = pixels.shape[2]
    if kernels.ndim != 3 or kernels.shape[1] != size or kernels.shape[0] not in (1, channels):
        raise ValueError(f"kernels of shape {kernels.shape} do not fit a photo of {channels} channels")
    before, after = size - 1 - size // 2, size // 2
    padded = np.pad(pixels.astype(np.float64), ((before, after), (before, after), (0, 0)), mode="reflect")
    each = np.broadcast_to(kernels.astype(np.float64), (channels, size, size))
    blurred = [oaconvolve(padded[..., channel], each[channel], mode="valid") for channel in range(channels)]
    return np.stack(blurred, axis=-1).astype(np.float32)


def clip_straight_through(degraded: Tensor) -> Tensor:
    """Clamped to [0, 1], as a camera does; the gradient passes as if nothing had happened."""
    return degraded + (degraded.clamp(0.0, 1.0) - degraded).detach()


def round_straight_through(degraded: Tensor, depth: int) -> Tensor:
    """Rounded to the steps of a file of `depth` bits (range [0, 1]); the gradient passes straight through."""
    top = 2**depth - 1
    rounded: Tensor = (degraded * top).round() / top
    return degraded + (rounded - degraded).detach()


def _checked_size(photos: Tensor, kernels: Tensor) -> int:
    """k, after a look at all shapes."""
    if photos.ndim != 4:
        raise ValueError(f"photos must be B x C x H x W, not {tuple(photos.shape)}")
    batch, channels = photos.shape[:2]
    fits = (
        kernels.ndim in (3, 4)
        and kernels.shape[-1] == kernels.shape[-2]
        and kernels.shape[-3] in (1, channels)
        and (kernels.ndim == 3 or kernels.shape[0] == batch)
    )
    if not fits:
        raise ValueError(f"kernels of shape {tuple(kernels.shape)} do not fit photos of {tuple(photos.shape)}")
    return int(kernels.shape[-1])


def _real(values: Tensor) -> Tensor:
    """At least float32: FFTs know no bfloat16."""
    return values if values.dtype == torch.float64 else values.float()


def _fast(length: int) -> int:
    return int(next_fast_len(length, real=True))
