"""A photo made ready for showing."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.gui.viewer.picture import picture


def test_values_are_rounded_to_8_bits_in_the_order_of_the_screen() -> None:
    pixels = np.zeros((2, 3, 3), np.float32)
    pixels[0, 0] = (1.0, 0.5, 0.0)
    shown = picture(pixels).levels[0]
    assert shown[0, 0].tolist() == [0, 128, 255, 255]
    assert shown.shape == (2, 3, 4)


def test_a_grey_photo_is_shown_grey() -> None:
    shown = picture(np.full((4, 4, 1), 0.2, np.float32)).levels[0]
    assert shown[1, 1].tolist() == [51, 51, 51, 255]


def test_a_photo_is_shown_from_its_black_to_its_white() -> None:
    pixels = np.array([[[0.1], [0.15], [0.3], [0.05], [0.9]]], np.float32)
    shown = picture(pixels, tones=(np.float32(0.1), np.float32(0.3))).levels[0]
    assert shown[0, :, 0].tolist() == [0, 64, 255, 0, 255]


def test_each_level_is_the_mean_of_the_one_before() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.random((601, 1100, 3), dtype=np.float32)
    levels = picture(pixels).levels
    assert [level.shape[:2] for level in levels] == [(601, 1100), (300, 550), (150, 275), (75, 137)]
    expected = levels[0][:2, :2].astype(float).mean(axis=(0, 1))
    assert np.abs(levels[1][0, 0] - expected).max() <= 0.5


@pytest.mark.parametrize(("zoom", "level"), [(4.0, 0), (1.0, 0), (0.51, 0), (0.5, 1), (0.2, 2), (0.001, 3)])
def test_the_level_has_at_least_a_pixel_for_each_pixel_of_the_screen(zoom: float, level: int) -> None:
    assert picture(np.zeros((601, 1100, 3), np.float32)).level_for(zoom) == level
