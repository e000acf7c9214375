"""The tone curve of sRGB (IEC 61966-2-1), by which linear light is written for display; numpy, float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOPE = 12.92  # of the straight part, near black
POWER = 2.4
OFFSET = 0.055
KNEE = 0.0031308  # linear light below which the curve is straight


def to_display(linear: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Linear light in [0, 1] as sRGB writes it; any shape."""
    curved = 1 + (1 + OFFSET) * (np.maximum(linear, KNEE) ** (1 / POWER) - 1)  # so that 1 stays exactly 1
    result: NDArray[np.float32] = np.where(linear <= KNEE, SLOPE * linear, curved).astype(np.float32)
    return result


def to_linear(display: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """What `to_display` was given."""
    curved = (1 + (np.maximum(display, KNEE * SLOPE) - 1) / (1 + OFFSET)) ** POWER
    result: NDArray[np.float32] = np.where(display <= KNEE * SLOPE, display / SLOPE, curved).astype(np.float32)
    return result
