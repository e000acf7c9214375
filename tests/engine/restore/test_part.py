"""A part of a photo is restored as the photo is."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.blur.field_blur import blur_field_same
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.part import part_of
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian

ROWS, COLS = slice(80, 160), slice(30, 110)


def grid(rows: int, cols: int) -> PsfGrid:
    kernels = [[gaussian(9, 0.7 + 0.3 * row, 0.8 + 0.2 * col) for col in range(cols)] for row in range(rows)]
    confidence = np.linspace(0.4, 1.0, rows * cols, dtype=np.float32).reshape(rows, cols, 1)
    return PsfGrid(np.array(kernels)[:, :, None], 0.01, confidence=confidence)


@pytest.mark.parametrize("restorer", [Wiener(noise_sigma=0.01), TotalVariation(noise_sigma=0.01)])
@pytest.mark.parametrize("nodes", [(1, 1), (3, 2)])
def test_what_becomes_of_a_part_is_what_becomes_of_it_in_the_photo(restorer: Restorer, nodes: tuple[int, int]) -> None:
    psf, rng = grid(*nodes), np.random.default_rng(0)
    sharp = 0.2 + 0.6 * dead_leaves(240, 200, np.random.default_rng(1))[..., :1]
    pixels = blur_field_same(sharp, psf.kernels) + 0.01 * rng.standard_normal(sharp.shape).astype(np.float32)
    photo = Photo(np.clip(pixels, 0, 1).astype(np.float32), 16)
    whole = restore_photo(photo, psf, Recipe(restorer)).pixels[ROWS, COLS]
    part = part_of(photo, psf, ROWS, COLS, restorer.halo(psf))
    np.testing.assert_array_equal(part.photo.pixels[part.inside], photo.pixels[ROWS, COLS])
    alone = restore_photo(part.photo, part.psf, Recipe(restorer)).pixels[part.inside]
    apart, corrected = (np.abs(whole - other).mean() for other in (alone, photo.pixels[ROWS, COLS]))
    assert apart < 0.5 / 255  # Wiener measures another spectrum in the part
    assert apart < 0.5 * corrected


def test_kernels_and_confidence_of_a_part_are_those_of_its_place() -> None:
    psf = grid(3, 3)
    part = part_of(Photo(np.zeros((101, 201, 3), np.float32), 8), psf, slice(60, 91), slice(10, 61), 10)
    assert part.photo.pixels.shape == (51, 71, 3)
    assert part.inside == (slice(10, 41), slice(10, 61))
    np.testing.assert_allclose(part.psf.at(0.0, 0.0), psf.at(0.5, 0.0), atol=1e-6)
    np.testing.assert_allclose(part.psf.at(1.0, 1.0), psf.at(1.0, 0.35), atol=1e-6)
    np.testing.assert_allclose(part.psf.at(0.5, 0.5), psf.at(0.75, 0.175), atol=1e-6)
    assert part.psf.confidence is not None
    assert part.psf.confidence[0, 0, 0] == pytest.approx(float(psf.confidence[1, 0, 0]))  # type: ignore[index]


def test_at_an_edge_there_is_no_more_around_it() -> None:
    photo = Photo(np.zeros((50, 60, 1), np.float32), 8)
    part = part_of(photo, grid(1, 1), slice(0, 50), slice(50, 60), 20)
    assert part.photo.pixels.shape == (50, 30, 1)
    assert part.inside == (slice(0, 50), slice(20, 30))
