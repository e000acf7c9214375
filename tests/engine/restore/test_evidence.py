"""The evidence: a right kernel has it, a wrong one has not, and what is darker than black bears nothing out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import FLOAT, Photo
from ddm_gui.engine.restore.evidence import NOISE_LIKE, evidence
from ddm_gui.engine.restore.field_filter import spread
from ddm_gui.engine.restore.plan import TILE
from ddm_gui.engine.restore.recipe import Recipe, restore
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import disc, gaussian

NOISE = 0.01
SHARP = dead_leaves(160, 160, np.random.default_rng(1))
RIGHT, WRONG, NONE = gaussian(15, 1.5), disc(15, 2.0), gaussian(15, 0.1)


def psf_of(kernel: np.ndarray) -> PsfGrid:
    return PsfGrid(kernel[None, None, None], NOISE)


def photo_of(kernel: np.ndarray) -> Photo:
    pixels = degrade(SHARP, kernel[None], NOISE, np.random.default_rng(2))
    return Photo(np.minimum(pixels, 0.99), 8)  # nothing is clipped


@pytest.mark.parametrize(
    ("blur", "used", "believed"),
    [(RIGHT, RIGHT, True), (NONE, NONE, True), (NONE, WRONG, False), (NONE, RIGHT, False)],
    ids=["right", "none", "disc-on-sharp", "gaussian-on-sharp"],
)
def test_a_kernel_that_needs_light_darker_than_black_is_warned_of(
    blur: np.ndarray, used: np.ndarray, believed: bool
) -> None:
    found = restore(photo_of(blur), psf_of(used), Recipe()).evidence
    assert found is not None
    assert (found.rms <= NOISE_LIKE) == believed
    assert (found.warning == "") == believed


def residual_of(photo: Photo, restored: np.ndarray) -> np.ndarray:
    again = [spread(restored[..., channel], RIGHT[None, None], TILE) for channel in range(3)]
    return (photo.pixels - np.stack(again, axis=-1)) / NOISE


def test_what_is_darker_than_black_is_taken_for_black_but_of_floats() -> None:
    photo, restored = photo_of(RIGHT), SHARP - 0.2
    inside = (slice(20, -20), slice(20, -20))
    for depth, black in ((8, 0.0), (FLOAT, -np.inf)):
        found = evidence(replace(photo, depth=depth), restored, psf_of(RIGHT), [NOISE] * 3)
        expected = residual_of(photo, np.maximum(restored, np.float32(black)))
        np.testing.assert_allclose(found.residual[inside], expected[inside], atol=1e-2)


def test_a_colour_that_moved_is_seen_below_black_too() -> None:
    photo = photo_of(RIGHT)
    restored = SHARP.copy()
    restored[40:120, 40:120, 1] -= 2.0
    found = evidence(photo, restored, psf_of(RIGHT), [NOISE] * 3)
    edge = psf_of(RIGHT).size
    everything = residual_of(photo, restored)[edge:-edge, edge:-edge] * NOISE
    assert found.moved == pytest.approx(everything.mean(axis=(0, 1)).max(), rel=1e-3)
    assert found.moved > 0.5
