"""Pictures made of nothing, with the spectrum of photos: for the demo, the tests and the benchmark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Array = NDArray[np.float64]
ORANGE_BLUE = np.array([1.0, 0.1, -1.0])
GREEN_MAGENTA = np.array([-0.5, 1.0, -0.5])


def dead_leaves(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture H x W x 3 in [0, 1] of discs that hide one another, radii with density r^-3.

    The model of Lee, Mumford and Huang (2001): edges and areas at all scales, hence the power spectrum of natural
    photos, near 1/f^2. Each leaf has a colour, a gradient and a share of one of a few textures.
    """
    picture = np.full((height, width, 3), 0.5, dtype=np.float32)
    textures = [_texture(height, width, exponent, rng) for exponent in (0.7, 1.0, 1.3)]
    smallest, largest = 3.0, 0.3 * min(height, width)
    extent = np.array([height, width]) + 2 * largest
    mean_area = 2 * np.pi * np.log(largest / smallest) / (smallest**-2 - largest**-2)
    count = int(4 * extent.prod() / mean_area)  # each place is covered four times: 2 % stay bare
    radii = (smallest**-2 - rng.random(count) * (smallest**-2 - largest**-2)) ** -0.5
    middles = rng.random((count, 2)) * extent - largest
    seen = (np.abs(middles - extent / 2 + largest) < np.array([height, width]) / 2 + radii[:, None] + 2).all(axis=1)
    for radius, middle in zip(radii[seen], middles[seen], strict=True):
        _paint_leaf(picture, radius, middle, textures[rng.integers(len(textures))], rng)
    return picture


def _paint_leaf(
    picture: NDArray[np.float32], radius: float, middle: Array, texture: Array, rng: np.random.Generator
) -> None:
    """Paints one leaf, its edge antialiased, over what is there."""
    top, left = (max(int(place - radius) - 1, 0) for place in middle)
    part = picture[top : int(middle[0] + radius) + 3, left : int(middle[1] + radius) + 3]
    down = (np.arange(part.shape[0]) + (top - middle[0]))[:, None]
    right = np.arange(part.shape[1]) + (left - middle[1])
    cover = np.minimum(np.maximum(radius + 0.5 - np.sqrt(down**2 + right**2), 0.0), 1.0)
    tint, roughness, slope = rng.standard_normal(3), 0.07 * rng.random(), 0.1 * rng.standard_normal(2) / radius
    own = texture[top : top + part.shape[0], left : left + part.shape[1]]
    light = (0.45 + 0.2 * tint[0] + slope[0] * down) + slope[1] * right + roughness * own
    # Natural colours differ from grey mostly along orange - blue, less along green - magenta.
    colour = 1.0 + 0.16 * tint[1] * ORANGE_BLUE + 0.06 * tint[2] * GREEN_MAGENTA
    leaf = np.minimum(np.maximum(light[..., None] * colour, 0.0), 1.0)
    part += cover[..., None] * (leaf - part)


def _texture(height: int, width: int, exponent: float, rng: np.random.Generator) -> Array:
    """Gaussian noise with amplitude spectrum f^-exponent, mean 0, variance 1, periodic."""
    row, col = fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :]
    radius = np.hypot(row, col)
    radius[0, 0] = np.inf
    noise: Array = fft.irfft2(fft.rfft2(rng.standard_normal((height, width))) * radius**-exponent, s=(height, width))
    result: Array = noise / noise.std()
    return result
