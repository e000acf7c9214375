"""Is it right? The restored photo blurred again must be the photo, but for its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ddm_gui.engine.photo import Photo
from ddm_gui.engine.psf import PsfGrid
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
    # torch loads here, as in all restorers: views read what an Evidence is without it.
    from ddm_gui.engine.field_blur import blur_field_same

    again = blur_field_same(restored, psf.kernels)
    missing = photo.pixels - again
    edge = min(psf.size, (min(missing.shape[:2]) - 1) // 2)
    inside = np.zeros(missing.shape, dtype=bool)
    inside[edge : missing.shape[0] - edge, edge : missing.shape[1] - edge] = True
    known = unclipped(photo)
    if known is not None:
        inside &= known > 0
    missing[~inside] = 0.0
    counts = np.maximum(inside.sum(axis=(0, 1)), 1)
    moved = float(np.abs(missing.sum(axis=(0, 1), dtype=np.float64) / counts).max())
    detail = photo.pixels - gaussian_filter(photo.pixels, (psf.size / 4, psf.size / 4, 0), mode="nearest")
    noise = np.square(noises) if variance is None else variance
    expected = noise + psf.kernel_error * np.square(detail, dtype=np.float64).mean(axis=(0, 1))
    residual = (missing / np.sqrt(expected)).astype(np.float32)
    squares = np.square(residual, dtype=np.float64).sum()
    return Evidence(residual, float(np.sqrt(squares / max(int(inside.sum()), 1))), moved)
