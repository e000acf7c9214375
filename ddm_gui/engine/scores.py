"""How good a learned kernel or a restored photo is. numpy, scipy and scikit-image only.

Kernels are arrays (..., C, k, k) with fewer or more leading axes (rows, cols of a grid); a single channel stands for
all three where it is compared with three. Both sides are centred before anything is compared (`psf.centred`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar
from skimage.metrics import structural_similarity

from ddm_gui.engine.blur.kernel_numbers import colour_shift
from ddm_gui.engine.blur.psf import centred
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos import photo

Kernels = NDArray[np.floating[Any]]
Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], float]  # of two photos H x W x C in [0, 1]
PSNR_SIZE = 25  # px: the square on which kernel PSNR is taken


def kernel_ncc(learned: Kernels, truth: Kernels) -> float:
    """Zero-mean normalised cross-correlation in [-1, 1], best over whole-pixel shifts.

    Both are centred and zero-padded to a square of twice the larger size, and their mean is taken off. One shift
    serves all channels and nodes together, so that wrong colour shifts cost.

    Raises:
        ValueError: the grids have different rows, columns or channels (1 against 3 is fine).
    """
    one, other = _comparable(learned, truth)
    one -= one.mean()
    other -= other.mean()
    products = _products(one, other).sum(axis=(0, 1))
    return float(products.max() / np.sqrt((one**2).sum() * (other**2).sum()))


def node_nccs(learned: Kernels, truth: Kernels) -> NDArray[np.float64]:
    """Rows x cols: the NCC of each node, as in `kernel_ncc`, all at the one shift that is best for the whole grid.

    Raises:
        ValueError: as in `kernel_ncc`.
    """
    one, other = _comparable(learned, truth)
    for kernels in (one, other):
        kernels -= kernels.mean(axis=(2, 3, 4), keepdims=True)
        kernels /= np.sqrt((kernels**2).sum(axis=(2, 3, 4), keepdims=True))
    products = _products(one, other)
    row, col = np.unravel_index(int(products.sum(axis=(0, 1)).argmax()), products.shape[2:])
    nccs: NDArray[np.float64] = products[:, :, row, col]
    return nccs


def _comparable(learned: Kernels, truth: Kernels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both centred, on a square of twice the larger size."""
    one, other = _alike(learned, truth)
    side = 2 * max(one.shape[-1], other.shape[-1])
    return _placed(centred(one), side), _placed(centred(other), side)


def _products(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows x cols x n x n: the sum over channels and pixels of the product of each node's kernels, at each shift."""
    spectra = (fft.rfft2(one) * fft.rfft2(other).conj()).sum(axis=2)
    products: NDArray[np.float64] = fft.irfft2(spectra, s=one.shape[-2:])
    return products


def kernel_psnr(learned: Kernels, truth: Kernels) -> float:
    """PSNR in dB with peak 1 of kernels that sum to one, centred, on 25 x 25 pixels. Infinite when equal.

    Raises:
        ValueError: as in `kernel_ncc`.
    """
    one, other = (_placed(centred(kernels), PSNR_SIZE) for kernels in _alike(learned, truth))
    return _psnr(one, other)


def colour_shift_error(learned: Kernels, truth: Kernels) -> float:
    """Mean distance in px, over nodes, between measured and true centroid of R and of B against G.

    Raises:
        ValueError: as in `kernel_ncc`, or neither side has three channels.
    """
    shifts = [_colour_shifts(kernels) for kernels in _alike(learned, truth)]
    return float(np.linalg.norm(shifts[0] - shifts[1], axis=-1).mean())


def photo_psnr(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]], border: int) -> float:
    """PSNR in dB of two photos H x W x C in [0, 1] (peak 1), less `border` pixels at each edge; no shift allowed.

    Raises:
        ValueError: different shapes, or nothing is left inside the border.
    """
    return _psnr(*_inside(one, other, border, 1))


def photo_ssim(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]], border: int) -> float:
    """Structural similarity (scikit-image, 7 x 7 window, mean over channels) less `border` pixels at each edge.

    Raises:
        ValueError: different shapes, or fewer than 7 pixels are left inside the border.
    """
    inside = _inside(one, other, border, 7)
    return float(structural_similarity(*inside, data_range=1.0, channel_axis=-1))  # type: ignore[no-untyped-call]


def zero_phase(kernels: Kernels) -> NDArray[np.float32]:
    """What a power spectrum alone can tell: each kernel's inverse FFT of |H|, centred on k//2, >= 0, sum one."""
    size = kernels.shape[-1]
    side = 2 * size
    magnitude = np.abs(fft.fft2(kernels.astype(np.float64), s=(side, side)))
    around = fft.fftshift(fft.ifft2(magnitude).real, axes=(-2, -1))
    first = side // 2 - size // 2
    kept = np.maximum(around[..., first : first + size, first : first + size], 0.0)
    result: NDArray[np.float32] = (kept / kept.sum(axis=(-2, -1), keepdims=True)).astype(np.float32)
    return result


