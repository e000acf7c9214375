"""What Wiener restoration has to know of a photo, measured in the photo itself: its noise and its power spectrum.

Both measurements know the blur: what a kernel lets through is signal, what it cannot let through is noise.
One channel at a time, in [0, 1]. Frequencies are in cycles per pixel.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import convolve1d, gaussian_filter

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.restore.field_filter import cores

Array = NDArray[np.float64]
Pixels = NDArray[np.floating[Any]]

GRID = 256  # samples of the frequency plane, both ways, on which photos are measured
PART = 128  # px: large photos are not looked at all over
BLOCK = 16  # px: the patches that are ranked by how flat they are
REACH = 4  # px: how far around a pixel its detail is looked for
FLATTEST = 0.15  # share of the patches in which noise is measured
NATURAL_SLOPE = -2.2  # of log power over log frequency: natural photos (Field 1987; Ruderman 1994)
SLOWEST = 2.5  # periods per block below which the Hann window leaks


def passed_power(kernels: Pixels) -> Array:
    """|H|^2 on GRID x GRID, mean over all kernels ... x k x k that a photo was blurred with: what is left of its power.

    Not |mean H|^2: kernels of one size that lie apart would seem to blur more than they do.
    """
    size = kernels.shape[-1]
    each = kernels.reshape(-1, size, size).astype(np.float64)
    # |H|^2 is the transform of a kernel's autocorrelation, which is small: of GRID x GRID there is one transform only.
    small = fft.next_fast_len(2 * size - 1, real=True)
    spectrum = fft.rfft2(each, s=(small, small), workers=-1)
    power = (np.square(spectrum.real) + np.square(spectrum.imag)).mean(axis=0)
    correlation = fft.irfft2(power, s=(small, small))
    shifts = np.arange(1 - size, size)
    placed = np.zeros((GRID, GRID))
    np.add.at(placed, np.ix_(shifts % GRID, shifts % GRID), correlation[np.ix_(shifts % small, shifts % small)])
    return _whole(np.maximum(fft.rfft2(placed).real, 0.0))


@dataclass(frozen=True)
class SignalSpectrum:
    """The power spectrum of a sharp photo: S = exp(a + b log f + c2 cos 2u + s2 sin 2u + c4 cos 4u + s4 sin 4u).

    f is the radius and u the angle of the frequency; white noise of variance v has S = v. Six numbers are enough to
    hold a photo's contrast, sharpness and main directions, and few enough to be read from a blurred, noisy photo.
    """

    coefficients: tuple[float, ...]

    def on(self, height: int, width: int) -> Array:
        """S on the full frequency plane, height x width."""
        power: Array = np.exp(_basis(height, width) @ np.array(self.coefficients))
        return power


def measured_spectrum(pixels: Pixels, passed: Array, noise_sigma: float) -> SignalSpectrum:
    """The spectrum S that makes |H|^2 S + noise_sigma^2 the likeliest mean of the photo's periodogram.

    Whittle's likelihood (sum of log M + P / M over frequencies, M the model and P the periodogram) is maximised by
    Fisher scoring. It weighs each frequency by how much of it is signal, so nothing has to be cut off by hand. A weak
    prior holds the coefficients of photos that are too small to tell at those of a natural photo.

    Args:
        pixels: H x W, one channel in [0, 1].
        passed: |H|^2 of this channel's blur, GRID x GRID (`passed_power`).
        noise_sigma: in the range of 1, > 0.
    """
    half = GRID // 2 + 1  # all is the same at -f as at f: one of the two counts for both
    observed = _periodogram(pixels)[:, :half]
    basis = _basis(GRID, GRID)[:, :half]
    times = np.broadcast_to(np.where((np.arange(half) == 0) | (np.arange(half) == half - 1), 1.0, 2.0), observed.shape)
    radius = np.exp(basis[..., 1])
    known = (radius > SLOWEST / min(GRID, *pixels.shape)) & (radius < 0.5)
    prior = np.array([0.0, NATURAL_SLOPE, 0.0, 0.0, 0.0, 0.0])
    floor = noise_sigma**2
    variance = max(float(np.var(pixels)) - floor, 1e-8)
    prior[0] = np.log(variance / (times * np.exp(basis @ prior)).sum() * times.sum())
    if not known.any():
        return SignalSpectrum(tuple(prior))
    matrix, power, gain, times = basis[known], observed[known], passed[:, :half][known], times[known]
    # Blocks and a window make neighbouring values alike, so each counts less than one; a photo has few directions.
    stiffness = np.diag([0.1, 10.0, 30.0, 30.0, 30.0, 30.0])
    found = prior.copy()
    for _ in range(25):
        model = gain * np.exp(matrix @ found) + floor
        share = 1.0 - floor / model
        ascent = matrix.T @ (times * share * (power / model - 1.0)) - stiffness @ (found - prior)
        curvature = (matrix * (times * share**2)[:, None]).T @ matrix + stiffness
        step = np.linalg.solve(curvature, ascent)
        found = found + step / max(1.0, np.abs(step).max())  # exp() is steep: no more than one unit at a time
        if np.abs(step).max() < 1e-4:
            break
    return SignalSpectrum(tuple(found))


def detail_power(pixels: Pixels, sigma: float) -> float:
    """Mean square of what a Gaussian blur of `sigma` px takes out of one channel, H x W, by its periodogram."""
    frequency = fft.fftfreq(GRID)
    smoothed = np.exp(-2 * (np.pi * sigma * frequency) ** 2)
    return float((_periodogram(pixels) * (1.0 - np.outer(smoothed, smoothed)) ** 2).mean())


def kernel_noise(pixels: Pixels, psf: PsfGrid) -> float:
    """Standard deviation of what a photo, one channel H x W, differs by from its true picture blurred by a PSF, since
    the PSF's kernels are not the true ones: their error, of the detail that a photo has within them."""
    if psf.kernel_error == 0:
        return 0.0
    return float(np.sqrt(psf.kernel_error * detail_power(pixels, psf.size / 4)))


