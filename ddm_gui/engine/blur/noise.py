"""Noise that grows with the light: Poisson-Gaussian, of photons that are counted and of the electronics. numpy only.

At the noise-free value y of a pixel, in [0, 1] in linear light, its variance is shot * max(y, 0) + read (Foi, Trimeche,
Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", 2008;
DNG's NoiseProfile holds the same two numbers). One pair serves all colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIDDLE_GREY = 0.18  # of white, in linear light


@dataclass(frozen=True)
class PhotonNoise:
    """`shot`: what the variance grows by from black to white; `read`: the variance at black; both >= 0."""

    shot: float
    read: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.shot < np.inf and 0.0 <= self.read < np.inf):
            raise ValueError(f"photon noise must have variances >= 0, not {self.shot} and {self.read}")

    def variance(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Of pixels by their noise-free values."""
        result: NDArray[np.float64] = self.shot * np.maximum(values, 0.0) + self.read
        return result

    def sigma(self, value: float) -> float:
        """Standard deviation at a noise-free value."""
        return float(np.sqrt(self.shot * max(value, 0.0) + self.read))

    def scaled(self, factor: float) -> PhotonNoise:
        """With `factor` times the variance everywhere."""
        return PhotonNoise(factor * self.shot, factor * self.read)
