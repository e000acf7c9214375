"""Camera shake: what its numbers do to the path, and that the kernel keeps the conventions."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.blur.psf import centroid
from ddm_gui.engine.simulate.shake import shake, shake_path

SIZE = 25
DIAGONAL = SIZE * np.sqrt(2.0)


def length(path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def crookedness(path: np.ndarray) -> float:
    """How much longer than the way between its ends a path is: 0 for a straight line."""
    return 1.0 - float(np.linalg.norm(path[-1] - path[0])) / length(path)


def paths(intensity: float, count: int = 600) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [shake_path(SIZE, intensity, rng) for _ in range(count)]


@pytest.mark.parametrize("intensity", [0.0, 0.5, 1.0])
def test_paths_are_as_long_as_the_procedure_says(intensity: float) -> None:
    """.75 of the diagonal times the sum of two uniform numbers, the second up to the intensity squared."""
    lengths = np.array([length(path) for path in paths(intensity)]) / (0.75 * DIAGONAL)
    spread = np.sqrt((1.0 + intensity**4) / 12.0)
    assert lengths.mean() == pytest.approx((1.0 + intensity**2) / 2.0, abs=4.0 * spread / np.sqrt(len(lengths)))
    assert lengths.std() == pytest.approx(spread, rel=0.1)
    assert lengths.max() <= 1.0 + intensity**2


def test_steps_are_smaller_and_more_where_the_intensity_is_high() -> None:
    means = []
    for intensity in (0.0, 0.5, 1.0):
        steps = np.concatenate([np.linalg.norm(np.diff(path, axis=0), axis=1)[:-1] for path in paths(intensity, 200)])
        means.append(steps.mean() / DIAGONAL)
    # The mean of Beta(1, 30) is 1/31; steps that are cut at the end of a path are the longer ones.
    assert means == pytest.approx([1.1 / 31, 0.6 / 31, 0.1 / 31], rel=0.15)


def test_no_intensity_is_a_straight_line_and_more_is_more_crooked() -> None:
    assert max(crookedness(path) for path in paths(0.0, 50)) < 1e-9
    low, middle, high = (float(np.median([crookedness(path) for path in paths(value)])) for value in (0.2, 0.6, 1.0))
    assert 0.0 < low < middle / 3 < high / 3


def test_all_directions_are_alike() -> None:
    ends = np.array([path[-1] for path in paths(0.0)])
    angles = np.arctan2(ends[:, 0], ends[:, 1])
    quarters = np.histogram(angles, bins=4, range=(-np.pi, np.pi))[0]
    assert quarters.min() > 0.2 * len(angles)


@pytest.mark.parametrize("size", [9, 24, 25, 63])
@pytest.mark.parametrize("intensity", [0.0, 0.5, 1.0])
def test_a_kernel_keeps_the_conventions_and_loses_no_light_at_its_edge(size: int, intensity: float) -> None:
    for seed in range(8):
        kernel = shake(size, intensity, np.random.default_rng(seed))
        assert kernel.shape == (size, size)
        assert kernel.dtype == np.float32
        assert kernel.min() >= 0.0
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
        assert centroid(kernel) == pytest.approx((size // 2, size // 2), abs=1e-3)
        edge = np.concatenate([kernel[0], kernel[-1], kernel[:, 0], kernel[:, -1]])
        assert edge.max() < 0.1 * kernel.max()


def test_a_straight_kernel_is_as_long_as_its_path_and_thin() -> None:
    lengths = {seed: length(shake_path(SIZE, 0.0, np.random.default_rng(seed))) for seed in range(20)}
    seed = next(seed for seed, value in lengths.items() if 8.0 < value < 18.0)
    path = shake_path(SIZE, 0.0, np.random.default_rng(seed))
    row, col = (path[-1] - path[0]) / length(path)
    kernel = shake(SIZE, 0.0, np.random.default_rng(seed)).astype(np.float64)
    rows, cols = np.indices(kernel.shape) - SIZE // 2
    softness = 2 * 0.01**2 * SIZE**2 + 1 / 12  # variance by the Gaussian and by the pixels
    along, across = (kernel * (rows * row + cols * col) ** 2).sum(), (kernel * (rows * col - cols * row) ** 2).sum()
    assert along == pytest.approx(length(path) ** 2 / 12 + softness, rel=0.02)
    assert across == pytest.approx(softness, rel=0.15)


def test_the_same_seed_gives_the_same_kernel() -> None:
    one, again, other = (shake(SIZE, 0.5, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.01
