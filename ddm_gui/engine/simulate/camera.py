"""What a camera makes of a sharp photo whose blur is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.blur.degradation import blur_same
from ddm_gui.engine.blur.field_blur import blur_field_same
from ddm_gui.engine.blur.noise import PhotonNoise


def degrade(
    pixels: NDArray[np.floating[Any]],
    kernels: NDArray[np.floating[Any]],
    noise: float | PhotonNoise,
    generator: np.random.Generator,
) -> NDArray[np.float32]:
    """What a camera makes of a photo H x W x C: blurred by C' x k x k, or R x S x C' x k x k over the field, noise
    added (Gaussian of a standard deviation, or Poisson-Gaussian), clipped to [0, 1]."""
    blurred = blur_same(pixels, kernels) if kernels.ndim == 3 else blur_field_same(pixels, kernels)
    unit = generator.standard_normal(blurred.shape, dtype=np.float32)
    sigma = np.sqrt(noise.variance(blurred)) if isinstance(noise, PhotonNoise) else np.array(noise)
    result: NDArray[np.float32] = np.clip(blurred + sigma.astype(np.float32) * unit, 0.0, 1.0)
    return result
