"""Total variation: what it takes for noise. Its results are judged in test_recipe, its tiles in test_plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.measurements import kernel_noise
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.tv import ERRING, TotalVariation
from ddm_gui.engine.simulate.leaves import dead_leaves


def test_the_error_of_a_learned_kernel_counts_as_noise() -> None:
    photo = Photo(dead_leaves(48, 48, np.random.default_rng(0)).mean(axis=2, keepdims=True), 16)
    sure = PsfGrid(np.full((1, 1, 1, 5, 5), 0.04, dtype=np.float32), 0.01)
    learned = replace(sure, kernel_error=0.01)
    error = kernel_noise(photo.pixels[..., 0], learned)
    assert error > 0.005
    assert kernel_noise(photo.pixels[..., 0], sure) == 0.0
    noisier = float(np.hypot(0.01, ERRING * error))
    found = restore_photo(photo, learned, Recipe(TotalVariation(noise_sigma=0.01)))
    expected = restore_photo(photo, sure, Recipe(TotalVariation(noise_sigma=noisier)))
    np.testing.assert_allclose(found.pixels, expected.pixels, atol=2e-4)
    plain = restore_photo(photo, sure, Recipe(TotalVariation(noise_sigma=0.01)))
    assert np.abs(found.pixels - plain.pixels).max() > 0.01
