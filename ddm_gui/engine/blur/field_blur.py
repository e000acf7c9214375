"""The forward operator A where the kernel changes over the field, and its adjoint. Stateless functions.

A point of light at a field position shows the kernel that lies there, bilinear between the grid's nodes. So every clean
pixel spreads its light by its own kernel, and with w_n(p) the weight of node n at clean pixel p

    A x = sum over n of h_n * (w_n x),    A' y = sum over n of w_n (correlation of y with h_n),

exactly: nothing is cut into tiles, so nothing has seams. A node is at work in the cells around it only, and only that
part of the photo is transformed for it. (Weights at the blurred pixel, w_n (h_n * x), would mix the kernels of where
light arrives.) Conventions of kernels and of the 'valid' form are those of `degradation`; the field is that of the
degraded photo: its first pixel lies at 0, its last at 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from ddm_gui.engine.blur.degradation import blur_adjoint, blur_valid
from ddm_gui.engine.blur.psf import node_weights


@dataclass(frozen=True)
class Window:
    """Where a part of a degraded photo begins in the whole of it, and how large that is, px: its place in the field."""

    row: int
    col: int
    height: int
    width: int


def blur_field(photos: Tensor, kernels: Tensor, window: Window | None = None) -> Tensor:
    """A x: photos blurred where the whole kernel fits.

    Args:
        photos: B x C x H x W, clean.
        kernels: R x S x C' x k x k, R x S nodes, C' being 1 (one blur for all channels) or C.
        window: of which part of a degraded photo this is the clean side; None: of all of it.

    Returns:
        B x C x (H-k+1) x (W-k+1), differentiable in both arguments.

    Raises:
        ValueError: the shapes do not fit.
    """
    size = _checked_size(kernels)
    height, width = photos.shape[-2] - size + 1, photos.shape[-1] - size + 1
    if min(height, width) < 1:
        raise ValueError(f"photos of {tuple(photos.shape)} are smaller than the kernel of {size} x {size}")
    blurred = photos.new_zeros((*photos.shape[:2], height, width))
    for cell in _cells(kernels, height, width, window):
        part = photos[..., cell.rows, cell.cols] * cell.weights.to(photos)
        spread = blur_adjoint(part, cell.kernel.flip(-2, -1))  # the correlation with a turned kernel: a convolution
        # Light of clean pixel p arrives at degraded pixels p - (k-1) to p, those of them that there are.
        into_rows, of_rows = _overlap(cell.rows, height, size)
        into_cols, of_cols = _overlap(cell.cols, width, size)
        blurred[..., into_rows, into_cols] += spread[..., of_rows, of_cols]
    return blurred


def blur_field_adjoint(degraded: Tensor, kernels: Tensor, window: Window | None = None) -> Tensor:
    """A' y: the adjoint of `blur_field`.

    Args:
        degraded: B x C x h x w.
        kernels, window: as in `blur_field`.

    Returns:
        B x C x (h+k-1) x (w+k-1), with <y, A x> = <A' y, x> for every x of that size.

    Raises:
        ValueError: the shapes do not fit.
    """
    size = _checked_size(kernels)
    height, width = degraded.shape[-2:]
    around = pad(degraded, (size - 1,) * 4)
    gathered = degraded.new_zeros((*degraded.shape[:2], height + size - 1, width + size - 1))
    for cell in _cells(kernels, height, width, window):
        rows, cols = (slice(part.start, part.stop + size - 1) for part in (cell.rows, cell.cols))
        heard = blur_valid(around[..., rows, cols], cell.kernel.flip(-2, -1))
        gathered[..., cell.rows, cell.cols] += heard * cell.weights.to(degraded)
    return gathered


def blur_field_same(pixels: NDArray[np.floating], kernels: NDArray[np.floating]) -> NDArray[np.float32]:
    """A whole photo blurred at its own size, mirrored beyond its edges. For simulation.

    Args:
        pixels: H x W x C.
        kernels: R x S x C' x k x k, C' being 1 or C.

    Raises:
        ValueError: the shapes do not fit.
    """
    size, channels = kernels.shape[-1], pixels.shape[2]
    if kernels.ndim != 5 or kernels.shape[2] not in (1, channels):
        raise ValueError(f"kernels of shape {kernels.shape} do not fit a photo of {channels} channels")
    before, after = size - 1 - size // 2, size // 2
    padded = np.pad(pixels.astype(np.float64), ((before, after), (before, after), (0, 0)), mode="reflect")
    photo = torch.from_numpy(np.ascontiguousarray(np.moveaxis(padded, 2, 0)))[None]
    blurred = blur_field(photo, torch.from_numpy(kernels.astype(np.float64)))[0]
    return np.moveaxis(blurred.numpy(), 0, 2).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Cell:
    """Where one node is at work: the rows and cols of the clean photo, its weights there, and its kernel C' x k x k."""

    rows: slice
    cols: slice
    weights: Tensor
    kernel: Tensor


def _cells(kernels: Tensor, height: int, width: int, window: Window | None) -> Iterator[_Cell]:
    """The nodes of a grid that are at work in a degraded photo of height x width, or in that part of one."""
    size = kernels.shape[-1]
    window = window or Window(0, 0, height, width)
    down = node_weights(kernels.shape[0], _clean_positions(window.row, height, window.height, size))
    across = node_weights(kernels.shape[1], _clean_positions(window.col, width, window.width, size))
    for row, col in product(np.flatnonzero(down.any(axis=1)), np.flatnonzero(across.any(axis=1))):
        rows, cols = _support(down[row]), _support(across[col])
        weights = torch.from_numpy(np.outer(down[row, rows], across[col, cols]))
        yield _Cell(rows, cols, weights, kernels[row, col])


def _clean_positions(first: int, count: int, length: int, size: int) -> NDArray[np.float64]:
    """Field positions of the count + k-1 clean pixels behind `count` degraded ones, from the `first` of `length` on;
    beyond the edge outside [0, 1].

    Degraded pixel i lies on clean pixel i + k-1-k//2.
    """
    return (first + np.arange(count + size - 1) - (size - 1 - size // 2)) / max(length - 1, 1)


def _support(weights: NDArray[np.float64]) -> slice:
    """From the first to the last pixel at which a node counts."""
    (there,) = np.nonzero(weights)
    return slice(int(there[0]), int(there[-1]) + 1)


def _overlap(part: slice, length: int, size: int) -> tuple[slice, slice]:
    """Of what a part of the clean photo spreads: into which degraded pixels it falls, and which of it does."""
    first = part.start - (size - 1)
    into = slice(max(first, 0), min(part.stop, length))
    return into, slice(into.start - first, into.stop - first)


def _checked_size(kernels: Tensor) -> int:
    """k, after a look at the shape."""
    if kernels.ndim != 5 or kernels.shape[-1] != kernels.shape[-2]:
        raise ValueError(f"kernels must be R x S x C x k x k, not {tuple(kernels.shape)}")
    return int(kernels.shape[-1])
