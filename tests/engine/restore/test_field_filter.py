"""Filters over the field: both ways are what they are defined as, and tiles do not show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import convolve2d

from ddm_gui.engine.blur.field_blur import blur_field_same
from ddm_gui.engine.blur.psf import field_positions, node_weights
from ddm_gui.engine.restore.field_filter import gathered, spread

EXACT = 0.2 / 65535


def filters(rows: int, cols: int, size: int) -> np.ndarray:
    drawn = np.random.default_rng(size).random((rows, cols, size, size))
    return drawn / drawn.sum(axis=(2, 3), keepdims=True)


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(1).random((height, width), dtype=np.float32)


@pytest.mark.parametrize("nodes", [(1, 1), (3, 4), (1, 2)])
@pytest.mark.parametrize("tile", [17, 1000])
def test_gathered_is_the_mean_of_what_the_nodes_make_of_the_photo(nodes: tuple[int, int], tile: int) -> None:
    taps, pixels = filters(*nodes, 7), photo(50, 64)
    down, across = (
        node_weights(count, np.array(field_positions(length)))
        for count, length in zip(nodes, pixels.shape, strict=True)
    )
    expected = np.zeros(pixels.shape)
    for row, col in np.ndindex(nodes):
        expected += np.outer(down[row], across[col]) * convolve2d(pixels, taps[row, col], mode="same")
    found = gathered(pixels, taps, tile)
    np.testing.assert_allclose(found[3:-3, 3:-3], expected[3:-3, 3:-3], atol=EXACT)


@pytest.mark.parametrize("nodes", [(1, 1), (3, 4), (2, 1)])
@pytest.mark.parametrize("size", [5, 8])
@pytest.mark.parametrize("tile", [19, 1000])
def test_spread_is_the_blur_over_the_field(nodes: tuple[int, int], size: int, tile: int) -> None:
    kernels, pixels = filters(*nodes, size), photo(50, 64)
    expected = blur_field_same(pixels[..., None], kernels[:, :, None])[..., 0]
    inside = slice(size, -size)
    np.testing.assert_allclose(spread(pixels, kernels, tile)[inside, inside], expected[inside, inside], atol=EXACT)


@pytest.mark.parametrize("work", [gathered, spread])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (90, 75)])
def test_tiles_do_not_show_and_how_many_at_once_changes_no_bit(work: object, shape: tuple[int, int]) -> None:
    assert callable(work)
    taps, pixels = filters(3, 2, 9), photo(*shape)
    whole = work(pixels, taps, 1000)
    assert whole.shape == pixels.shape
    tiled = work(pixels, taps, 16, 1)
    assert np.abs(tiled - whole).max() < EXACT
    np.testing.assert_array_equal(work(pixels, taps, 16, 3), tiled)


def test_only_the_tiles_that_are_asked_for_are_worked_out() -> None:
    taps, pixels = filters(2, 2, 5), photo(64, 64)
    where = np.zeros(pixels.shape, dtype=bool)
    where[40, 50] = True
    asked = gathered(pixels, taps, 16, where=where)
    np.testing.assert_array_equal(asked[where], gathered(pixels, taps, 16)[where])