def measured_noise(pixels: Pixels, passed: Array) -> float:
    """Standard deviation of the white noise in one channel, H x W in [0, 1], after a known blur (`passed_power`).

    The median absolute value of the finest diagonal detail (Donoho 1994; the mask of Immerkaer 1996), taken in the
    flattest patches, which are chosen by a coarser scale so that the choice favours no noise. Some of that detail is
    signal which the blur let through. How much follows from the same patches one scale coarser: the kernel and the
    1/f^2 spectrum of photos say in which proportion a signal appears at the two scales, and noise appears in another.
    """
    # The fine scale and the coarse one: what is smoothed away before it, and its mask.
    scales = (
        (None, np.array([1.0, -2.0, 1.0]) / 6**0.5),
        (np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16, np.array([1.0, 0.0, -2.0, 0.0, 1.0]) / 6**0.5),
    )

    def details(blocks: Array) -> list[Array]:
        inside = (slice(None), slice(REACH, -REACH), slice(REACH, -REACH))
        return [np.abs(_separable(_separable(blocks, low), mask)[inside]) for low, mask in scales]

    parts = _parts(pixels)
    with ThreadPoolExecutor(cores()) as pool:
        roughness = np.concatenate(list(pool.map(_roughness, _shared(parts))))
        flat = roughness <= np.quantile(roughness, FLATTEST)
        looks = list(pool.map(details, _shared(_blocks(parts, flat))))
    spectrum = np.exp(_basis(GRID, GRID)[..., 1] * -2.0) * passed
    found, of_signal, of_noise = [], [], []
    for index, (low, mask) in enumerate(scales):
        detail = np.concatenate([each[index] for each in looks])
        found.append((np.median(detail[_of_the_photo(parts, flat)]) / 0.6745) ** 2)
        response = _whole(_power(_separable(_separable(_point(), low), mask)))
        of_signal.append(float(np.mean(response * spectrum)))
        of_noise.append(float(np.mean(response)))
    both = of_noise[0] * of_signal[1] - of_signal[0] * of_noise[1]
    variance = (found[0] * of_signal[1] - of_signal[0] * found[1]) / both
    return float(np.sqrt(max(variance, 0.0)))


def _parts(pixels: Pixels) -> Array:
    """N x h x w: the whole of a small photo; of a large one parts of `PART` px, evenly spread, eight along each side:
    they are enough."""
    rows, cols = (
        [(0, length)] if length <= 8 * PART else [(start, start + PART) for start in _spread(length, PART, 8)]
        for length in pixels.shape
    )
    return np.stack([pixels[top:bottom, left:right] for top, bottom in rows for left, right in cols]).astype(np.float64)


def _separable(values: Array, taps: Array | None) -> Array:
    """Pictures ... x h x w, filtered along both axes."""
    if taps is None:
        return values
    result: Array = convolve1d(convolve1d(values, taps, axis=-2, mode="mirror"), taps, axis=-1, mode="mirror")
    return result


