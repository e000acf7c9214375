"""A kernel in numbers: how wide it is and in which direction, how far its colours lie apart, what it may not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, map_coordinates

from ddm_gui.engine.blur.psf import PsfGrid, centroid

Kernel = NDArray[np.floating[Any]]

SAMPLES = 8  # per px, both ways, where a kernel is looked at between its pixels
ROUNDS = 60  # of the weight that is fitted to the kernel, at most
SETTLED = 1e-6  # px^2: change of its variances at which it fits
SMALLEST = 0.25  # px: standard deviation below which a weight sees single pixels only
ROUND = 0.02  # ellipticity below which a kernel has no direction worth telling
TRUSTED = 0.5  # confidence (the NCC with the truth to be expected) below which a kernel is marked wherever it is shown
FRAME = 2  # px: the edge of a kernel, where light means that there is more outside


@dataclass(frozen=True)
class KernelNumbers:
    """One kernel.

    `fwhm_long` and `fwhm_short` are its full widths at half maximum, px: how far the area around its brightest place
    that is half as bright reaches along its long and its short axis; NaN where that goes on beyond the picture of it.
    `ellipticity` is 1 - short / long of the ellipse that
    fits it (0: round), `direction` that of the long axis in degrees, 0 to the right, 90 downwards, in [0, 180).
    `edge_light` is the share of its light within FRAME px of its edge: much of it there means that more lies outside.
    """

    fwhm_long: float
    fwhm_short: float
    ellipticity: float
    direction: float
    edge_light: float


@dataclass(frozen=True)
class ColourShift:
    """Where the centroids of red and of blue lie beside that of green, (rows down, columns to the right), px."""

    red: tuple[float, float]
    blue: tuple[float, float]


@dataclass(frozen=True)
class NodeNumbers:
    """One place of the field: the numbers of its green (or only) kernel, where red and blue lie beside it (None: it has
    no colours), and the confidence in the least certain of its colours (as in `PsfGrid`; None: not known).
    """

    kernel: KernelNumbers
    shift: ColourShift | None = None
    confidence: float | None = None


def kernel_numbers(kernel: Kernel) -> KernelNumbers:
    """The numbers of a kernel k x k, >= 0, that holds some light."""
    covariance = _fitted_ellipse(kernel)
    variances, axes = np.linalg.eigh(covariance)
    short, long = axes[:, 0], axes[:, 1]  # (down, right)
    area = _bright_area(kernel)
    frame = np.ones(kernel.shape, dtype=bool)
    frame[FRAME:-FRAME, FRAME:-FRAME] = False
    return KernelNumbers(
        fwhm_long=_extent(area, long),
        fwhm_short=_extent(area, short),
        ellipticity=float(1.0 - np.sqrt(variances[0] / variances[1])),
        direction=float(np.degrees(np.arctan2(long[0], long[1])) % 180.0),
        edge_light=float(kernel[frame].sum() / kernel.sum()),
    )


def colour_shift(kernels: Kernel) -> ColourShift:
    """Of the kernels 3 x k x k of one place, R, G, B."""
    red, green, blue = (np.array(centroid(kernel)) for kernel in kernels)
    return ColourShift(_pair(red - green), _pair(blue - green))


def node_numbers(kernels: Kernel, confidence: NDArray[np.floating[Any]] | None = None) -> NodeNumbers:
    """Of the kernels C x k x k of one place, C being 1 or 3, and the confidence in each of them (C values)."""
    colours = len(kernels) == 3
    return NodeNumbers(
        kernel=kernel_numbers(kernels[1 if colours else 0]),
        shift=colour_shift(kernels) if colours else None,
        confidence=None if confidence is None else float(confidence.min()),
    )


def numbers_over_the_field(psf: PsfGrid) -> list[list[NodeNumbers]]:
    """For each node, row by row."""
    rows, cols = psf.nodes
    known = psf.confidence
    return [
        [node_numbers(psf.kernels[row, col], None if known is None else known[row, col]) for col in range(cols)]
        for row in range(rows)
    ]


def _fitted_ellipse(kernel: Kernel) -> NDArray[np.float64]:
    """Covariance 2 x 2 (down, right), px^2, of the elliptical Gaussian that fits a kernel best.

    By adaptive moments (Bernstein and Jarvis, Astronomical Journal 123, 2002): moments are taken under a Gaussian
    weight, which takes on their shape in turn. Plain second moments would be those of the faint light far outside.
    """
    light = kernel.astype(np.float64)
    place = np.indices(light.shape).astype(np.float64)
    largest = (light.shape[0] / 2) ** 2
    middle = np.array(np.unravel_index(int(light.argmax()), light.shape), dtype=np.float64)
    covariance: NDArray[np.float64] = np.eye(2) * max(light.shape[0] / 8, 1.0) ** 2
    for _ in range(ROUNDS):
        away = place - middle[:, None, None]
        distance = np.einsum("ihw,ij,jhw->hw", away, np.linalg.inv(covariance), away)
        weighed = light * np.exp(-0.5 * distance)
        weighed /= weighed.sum()
        middle = middle + 2.0 * (weighed * away).sum(axis=(1, 2))  # under a weight of its own shape a shift shows half
        found = 2.0 * np.einsum("hw,ihw,jhw->ij", weighed, away, away)  # and so does a variance
        variances, axes = np.linalg.eigh(found)
        before, covariance = covariance, (axes * variances.clip(SMALLEST**2, largest)) @ axes.T
        if np.abs(covariance - before).max() < SETTLED:
            break
    return covariance


def _bright_area(kernel: Kernel) -> NDArray[np.float64] | None:
    """2 x n places (down, right), px: where the kernel, seen between its pixels, is at least half as bright as its
    brightest place and connected with that. None where it reaches the edge."""
    length = (kernel.shape[0] - 1) * SAMPLES + 1
    place = np.indices((length, length)) / SAMPLES
    seen = map_coordinates(kernel.astype(np.float64), place, order=3, mode="mirror")
    areas, _ = label(seen >= seen.max() / 2)
    row, col = np.unravel_index(int(seen.argmax()), seen.shape)
    bright = areas == areas[row, col]
    if bright[0].any() or bright[-1].any() or bright[:, 0].any() or bright[:, -1].any():
        return None
    inside: NDArray[np.float64] = place[:, bright]
    return inside


def _extent(area: NDArray[np.float64] | None, direction: NDArray[np.float64]) -> float:
    """How far an area reaches along a direction (down, right) of length one, px."""
    return float("nan") if area is None else float(np.ptp(direction @ area)) + 1.0 / SAMPLES


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values[0]), float(values[1])
