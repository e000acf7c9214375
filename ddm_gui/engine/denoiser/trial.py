"""What a denoiser of one's own is worth, measured on parts of clean photos that it has not seen."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ddm_gui.engine.blur.degradation import blur_valid
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.events import DenoiserMeasures, DenoiserTried, Event
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.denoisers import load_denoiser
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.scores import photo_psnr
from ddm_gui.engine.simulate.blurs import ComaBlur
from ddm_gui.engine.simulate.simulated_psf import simulated_psf
from ddm_gui.engine.training import draws

PARTS = 8
SIDE = 160  # px of a part that is restored
KERNEL_SIZE = 25  # px of the blur
DRAWN = SIDE + KERNEL_SIZE - 1  # px of a part before the blur takes its edge away
LEVELS = (15, 25, 50)  # of noise alone, of 255: those of the field's tables
NOISE = 0.02  # beside the blur
DRAW_PARTS = 7  # which random stream


def trial(file: Path, unseen: PatchPool, seed: int, device: torch.device) -> Generator[Event, None, DenoiserMeasures]:
    """Measures the denoiser of a file: each part is denoised, and it is restored from a known blur with noise.

    Args:
        file: as `load_denoiser` takes it.
        unseen: photos of which parts of DRAWN px can be drawn.
        seed: decides which parts, and their noise.
        device: where the network runs.

    Yields:
        DenoiserTried for each part.
    """
    network, psf = load_denoiser(file).to(device), _blur()
    recipes = Recipe(Wiener()), Recipe(Dpir(denoiser=str(file)))
    kernel = torch.tensor(psf.kernels[0, 0])
    rows = []
    for part in range(PARTS):
        generator = draws(seed, DRAW_PARTS, part)
        drawn = unseen.draw(1, DRAWN, generator).pixels
        sharp = drawn[..., KERNEL_SIZE // 2 :, KERNEL_SIZE // 2 :][..., :SIDE, :SIDE]
        gains = []
        for level in LEVELS:
            noisy = _with_noise(sharp, level / 255, generator)
            denoised = network.denoised(noisy.to(device), level / 255).cpu()
            gains.append(_psnr(denoised, sharp) - _psnr(noisy, sharp))
        blurred = Photo(_pixels(_with_noise(blur_valid(drawn, kernel), NOISE, generator).clamp(0, 1)), 16)
        restored = [restore_photo(blurred, psf, recipe, str(device)) for recipe in recipes]
        scores = [photo_psnr(photo.pixels, _pixels(sharp), KERNEL_SIZE) for photo in (blurred, *restored)]
        rows.append([*gains, *scores])
        yield DenoiserTried(part + 1, PARTS, *scores[1:])
    gain_15, gain_25, gain_50, before, wiener, dpir = (float(mean) for mean in np.mean(rows, axis=0))
    return DenoiserMeasures(gain_15, gain_25, gain_50, before, wiener, dpir, PARTS)


def _blur() -> PsfGrid:
    """A lens with coma that trefoil parts, the same for all colours."""
    psf = simulated_psf(ComaBlur(lateral=0.0), KERNEL_SIZE, NOISE)
    return replace(psf, kernels=psf.kernels[:, :, 1:2])


def _with_noise(photos: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    return photos + sigma * torch.randn(photos.shape, generator=generator)


def _pixels(photo: Tensor) -> NDArray[np.float32]:
    """1 x C x H x W as H x W x C."""
    return photo[0].permute(1, 2, 0).contiguous().numpy()


def _psnr(one: Tensor, other: Tensor) -> float:
    return photo_psnr(_pixels(one), _pixels(other), border=0)
