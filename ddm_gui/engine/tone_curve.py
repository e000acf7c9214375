"""The tone curve of sRGB (IEC 61966-2-1), by which linear light is written for display; numpy, float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLOPE = 12.92  # of the straight part, near black
POWER = 2.4
OFFSET = 0.055
KNEE = 0.0031308  # linear light below which the curve is straight


BAND = 256  # rows at a time, so that what lies between needs little memory beside a photo's own


def to_display(linear: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Linear light in [0, 1] as sRGB writes it; any shape with an axis of rows."""
    return _in_bands(_to_display, linear)


def to_linear(display: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """What `to_display` was given."""
    return _in_bands(_to_linear, display)


def _in_bands(
    curve: Callable[[NDArray[np.floating[Any]]], NDArray[np.float32]], values: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    result = np.empty(values.shape, np.float32)
    for row in range(0, len(values), BAND):
        result[row : row + BAND] = curve(values[row : row + BAND])
    return result


def _to_display(linear: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    curved = 1 + (1 + OFFSET) * (np.maximum(linear, KNEE) ** (1 / POWER) - 1)  # so that 1 stays exactly 1
    result: NDArray[np.float32] = np.where(linear <= KNEE, SLOPE * linear, curved).astype(np.float32)
    return result


def _to_linear(display: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    curved = (1 + (np.maximum(display, KNEE * SLOPE) - 1) / (1 + OFFSET)) ** POWER
    result: NDArray[np.float32] = np.where(display <= KNEE * SLOPE, display / SLOPE, curved).astype(np.float32)
    return result
