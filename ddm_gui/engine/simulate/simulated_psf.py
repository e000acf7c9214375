"""The kernels of a chosen kind of blur."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.blur.psf import PsfGrid, field_positions
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.blurs import (
    BLURS,
    KERNEL_SIZE,
    NOISE_SIGMA,
    Blur,
    ComaBlur,
    DiscBlur,
    GaussianBlur,
    LensBlur,
    ShakeBlur,
    check_noise,
)
from ddm_gui.engine.simulate.optics import Lens, disc, gaussian
from ddm_gui.engine.simulate.shake import shake


def simulated_psf(
    blur: Blur, kernel_size: int = KERNEL_SIZE, noise_sigma: float = NOISE_SIGMA, seed: int = 0, light: str = "display"
) -> PsfGrid:
    """Kernels of a kind: one for all colours, or three where colours differ; a grid of them for a lens over the field.

    `seed` matters where they are random; `light` is what they are to blur, 'display' or 'linear'.

    Raises:
        UserError: the size, the noise or the seed is out of bounds, or the blur does not fit the size.
    """
    check_noise(noise_sigma)
    Settings(kernel_size=kernel_size, seed=seed)  # refuses what is out of the bounds for a kernel that is learned
    if blur.reach >= kernel_size / 2:
        raise UserError(
            f"A kernel of {kernel_size} px cannot hold this blur.",
            f"It reaches {blur.reach:g} px from its middle or more, and half of the kernel is {kernel_size / 2:g} px.",
            "Choose a larger kernel size, or less blur.",
        )
    kernels = _kernels(blur, kernel_size, np.random.default_rng(seed))
    name = next(name for name, kind in BLURS.items() if isinstance(blur, kind))
    about = {"kind": name, **asdict(blur), "kernel_size": kernel_size, "seed": seed}
    return PsfGrid(kernels, noise_sigma, light, about)


def _kernels(blur: Blur, k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """R x S x C x k x k, C being 1 or 3."""
    match blur:
        case GaussianBlur():
            across = blur.sigma if blur.sigma_across is None else blur.sigma_across
            return gaussian(k, across, blur.sigma, np.radians(blur.angle))[None, None, None]
        case DiscBlur():
            return disc(k, blur.radius)[None, None, None]
        case ComaBlur():
            return Lens(**asdict(blur) | {"angle": np.radians(blur.angle)}).kernels(k)[None, None]
        case ShakeBlur():
            return shake(k, blur.intensity, rng)[None, None, None]
        case LensBlur():
            return np.stack(
                [
                    [_lens_at(blur, row, col).kernels(k) for col in field_positions(blur.cols)]
                    for row in field_positions(blur.rows)
                ]
            )
    raise ValueError(f"there are no kernels for {blur!r}")


def _lens_at(blur: LensBlur, row: float, col: float) -> Lens:
    """What the lens is at a field position: what grows outwards is whole where `far` is 1, in the corners."""
    down, right = 2.0 * row - 1.0, (2.0 * col - 1.0) * blur.aspect
    far = float(np.hypot(down, right) / np.hypot(1.0, blur.aspect))
    return Lens(
        defocus=blur.defocus + blur.curvature * far**2,
        astigmatism=blur.astigmatism * far**2,
        coma=blur.coma * far,
        angle=float(np.arctan2(down, right)),
        lateral=blur.lateral * far,
        axial=blur.axial * far**2,
        diffraction=blur.diffraction,
        softness=blur.softness,
    )
