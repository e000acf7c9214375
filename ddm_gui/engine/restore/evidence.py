"""Is it right? The restored photo blurred again must be the photo, but for its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.photo import Photo
from ddm_gui.engine.psf import PsfGrid
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

    @property
    def warning(self) -> str:
        """What to tell a person, '' where there is nothing to tell."""
        if self.rms <= NOISE_LIKE:
            return ""
        return (
            f"Blurred again, the restored photo differs from the photo {self.rms:.1f} times as much as its noise "
            "explains: this blur may not be the photo's own."
        )


def evidence(photo: Photo, restored: Pixels, psf: PsfGrid, noises: list[float]) -> Evidence:
    """Compares a photo with what was made of it.

    Args:
        photo: as the camera gave it.
        restored: H x W x C, corrected in full (strength 100 %).
        psf: by which it was corrected.
        noises: of the photo, of each channel.
    """
    height, width, channels = photo.pixels.shape
    edge = min(psf.size, (min(height, width) - 1) // 2)
    cols, known = slice(edge, width - edge), unclipped(photo)
    residual = np.zeros(photo.pixels.shape, dtype=np.float32)
    squares, total, moved = 0.0, 0, 0.0
    for channel in range(channels):
        kernels = psf.kernels[:, :, channel if psf.channels > 1 else 0]
        again = spread(restored[..., channel], kernels, TILE)
        expected = noises[channel] ** 2
        if psf.kernel_error > 0:
            expected += psf.kernel_error * detail_power(photo.pixels[..., channel], psf.size / 4)
        count, missed = 0, 0.0
        for rows in bands(edge, height - edge):
            missing = photo.pixels[rows, cols, channel] - again[rows, cols]
            if known is None:
                count += missing.size
            else:
                inside = known[rows, cols, channel]
                missing[~inside] = 0.0
                count += int(np.count_nonzero(inside))
            missed += float(missing.sum(dtype=np.float64))
            missing /= np.float32(np.sqrt(expected))
            squares += float(np.square(missing).sum(dtype=np.float64))
            residual[rows, cols, channel] = missing
        moved, total = max(moved, abs(missed) / max(count, 1)), total + count
    return Evidence(residual, float(np.sqrt(squares / max(total, 1))), moved)
