"""Is it right? The restored photo blurred again must be the photo, but for its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.field_filter import spread
from ddm_gui.engine.restore.measurements import detail_power
from ddm_gui.engine.restore.plan import TILE
from ddm_gui.engine.restore.tiles import bands
from ddm_gui.engine.restore.trust import unclipped

Pixels = NDArray[np.float32]

NOISE_LIKE = 1.5  # times the noise: a larger residual holds something else
MOVED = 0.02  # of a range of 1: a mean colour that moved by more is no blur taken away


@dataclass(frozen=True, eq=False)
class Evidence:
    """`residual`: H x W x C, (y - A x) over what is to be expected of it, by the noise and by the kernel's own error; 0
    along the photo's edges and where it was clipped. `rms`: its root mean square elsewhere; 1 and less is as it should
    be. `moved`: the largest mean of y - A x of a colour there, of a range of 1."""

    residual: Pixels
    rms: float
    moved: float

    def around(self, radius: float) -> Pixels:
        """H x W: the root mean square of the residual around each pixel, of all colours (Gaussian, `radius` px)."""
        squares = np.zeros(self.residual.shape[:2], dtype=np.float32)
        for channel in range(self.residual.shape[2]):  # one at a time: the residual is as large as the photo
            squares += np.square(self.residual[..., channel])
        squares /= self.residual.shape[2]
        smooth: Pixels = gaussian_filter(squares, radius, mode="nearest", output=squares)
        return np.sqrt(smooth, out=smooth)

    @property
    def warning(self) -> str:
        """What to tell a person, '' where there is nothing to tell."""
        if self.rms <= NOISE_LIKE:
            return ""
        return (
            f"Blurred again, the restored photo differs from the photo {self.rms:.1f} times as much as its noise "
            "explains: this blur may not be the photo's own."
        )


def evidence(
    photo: Photo, restored: Pixels, psf: PsfGrid, noises: list[float], variance: Pixels | None = None
) -> Evidence:
    """Compares a photo with what was made of it.

    Args:
        photo: as the camera gave it.
        restored: H x W x C, corrected in full (strength 100 %).
        psf: by which it was corrected.
        noises: of the photo, of each channel.
        variance: of the noise of each pixel, H x W x C, where it is not as strong everywhere.
    """
    height, width, channels = photo.pixels.shape
    by_kernel = np.zeros(channels)  # variance of what the kernel's own error does
    residual = np.empty(photo.pixels.shape, dtype=np.float32)
    for channel in range(channels):
        kernels = psf.kernels[:, :, channel if psf.channels > 1 else 0]
        residual[..., channel] = spread(restored[..., channel], kernels, TILE)  # for the moment: A x
        if psf.kernel_error > 0:
            by_kernel[channel] = psf.kernel_error * detail_power(photo.pixels[..., channel], psf.size / 4)
    known = unclipped(photo)
    edge = min(psf.size, (min(height, width) - 1) // 2)
    counts, missed, squares = np.zeros(channels, dtype=int), np.zeros(channels), 0.0
    for rows in bands(0, height):
        inside = np.zeros(residual[rows].shape, dtype=bool)
        inside[max(edge - rows.start, 0) : max(height - edge - rows.start, 0), edge : width - edge] = True
        if known is not None:
            inside &= known[rows]
        missing = np.where(inside, photo.pixels[rows] - residual[rows], np.float32(0))
        counts += inside.sum(axis=(0, 1))
        missed += missing.sum(axis=(0, 1), dtype=np.float64)
        expected = by_kernel + (np.square(noises) if variance is None else variance[rows])
        residual[rows] = missing / np.sqrt(expected).astype(np.float32)
        squares += float(np.square(residual[rows], dtype=np.float64).sum())
    moved = float(np.abs(missed / np.maximum(counts, 1)).max())
    return Evidence(residual, float(np.sqrt(squares / max(int(counts.sum()), 1))), moved)