def best_isotropic_gaussian(truth: Kernels) -> NDArray[np.float32]:
    """For each channel and node the isotropic Gaussian, at k//2, whose width gives the highest NCC with it."""
    size = truth.shape[-1]
    point = np.zeros((size, size))
    point[size // 2, size // 2] = 1.0

    def blob(sigma: float) -> NDArray[np.float64]:
        spread: NDArray[np.float64] = gaussian_filter(point, sigma, mode="constant", truncate=8.0)
        scaled: NDArray[np.float64] = spread / spread.sum()
        return scaled

    def best(given: Kernels) -> NDArray[np.float64]:
        kernel = centred(given)  # once, not again for every width that is tried
        found = minimize_scalar(
            lambda sigma: -kernel_ncc(blob(sigma), kernel), bounds=(0.2, size / 3), method="bounded"
        )
        return blob(float(found.x))

    blobs = [best(kernel) for kernel in truth.reshape(-1, size, size)]
    return np.stack(blobs).reshape(truth.shape).astype(np.float32)


@dataclass(frozen=True)
class FolderScore:
    """Means over the photos of a folder: PSNR in dB, SSIM, LPIPS where it was asked for, and how many were compared."""

    psnr_mean: float
    ssim_mean: float
    count: int
    lpips_mean: float | None = None


def score_folders(restored: Path, sharp: Path, border: int, lpips: Distance | None = None) -> FolderScore:
    """Compares each photo of `restored` with the photo of the same stem in `sharp`, less `border` pixels.

    Args:
        lpips: `Lpips.distance`, where that is to be measured, too.

    Raises:
        UserError: no two photos match, several sharp photos have the same stem, or two that match differ in size.
    """
    originals: dict[str, Path] = {}
    for path in photo.find_photos([sharp]):
        if path.stem in originals:
            raise UserError(
                f"{sharp} holds two photos called {path.stem}.",
                f"They are {originals[path.stem].name} and {path.name}, and photos are matched by that name.",
                "Move one of them away.",
            )
        originals[path.stem] = path
    pairs = [(path, originals[path.stem]) for path in photo.find_photos([restored]) if path.stem in originals]
    if not pairs:
        raise UserError(
            f"No photo in {restored} has the name of a photo in {sharp}.",
            "Photos are matched by their name without the extension.",
            "Choose folders whose photos have the same names.",
        )
    means = np.mean([_pair_score(path, original, border, lpips) for path, original in pairs], axis=0)
    return FolderScore(float(means[0]), float(means[1]), len(pairs), float(means[2]) if lpips else None)


def _pair_score(path: Path, original: Path, border: int, lpips: Distance | None) -> tuple[float, ...]:
    """PSNR, SSIM, and LPIPS where it is asked for."""
    one, other = photo.read(path).pixels, photo.read(original).pixels
    try:
        scores = photo_psnr(one, other, border), photo_ssim(one, other, border)
        return (*scores, lpips(*_inside(one, other, border, 1))) if lpips else scores
    except ValueError as error:
        raise UserError(f"{path} and {original} cannot be compared.", f"{error}.", "Choose matching photos.") from error


def _alike(learned: Kernels, truth: Kernels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as rows x cols x C x k x k, float64, with the same number of channels."""
    stacks = [kernels.reshape((1,) * (5 - kernels.ndim) + kernels.shape) for kernels in (learned, truth)]
    channels = max(stack.shape[2] for stack in stacks)
    if stacks[0].shape[:2] != stacks[1].shape[:2] or any(stack.shape[2] not in (1, channels) for stack in stacks):
        raise ValueError(f"kernels of shapes {learned.shape} and {truth.shape} cannot be compared")
    one, other = (
        np.broadcast_to(stack, (*stack.shape[:2], channels, *stack.shape[3:])).astype(np.float64) for stack in stacks
    )
    return one, other


def _placed(kernels: Kernels, side: int) -> NDArray[np.float64]:
    """Kernels cropped or zero-padded to side x side, pixel k//2 coming to lie on side//2."""
    size = kernels.shape[-1]
    placed = np.zeros((*kernels.shape[:-2], side, side))
    offset = side // 2 - size // 2
    to = slice(max(offset, 0), min(offset + size, side))
    source = slice(max(-offset, 0), min(side - offset, size))
    placed[..., to, to] = kernels[..., source, source]
    return placed


def _psnr(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return float("inf") if error == 0.0 else float(-10.0 * np.log10(error))


def _colour_shifts(kernels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centroids of R and of B less that of G: (rows*cols*2) x 2, in px."""
    channels, size = kernels.shape[2], kernels.shape[3]
    if channels != 3:
        raise ValueError("a colour shift needs kernels of three channels")
    shifts = [colour_shift(node) for node in kernels.reshape(-1, channels, size, size)]
    return np.array([one for shift in shifts for one in (shift.red, shift.blue)])


def _inside(
    one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]], border: int, least: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both photos less their border, float64."""
    if one.shape != other.shape:
        raise ValueError(f"the photos have different sizes, {one.shape} and {other.shape}")
    height, width = (length - 2 * border for length in one.shape[:2])
    if min(height, width) < least:
        raise ValueError(f"less than {least} pixels are left inside a border of {border}")
    rows, cols = slice(border, border + height), slice(border, border + width)
    return one[rows, cols].astype(np.float64), other[rows, cols].astype(np.float64)