def _point() -> Array:
    point = np.zeros((GRID, GRID))
    point[GRID // 2, GRID // 2] = 1.0
    return point


def _roughness(values: Array) -> Array:
    """N x blocks x blocks: the coarse gradient of each; of clipped ones so large that they are taken last."""
    smooth = gaussian_filter(values, (0.0, 2.0, 2.0), mode="nearest")
    slope = np.zeros_like(values)
    for axis in (-2, -1):
        slope += convolve1d(smooth, np.array([0.5, 0.0, -0.5]), axis=axis, mode="nearest") ** 2
    clipped = ((values <= 0.0) | (values >= 1.0)).astype(np.float64)
    area = _block_sums(np.ones((1, *values.shape[1:])))
    roughness = _block_sums(slope) / area
    # Noise cut off at black or white looks smaller than it is. The last resort is all of them.
    roughness[_block_sums(clipped) / area > 0.02] += 1e3
    return roughness


def _block_sums(values: Array) -> Array:
    rows, cols = (np.arange(0, length, BLOCK) for length in values.shape[-2:])
    result: Array = np.add.reduceat(np.add.reduceat(values, rows, axis=-2), cols, axis=-1)
    return result


def _shared(pictures: Array) -> list[Array]:
    """N pictures, as many for each core."""
    return np.array_split(pictures, min(len(pictures), cores()))


def _blocks(parts: Array, chosen: NDArray[np.bool_]) -> Array:
    """The blocks N x blocks x blocks that are chosen of parts N x h x w, each with REACH px around it, as
    `_separable` goes on at the edges of a part; those at its lower and right edges may reach beyond it."""
    more = [(REACH, REACH + -length % BLOCK) for length in parts.shape[1:]]
    around = np.pad(parts, [(0, 0), *more], mode="reflect")
    side = BLOCK + 2 * REACH
    blocks: Array = sliding_window_view(around, (side, side), axis=(1, 2))[:, ::BLOCK, ::BLOCK][chosen]
    return blocks


def _of_the_photo(parts: Array, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks x BLOCK x BLOCK: which pixels of the blocks that are chosen do not reach beyond their part."""
    rows, cols = (
        (np.arange(blocks * BLOCK) < length).reshape(blocks, BLOCK)
        for blocks, length in zip(chosen.shape[1:], parts.shape[1:], strict=True)
    )
    inside = rows[:, None, :, None] & cols[None, :, None, :]
    return np.broadcast_to(inside, (*chosen.shape, BLOCK, BLOCK))[chosen]


@lru_cache(maxsize=4)
def _basis(height: int, width: int) -> Array:
    """height x width x 6: the functions whose weighted sum is log S; the zero frequency is given half a step."""
    row, col = fft.fftfreq(height)[:, None], fft.fftfreq(width)[None, :]
    radius = np.maximum(np.hypot(row, col), 0.5 / max(height, width))
    angle = np.arctan2(row, col)
    waves = [part(order * angle) for order in (2, 4) for part in (np.cos, np.sin)]
    return np.stack([np.ones_like(radius), np.log(radius), *waves], axis=-1)


def _periodogram(pixels: Pixels) -> Array:
    """GRID x GRID: mean power of Hann-windowed blocks, their mean taken off; white noise of variance v gives v."""
    height, width = (min(GRID, length) for length in pixels.shape)
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    total = np.zeros((GRID, GRID // 2 + 1))
    for row in _starts(pixels.shape[0], height):
        starts = _starts(pixels.shape[1], width)
        blocks = np.stack([pixels[row : row + height, col : col + width] for col in starts]).astype(np.float64)
        blocks *= window
        blocks -= blocks.sum(axis=(1, 2), keepdims=True) / window.sum() * window
        total += _power(blocks).mean(axis=0)
    return _whole(total / (len(_starts(pixels.shape[0], height)) * (window**2).sum()))


def _power(pictures: Array) -> Array:
    """The squared magnitudes of the Fourier transforms of pictures ... x h x w, on half of GRID x GRID."""
    spectrum = fft.rfft2(pictures, s=(GRID, GRID), workers=-1)
    power: Array = np.square(spectrum.real) + np.square(spectrum.imag)
    return power


def _whole(half: Array) -> Array:
    """GRID x GRID from the half of it that the transform of a real picture has."""
    mirrored = np.roll(half[::-1, GRID // 2 - 1 : 0 : -1], 1, axis=0)
    return np.concatenate([half, mirrored], axis=1)


def _starts(length: int, block: int) -> list[int]:
    """Evenly spaced blocks that cover a length, overlapping by half, but no more than eight: they are enough."""
    return _spread(length, block, min(8, 1 + int(np.ceil((length - block) / (block / 2)))))


def _spread(length: int, block: int, count: int) -> list[int]:
    """Where so many blocks begin that are evenly spread over a length."""
    return [int(place) for place in np.linspace(0, length - block, count).round()]
