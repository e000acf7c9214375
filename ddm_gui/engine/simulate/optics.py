"""Pictures of a point of light, where the truth must be known: Gaussians, a disc, a lens by its aberrations.

Kernels follow the conventions of `psf`. Angles are in radians, 0 to the right, pi/2 downwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

Array = NDArray[np.float64]
OVERSAMPLING = 7  # odd, so that a sample lies on each pixel's centre
WAVELENGTHS = (610.0, 540.0, 465.0)  # nm, the middle of what R, G and B let through
BAND = (-30.0, -15.0, 0.0, 15.0, 30.0)  # nm around the middle: a colour filter is no laser, so rings wash out


def gaussian(k: int, sigma_row: float, sigma_col: float | None = None, angle: float = 0.0) -> NDArray[np.float32]:
    """A Gaussian k x k, integrated over pixels, of widths (px) along rows and columns, then turned by `angle`."""
    across = sigma_row if sigma_col is None else sigma_col

    def density(rows: Array, cols: Array) -> Array:
        along_col = np.cos(angle) * cols + np.sin(angle) * rows
        along_row = np.cos(angle) * rows - np.sin(angle) * cols
        value: Array = np.exp(-0.5 * ((along_row / sigma_row) ** 2 + (along_col / across) ** 2))
        return value

    return _integrated(k, density)


def disc(k: int, radius: float) -> NDArray[np.float32]:
    """Plain defocus: a disc of `radius` px on k x k, each pixel weighted by the share of it that is covered."""
    return _integrated(k, lambda rows, cols: (rows**2 + cols**2 <= radius**2).astype(np.float64))


@dataclass(frozen=True)
class Lens:
    """A lens by its aberrations, in waves rms of green light (Zernike polynomials in Noll's normalisation).

    `diffraction` is wavelength times f-number, in px of green light: 0.5 to 1.5 for a camera. `angle` is where the
    tail of positive coma points; everything that has a direction turns with it. `lateral` is how far R lies from B,
    in px, along `angle`; `axial` the defocus in waves that R has more, and B less, than G. `softness` is the
    sigma in px of a Gaussian that stands for the low-pass filter on the sensor and for the mixing of colours after it.
    """

    defocus: float = 0.0
    astigmatism: float = 0.0
    coma: float = 0.0
    trefoil: float = 0.0
    angle: float = 0.0
    lateral: float = 0.0
    axial: float = 0.0
    diffraction: float = 1.0
    softness: float = 0.0

    def kernels(self, k: int) -> NDArray[np.float32]:
        """3 x k x k: the picture of a white point, R, G, B, their common centroid at k//2, each summing to one.

        Scalar diffraction, PSF = |FFT(pupil exp(2 pi i W))|^2 (Goodman, Introduction to Fourier Optics, 6.4),
        averaged over each colour's band and integrated over the pixels.
        """
        shift = np.zeros(2)
        for _ in range(3):  # what lies outside k x k is cut off, which moves the centroid a little
            point = np.stack([self._picture(k, colour, shift) for colour in range(3)])
            total = point.sum(axis=0)
            middle = np.array([(total * index).sum() / total.sum() for index in np.indices((k, k))])
            shift = shift + k // 2 - middle
        return point.astype(np.float32)

    def _picture(self, k: int, colour: int, shift: Array) -> Array:
        """k x k of one colour, moved by `shift` (row, col) px beside its own lateral shift."""
        middle = WAVELENGTHS[colour]
        # Refraction changes faster towards the blue, so G does not lie halfway between R and B.
        place = (middle - WAVELENGTHS[1]) / (WAVELENGTHS[0] - WAVELENGTHS[2])
        along = np.array([np.sin(self.angle), np.cos(self.angle)])
        moved = shift + self.lateral * place * along
        defocus = self.defocus + 2.0 * self.axial * place
        fine = np.mean([self._intensity(k, middle + off, defocus, moved) for off in BAND], axis=0)
        if self.softness > 0.0:
            fine = gaussian_filter(fine, self.softness * OVERSAMPLING, mode="constant")
        picture = fine.reshape(k, OVERSAMPLING, k, OVERSAMPLING).sum(axis=(1, 3))
        result: Array = picture / picture.sum()
        return result

    def _intensity(self, k: int, wavelength: float, defocus: float, shift: Array) -> Array:
        """|FFT(pupil)|^2 of one wavelength on (k OVERSAMPLING)^2 samples, pixel k//2 in the middle."""
        side = 2 * k * OVERSAMPLING  # twice the field, so that light that leaves it does not come back
        scale = wavelength / WAVELENGTHS[1]
        radius = side / (OVERSAMPLING * self.diffraction * scale) / 2  # of the pupil, in samples
        half = int(np.ceil(radius)) + 1
        row, col = np.meshgrid(np.arange(-half, half + 1), np.arange(-half, half + 1), indexing="ij")
        rho = np.hypot(row, col) / radius
        theta = np.arctan2(row, col) - self.angle
        waves = (
            defocus * np.sqrt(3) * (2 * rho**2 - 1)
            + self.astigmatism * np.sqrt(6) * rho**2 * np.cos(2 * theta)
            + self.coma * np.sqrt(8) * (3 * rho**3 - 2 * rho) * np.cos(theta)
            + self.trefoil * np.sqrt(8) * rho**3 * np.cos(3 * theta)
        ) / scale
        tilt = (shift[0] * row + shift[1] * col) * OVERSAMPLING / side
        pupil = np.zeros((side, side), dtype=np.complex128)
        opening = np.clip((1.0 - rho) * radius + 0.5, 0.0, 1.0)  # a soft edge, one sample wide
        pupil[row % side, col % side] = opening * np.exp(2j * np.pi * (waves + tilt))
        field = fft.fftshift(np.abs(fft.fft2(pupil)) ** 2)
        first = side // 2 - (k // 2) * OVERSAMPLING - OVERSAMPLING // 2
        shown: Array = field[first : first + k * OVERSAMPLING, first : first + k * OVERSAMPLING]
        return shown


def _integrated(k: int, density: Callable[[Array, Array], Array]) -> NDArray[np.float32]:
    """A density around the middle of pixel k//2, integrated over the pixels of k x k; sums to one."""
    places = (np.arange(k * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5 - k // 2
    fine = density(*np.meshgrid(places, places, indexing="ij"))
    picture = fine.reshape(k, OVERSAMPLING, k, OVERSAMPLING).sum(axis=(1, 3))
    result: NDArray[np.float32] = (picture / picture.sum()).astype(np.float32)
    return result
