"""Scores: known answers, and what they may and may not see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import shift as moved

from ddm_gui.engine.blur.psf import centred, centroid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import Photo, write
from ddm_gui.engine.scores import (
    best_isotropic_gaussian,
    colour_shift_error,
    kernel_ncc,
    kernel_psnr,
    photo_psnr,
    photo_ssim,
    score_folders,
    zero_phase,
)
from ddm_gui.engine.simulate.optics import Lens, gaussian

LENS = Lens(defocus=0.1, coma=0.3, lateral=2.0, angle=0.6, softness=0.7)


def brute_force_ncc(one: np.ndarray, other: np.ndarray) -> float:
    """Straight from the definition, for kernels of the same size."""
    size = one.shape[-1]
    side = 2 * size
    padded = []
    for kernels in (centred(one), centred(other)):
        stack = np.zeros((*kernels.shape[:-2], side, side))
        stack[..., side // 2 - size // 2 :, side // 2 - size // 2 :][..., :size, :size] = kernels
        padded.append(stack - stack.mean())
    norm = np.sqrt((padded[0] ** 2).sum() * (padded[1] ** 2).sum())
    shifts = range(-3, 4)
    return max((np.roll(padded[0], (a, b), (-2, -1)) * padded[1]).sum() / norm for a in shifts for b in shifts)


def test_ncc_is_one_for_itself_and_follows_its_definition() -> None:
    lens, blob = LENS.kernels(21), np.repeat(gaussian(21, 2.0)[None], 3, axis=0)
    assert kernel_ncc(lens, lens) == pytest.approx(1.0, abs=1e-6)
    assert kernel_ncc(blob, lens) == pytest.approx(brute_force_ncc(blob, lens), abs=1e-3)


def test_ncc_forgives_a_shift_of_all_colours_but_not_of_one() -> None:
    lens = LENS.kernels(25)
    together = moved(lens, (0, 2, -1), order=1)
    assert kernel_ncc(together, lens) == pytest.approx(1.0, abs=2e-3)
    red_only = lens.copy()
    red_only[0] = moved(lens[0], (2, 2), order=1)
    assert kernel_ncc(red_only, lens) < 0.95


def test_ncc_of_a_grid_allows_one_shift_for_all_nodes() -> None:
    one, other = gaussian(15, 1.5), moved(gaussian(15, 1.5), (2, 0), order=1)
    grid = np.stack([one, other])[None, :, None]
    assert kernel_ncc(grid, grid) == pytest.approx(1.0, abs=1e-6)
    assert kernel_ncc(grid[:, ::-1], grid) < 0.8


def test_ncc_compares_sizes_and_one_channel_with_three() -> None:
    small, large = gaussian(15, 1.5), gaussian(24, 1.5)
    assert kernel_ncc(small, large) == pytest.approx(1.0, abs=1e-4)
    three = np.repeat(large[None], 3, axis=0)
    assert kernel_ncc(small[None], three) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(ValueError, match="cannot be compared"):
        kernel_ncc(np.zeros((2, 1, 1, 5, 5)), np.zeros((1, 1, 1, 5, 5)))


def test_a_flat_kernel_is_nothing_like_a_point() -> None:
    assert kernel_ncc(np.full((15, 15), 1 / 225), gaussian(15, 0.5)) < 0.3


def test_kernel_psnr_follows_its_definition() -> None:
    one, other = gaussian(15, 1.5), gaussian(25, 2.0)
    assert kernel_psnr(other, other) == float("inf")
    padded = np.pad(one, 5)
    assert kernel_psnr(one, other) == pytest.approx(-10 * np.log10(np.mean((padded - other) ** 2)), abs=0.01)
    assert kernel_psnr(2.0 * one, other) == pytest.approx(kernel_psnr(one, other), abs=1e-6)


def test_colour_shift_error_in_pixels() -> None:
    blobs = np.stack([moved(gaussian(25, 1.5), (0, shift), order=3) for shift in (1.0, 0.0, -1.0)])
    plain = np.repeat(gaussian(25, 1.5)[None], 3, axis=0)
    assert colour_shift_error(blobs, blobs) == pytest.approx(0.0, abs=1e-9)
    assert colour_shift_error(plain, blobs) == pytest.approx(1.0, abs=0.01)
    assert colour_shift_error(moved(blobs, (0, 1, 1), order=1), blobs) == pytest.approx(0.0, abs=0.01)
    with pytest.raises(ValueError, match="three channels"):
        colour_shift_error(plain[:1], plain[:1])


def test_zero_phase_keeps_the_power_spectrum_and_loses_the_direction() -> None:
    lens = LENS.kernels(25)
    blind = zero_phase(lens)
    assert blind.sum(axis=(1, 2)) == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(blind, blind[:, ::-1, ::-1], atol=1e-6)
    assert centroid(blind) == pytest.approx((12.0, 12.0), abs=0.1)
    round_one = gaussian(25, 2.0)
    np.testing.assert_allclose(zero_phase(round_one), round_one, atol=1e-4)
    assert kernel_ncc(blind, lens) < 0.95


def test_best_isotropic_gaussian_finds_the_width() -> None:
    truth = np.stack([gaussian(21, sigma) for sigma in (1.5, 2.0, 2.5)])
    assert kernel_ncc(best_isotropic_gaussian(truth), truth) > 0.999
    lens = LENS.kernels(25)
    best = kernel_ncc(best_isotropic_gaussian(lens)[1], lens[1])
    assert all(best >= kernel_ncc(gaussian(25, sigma), lens[1]) - 1e-3 for sigma in (1.0, 1.5, 2.0, 2.5, 3.0))


def test_photo_psnr_and_ssim_leave_the_border_out() -> None:
    sharp = np.random.default_rng(0).random((40, 30, 3)).astype(np.float32)
    other = sharp.copy()
    other[5:-5, 5:-5] += 0.1
    assert photo_psnr(other, sharp, 5) == pytest.approx(20.0, abs=1e-3)
    assert photo_psnr(other, sharp, 0) > 20.5
    assert photo_ssim(sharp, sharp, 5) == pytest.approx(1.0)
    assert photo_ssim(np.roll(sharp, 1, axis=0), sharp, 5) < 0.2
    with pytest.raises(ValueError, match="different sizes"):
        photo_psnr(sharp[1:], sharp, 0)
    with pytest.raises(ValueError, match="inside a border"):
        photo_ssim(sharp, sharp, 13)


def test_folders_are_matched_by_stem(tmp_path: Path) -> None:
    pixels = np.full((20, 20, 3), 51 / 255, dtype=np.float32)
    for folder in ("restored", "sharp", "other"):
        (tmp_path / folder).mkdir()
    write(Photo(pixels, 8), tmp_path / "sharp" / "a.png")
    write(Photo(pixels, 8), tmp_path / "sharp" / "unmatched.png")
    write(Photo(pixels + np.float32(51 / 255), 8), tmp_path / "restored" / "a.tif")
    score = score_folders(tmp_path / "restored", tmp_path / "sharp", 2)
    assert score.count == 1
    assert score.psnr_mean == pytest.approx(-20 * np.log10(0.2), abs=1e-3)
    assert score.lpips_mean is None
    sizes: list[tuple[int, ...]] = []

    def distance(one: np.ndarray, other: np.ndarray) -> float:
        sizes.extend((one.shape, other.shape))
        return float(one.mean() - other.mean())

    judged = score_folders(tmp_path / "restored", tmp_path / "sharp", 2, distance)
    assert judged.lpips_mean == pytest.approx(0.2, abs=1e-6)
    assert sizes == [(16, 16, 3)] * 2
    write(Photo(pixels, 8), tmp_path / "other" / "b.png")
    with pytest.raises(UserError, match="has the name of a photo"):
        score_folders(tmp_path / "other", tmp_path / "sharp", 2)
    with pytest.raises(UserError, match="cannot be compared"):
        score_folders(tmp_path / "restored", tmp_path / "sharp", 9)
    write(Photo(pixels, 8), tmp_path / "sharp" / "a.tif")
    with pytest.raises(UserError, match="two photos called a"):
        score_folders(tmp_path / "restored", tmp_path / "sharp", 2)
