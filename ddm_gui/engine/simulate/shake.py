"""Kernels of camera shake, drawn at random.

After the procedure that Levi Borodenko describes in his program `motionblur`
(https://github.com/LeviBorodenko/motionblur): the lengths and the headings of many small steps come from a few
distributions, which one number, the intensity, makes longer and more crooked. The code is our own. Ours differs where
a kernel of `psf` asks for it: the path is drawn by the light that falls along it, so crossings are brighter, and not
as a line of one brightness; its centroid lies at pixel k//2, and not the mean of its corners; a path that would leave
the kernel is made smaller, and not cut; and it is turned into any direction, not into those of half a circle only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ddm_gui.engine.blur.psf import centroid

Array = NDArray[np.float64]
OVERSAMPLING = 5  # odd, so that a sample lies on each pixel's centre
SPACING = 0.02  # px between the points of light along a path
THICKNESS = 0.01  # of the diagonal: sigma of the Gaussian by which the path is softened, as in the source
THINNEST = 0.3  # px: that sigma at least, or a line's centroid would depend on how it lies on the pixels
SLACK = 0.1  # the source's "eps": keeps steps from vanishing at intensity 1 and headings from being all alike


def shake(k: int, intensity: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A kernel k x k of camera shake, >= 0, its sum one, its centroid at k//2.

    `intensity` is from 0 (a straight line) to 1 (long and crooked). Lengths scale with k. A short path, nearly no blur
    at all, is as likely as any other, as in the source.
    """
    thickness = max(THICKNESS * np.sqrt(2.0) * k, THINNEST)
    points = _along(shake_path(k, intensity, rng))
    points -= points.mean(axis=0)
    room = (k - 1) // 2 + 0.5 - 4.0 * thickness  # what is softened ends within the kernel, too
    points *= min(1.0, room / max(float(np.abs(points).max()), 1e-9))
    kernel = _drawn(points, k, thickness)
    for _ in range(2):  # gathering light into pixels moves the centroid by some thousandths of one
        points += k // 2 - np.array(centroid(kernel))
        kernel = _drawn(points, k, thickness)
    return kernel.astype(np.float32)


def shake_path(k: int, intensity: float, rng: np.random.Generator) -> Array:
    """The corners of a path, N x 2 (row, col) in px from its first, for a kernel of k x k; see `shake`.

    With d the diagonal and i the intensity, the path is .75 d (U(0, 1) + U(0, i^2)) long, its last step cut to that.
    Steps are Beta(1, 30) (1.1 - i) d. The headings, measured from one direction, are at most a = U(0, i pi): the
    first U(-a, a), the size of each next one triangular on [0, a + .1] with its mode at i a. It lies on the other side
    than the one before with a probability that is drawn once, Beta(2, 20). The whole path is then turned at random.
    """
    diagonal = np.sqrt(2.0) * k
    length = 0.75 * diagonal * (rng.uniform() + rng.uniform(0.0, intensity**2))
    steps: list[float] = []
    travelled = 0.0
    while travelled < length:
        step = min(rng.beta(1.0, 30.0) * (1.0 - intensity + SLACK) * diagonal, length - travelled)
        steps.append(step)
        travelled += step

    largest = rng.uniform(0.0, intensity * np.pi)
    turning = rng.beta(2.0, 20.0)
    first = rng.uniform(-largest, largest)
    sizes = rng.triangular(0.0, intensity * largest, largest + SLACK, max(len(steps) - 1, 0))
    sides = np.sign(first) * np.cumprod(np.where(rng.random(len(sizes)) < turning, -1.0, 1.0))
    headings = np.concatenate([[first], sizes * sides])[: len(steps)] + rng.uniform(0.0, 2.0 * np.pi)

    moves = np.array(steps)[:, None] * np.stack([np.sin(headings), np.cos(headings)], axis=-1)
    path: Array = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    return path


def _along(path: Array) -> Array:
    """Points at even distances along a path of corners, both ends among them: what gets the same light each."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    places = np.linspace(0.0, gone[-1], 2 + int(gone[-1] / SPACING))
    points: Array = np.stack([np.interp(places, gone, path[:, axis]) for axis in (0, 1)], axis=-1)
    return points


def _drawn(points: Array, k: int, thickness: float) -> Array:
    """The light of points (row, col in px from pixel k//2) gathered into k x k pixels, softened; sums to one."""
    fine = _splatted((points + k // 2 + 0.5) * OVERSAMPLING - 0.5, k * OVERSAMPLING)
    fine = gaussian_filter(fine, thickness * OVERSAMPLING, mode="constant")
    picture = fine.reshape(k, OVERSAMPLING, k, OVERSAMPLING).sum(axis=(1, 3))
    kernel: Array = picture / picture.sum()
    return kernel


def _splatted(points: Array, side: int) -> Array:
    """How many points, in samples, fall on each of side x side samples; one between samples is shared by all four."""
    corner = np.floor(points).astype(int)
    share = points - corner
    picture = np.zeros((side, side))
    for row in (0, 1):
        for col in (0, 1):
            weight = np.abs(1 - row - share[:, 0]) * np.abs(1 - col - share[:, 1])
            np.add.at(picture, (corner[:, 0] + row, corner[:, 1] + col), weight)
    return picture
