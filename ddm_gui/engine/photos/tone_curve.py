"""Tone curves, by which linear light is written for display, and back; numpy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Pixels = NDArray[np.floating[Any]]

FLAT_TOP = 0.01  # share of a table that may be equal to its last entry
BAND = 256  # rows at a time, so that what lies between needs little memory beside a photo's own


class Curve(ABC):
    """A rising curve through [0, 1]. Below 0 it is mirrored at the origin, and above 1 it goes on."""

    def to_linear(self, display: Values) -> Values:
        """Linear light of encoded values."""
        linear: Values = np.copysign(self._to_linear(np.abs(display)), display)
        return linear

    def to_display(self, linear: Values) -> Values:
        """What `to_linear` was given."""
        display: Values = np.copysign(self._to_display(np.abs(linear)), linear)
        return display

    @abstractmethod
    def _to_linear(self, display: Values) -> Values:
        """Of values of 0 and above."""

    @abstractmethod
    def _to_display(self, linear: Values) -> Values:
        """Of values of 0 and above."""


@dataclass(frozen=True)
class Parametric(Curve):
    """Linear light Y of an encoded value X: (a X + b)^power + e from X = d on, c X + f below it.

    (ICC.1:2022, table 68, function 4, of which the others are special cases.)
    """

    power: float
    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0

    def _to_linear(self, display: Values) -> Values:
        curved = np.maximum(self.a * display + self.b, 0.0) ** self.power + self.e
        result: Values = np.where(display >= self.d, curved, self.c * display + self.f)
        return result

    def _to_display(self, linear: Values) -> Values:
        knee = max(self.a * self.d + self.b, 0.0) ** self.power + self.e
        curved = (np.maximum(linear - self.e, 0.0) ** (1.0 / self.power) - self.b) / self.a
        straight = (linear - self.f) / self.c if self.c else np.zeros_like(linear)
        result: Values = np.where(linear >= knee, curved, straight)
        return result


@dataclass(frozen=True, eq=False)
class Sampled(Curve):
    """Straight lines between points: the encoded values `at`, rising from 0 to 1, and their linear `light`, rising."""

    at: Values
    light: Values

    @classmethod
    def of_table(cls, table: Values) -> Sampled:
        """Of linear light at evenly spaced encoded values from 0 to 1.

        Entries that are equal are one value rounded to the table's steps; from the first of them the curve is taken to
        rise to the next larger one, by less than such a step.

        Raises:
            ValueError: the table falls somewhere, or is flat where it is brightest.
        """
        rises = np.diff(table) > 0
        if (np.diff(table) < 0).any() or not rises.any():
            raise ValueError("its tone curve falls somewhere, or is flat")
        top = int(np.flatnonzero(rises)[-1]) + 1  # the first of the entries that are white
        if len(table) - 1 - top > FLAT_TOP * len(table):
            raise ValueError("its tone curve is flat where it is brightest")
        kept = np.concatenate([[0], np.flatnonzero(rises) + 1])
        kept[-1] = len(table) - 1
        return cls(kept / (len(table) - 1), table[kept])

    def _to_linear(self, display: Values) -> Values:
        return _interpolated(display, self.at, self.light)

    def _to_display(self, linear: Values) -> Values:
        return _interpolated(linear, self.light, self.at)


# IEC 61966-2-1
SLOPE = 12.92  # of the straight part, near black
KNEE = 0.0031308  # linear light below which the curve is straight
SRGB = Parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / SLOPE, KNEE * SLOPE)
LINEAR = Parametric(1.0)


def to_display(linear: Pixels, curves: Sequence[Curve] = (SRGB,)) -> NDArray[np.float32]:
    """Linear light as it is encoded, H x W x C; one curve, or one for each channel."""
    return _in_bands([curve.to_display for curve in curves], linear)


def to_linear(display: Pixels, curves: Sequence[Curve] = (SRGB,)) -> NDArray[np.float32]:
    """What `to_display` was given."""
    return _in_bands([curve.to_linear for curve in curves], display)


def is_exact(curve: Curve, depth: int) -> bool:
    """Whether all values of so many bits come back from linear light, kept as float32, to less than half a step."""
    steps = (1 << min(depth, 16)) - 1
    values = np.arange(steps + 1) / steps
    linear = curve.to_linear(values).astype(np.float32).astype(np.float64)
    return bool(np.abs(curve.to_display(linear) - values).max() * steps < 0.45)


def _in_bands(convert: Sequence[Callable[[Values], Values]], values: Pixels) -> NDArray[np.float32]:
    result = np.empty(values.shape, np.float32)
    for row in range(0, len(values), BAND):
        band = values[row : row + BAND].astype(np.float64)
        if len(convert) == 1:
            result[row : row + BAND] = convert[0](band)
        else:
            for channel, function in enumerate(convert):
                result[row : row + BAND, ..., channel] = function(band[..., channel])
    return result


def _interpolated(values: Values, x: Values, y: Values) -> Values:
    """Straight lines through points, the last one going on."""
    slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
    result: Values = np.where(values > x[-1], y[-1] + slope * (values - x[-1]), np.interp(values, x, y))
    return result
