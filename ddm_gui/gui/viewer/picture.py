"""A photo made ready for showing: 8 bits, at full size and at each half of it, so that any zoom is quick."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.photos.formats.exif import turned
from ddm_gui.engine.restore.tiles import bands

Tones = tuple[np.floating[Any] | float, np.floating[Any] | float]

SMALLEST = 256  # halving ends when both sides are below this


@dataclass(frozen=True, eq=False)
class Picture:
    """`levels[n]` is the photo at 1 / 2**n: uint8, height x width x 4 in the order B, G, R, unused; or, of what lies
    transparently over a photo, B, G and R times alpha, alpha."""

    levels: tuple[NDArray[np.uint8], ...]
    transparent: bool = False

    @property
    def height(self) -> int:
        """Rows at full size."""
        return int(self.levels[0].shape[0])

    @property
    def width(self) -> int:
        """Columns at full size."""
        return int(self.levels[0].shape[1])

    def level_for(self, zoom: float) -> int:
        """The smallest level that still has a pixel for each pixel of the screen at this zoom (1 = full size)."""
        level = 0
        while level + 1 < len(self.levels) and zoom * 2 ** (level + 1) <= 1.0:
            level += 1
        return level


def picture(pixels: NDArray[np.float32], orientation: int = 1, tones: Tones = (0.0, 1.0)) -> Picture:
    """Makes a Picture of a photo, height x width x (1 or 3), turned as the EXIF orientation says; slow for large
    photos, so not for the GUI. `tones`: what is shown as black and as white."""
    return picture_of(pixels.shape[:2], lambda rows: pixels[rows], orientation, tones)


def picture_of(
    size: tuple[int, ...],
    band: Callable[[slice], NDArray[np.float32]],
    orientation: int = 1,
    tones: Tones = (0.0, 1.0),
) -> Picture:
    """The same of height and width, and of a function that makes some of its rows: so no copy of a large photo has to
    be in memory beside it."""
    full = np.empty((*size, 4), np.uint8)
    full[..., 3] = 255
    black, scale = np.float32(tones[0]), np.float32(255.0 / (tones[1] - tones[0]))
    for rows in bands(0, size[0]):
        full[rows, :, :3] = np.clip((band(rows) - black) * scale + np.float32(0.5), 0.0, 255.0)[..., ::-1]
    return Picture(_levels(np.ascontiguousarray(turned(full, orientation))))


def overlay(pixels: NDArray[np.uint8], orientation: int = 1) -> Picture:
    """Makes a Picture of what lies over a photo, height x width x 4 in the order that `levels` has."""
    return Picture(_levels(np.ascontiguousarray(turned(pixels, orientation))), transparent=True)


def difference(before: NDArray[np.uint8], after: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    """What two pictures of one size differ by, times `gain`: grey where they are equal, brighter where `after` is."""
    apart = after[..., :3].astype(np.float32) - before[..., :3]
    shown = np.full(before.shape, 255, np.uint8)
    shown[..., :3] = np.clip(127.5 + gain * apart, 0.0, 255.0)
    return shown


def _levels(full: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """A picture and its halves."""
    levels = [full]
    while max(levels[-1].shape[:2]) > SMALLEST and min(levels[-1].shape[:2]) >= 2:
        levels.append(_halved(levels[-1]))
    return tuple(levels)


def _halved(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    even = image[:height, :width]
    total = even[0::2, 0::2].astype(np.uint16)
    total += even[0::2, 1::2]
    total += even[1::2, 0::2]
    total += even[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)
