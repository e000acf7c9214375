"""How bright a pixel of a kernel is shown, in pictures and curves alike: parts of the peak, or decades below it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DECADES = 3.0  # that logarithmic brightness shows below the peak
FAINT = 0.02  # of the peak: what cannot be told from dark where brightness is not logarithmic
HALVES = [(0.0, "0"), (0.5, "½"), (1.0, "peak")]  # names of brightness along an axis
TENTHS = [(0.0, "1/1000"), (1 / 3, "1/100"), (2 / 3, "1/10"), (1.0, "peak")]  # the same where it is logarithmic

_STEPS = (1, 2, 5, 10, 20)  # pixels


def pixel_ticks(size: int) -> list[tuple[float, str]]:
    """Three places along a kernel of this size, counted from its origin: as many as a small picture has room for."""
    step = max(step for step in _STEPS if step <= max(0.85 * (size // 2), 1))
    return [(place, str(place)) for place in (-step, 0, step)]


def brightness(kernel: NDArray[np.float32], peak: float, *, logarithmic: bool) -> NDArray[np.float32]:
    """A kernel as brightness in [0, 1], where 1 is `peak`; logarithmic: from a thousandth of the peak on."""
    relative = np.clip(kernel / max(peak, 1e-12), 0.0, 1.0)
    if logarithmic:
        relative = np.clip(1.0 + np.log10(np.maximum(relative, 10.0**-DECADES)) / DECADES, 0.0, 1.0)
    result: NDArray[np.float32] = relative.astype(np.float32)
    return result


def coloured(kernel: NDArray[np.float32], peak: float, *, logarithmic: bool) -> NDArray[np.float32]:
    """The brightness of a kernel, 1 or 3 channels x h x w, as a picture h x w x 3: one channel as grey."""
    bright = brightness(kernel, peak, logarithmic=logarithmic)
    return np.ascontiguousarray(np.moveaxis(np.broadcast_to(bright, (3, *bright.shape[1:])), 0, -1))


def faintest(*, logarithmic: bool) -> float:
    """The part of the peak below which a pixel of a picture looks dark."""
    return 10.0**-DECADES if logarithmic else FAINT
