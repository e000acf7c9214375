"""Tiles: all of a photo, each pixel once, and no step where they meet."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.restore.restorer import Steps, drained
from ddm_gui.engine.restore.tiles import FADE, Tile, by_tiles, plan


@pytest.mark.parametrize("shape", [(5, 7), (64, 200), (129, 97), (300, 128)])
@pytest.mark.parametrize("tile", [80, 128])
def test_what_is_left_alone_comes_back(shape: tuple[int, int], tile: int) -> None:
    pixels = np.random.default_rng(0).random((*shape, 3), dtype=np.float32)
    seen = []

    def work(part: np.ndarray, where: Tile) -> Steps[np.ndarray]:
        seen.append(part.shape)
        np.testing.assert_array_equal(part, pixels[where.read])
        yield 0.5
        return part

    np.testing.assert_allclose(drained(by_tiles(pixels, tile, 16, work)), pixels, atol=1e-6)
    assert max(max(size[:2]) for size in seen) <= tile + 2 * 16


def test_a_difference_between_tiles_is_no_step() -> None:
    """Each tile one brighter than the one before: between neighbours there is no more than one share of the fade."""
    count = iter(range(100))

    def work(part: np.ndarray, _: Tile) -> Steps[np.ndarray]:
        yield 0.0
        return part + next(count)

    result = drained(by_tiles(np.zeros((40, 400, 1), np.float32), 128, 8, work))
    assert result.max() > 2
    assert np.abs(np.diff(result[..., 0], axis=1)).max() < 1.2 / FADE


def test_the_plan_depends_on_nothing_but_its_numbers() -> None:
    assert list(plan(300, 500, 128, 32)) == list(plan(300, 500, 128, 32))
    kept = [tile.written for tile in plan(300, 500, 128, 32)]
    covered = np.zeros((300, 500), dtype=int)
    for rows, cols in kept:
        covered[rows, cols] += 1
    assert covered.min() >= 1


def test_how_much_is_done_is_told_tile_by_tile() -> None:
    def work(part: np.ndarray, _: Tile) -> Steps[np.ndarray]:
        yield 0.0
        yield 0.5
        return part

    shares = list(by_tiles(np.zeros((40, 200, 1), np.float32), 128, 8, work))
    assert shares == [0.0, 0.25, 0.5, 0.75]
