"""Wiener restoration: what it must not change, that tiles do not show, that it restores, and its measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import convolve2d

from ddm_gui.engine.blur.degradation import blur_same
from ddm_gui.engine.blur.field_blur import blur_field_same
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo, read
from ddm_gui.engine.restore import field_filter, measurements, recipe, wiener
from ddm_gui.engine.restore.measurements import (
    BLOCK,
    GRID,
    REACH,
    SignalSpectrum,
    measured_noise,
    measured_spectrum,
    passed_power,
)
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.recipe import Recipe
from ddm_gui.engine.restore.wiener import LENGTH, Wiener, WienerFilter, completed
from ddm_gui.engine.scores import photo_psnr
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import Lens, disc, gaussian

LENS = Lens(coma=0.3, lateral=2.0, angle=0.6, softness=0.8).kernels(15)
NATURAL = SignalSpectrum((-7.0, -2.2, 0.0, 0.0, 0.0, 0.0))


def psf(kernels: np.ndarray, noise_sigma: float | None = None) -> PsfGrid:
    return PsfGrid(kernels.reshape(1, 1, -1, *kernels.shape[-2:]), noise_sigma)


def restore_photo(photo: Photo, known: PsfGrid, noise_sigma: float | None = None) -> Photo:
    return recipe.restore_photo(photo, known, Recipe(Wiener(noise_sigma)))


def point(size: int) -> np.ndarray:
    kernel = np.zeros((size, size), dtype=np.float32)
    kernel[size // 2, size // 2] = 1.0
    return kernel


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return dead_leaves(300, 260, np.random.default_rng(1))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("size", [5, 8, 25])
@pytest.mark.parametrize("noise_sigma", [0.0, None])
def test_identity_kernel_returns_the_photo(sharp: np.ndarray, depth: int, size: int, noise_sigma: float | None) -> None:
    top = 2**depth - 1
    photo = Photo((np.round(sharp * top) / top).astype(np.float32), depth)
    restored = restore_photo(photo, psf(point(size), 0.0), noise_sigma)
    assert np.abs(restored.pixels - photo.pixels).max() < 0.5 / top
    assert restored.depth == depth


@pytest.mark.parametrize("kernel", [LENS[1], gaussian(12, 2.0), disc(9, 3.0)], ids=["lens", "even", "disc"])
def test_filter_has_its_stated_length_and_gain_one_at_frequency_zero(kernel: np.ndarray) -> None:
    taps = WienerFilter.design(kernel[None, None], 0.02, NATURAL).taps[0, 0]
    assert taps.shape == (LENGTH * kernel.shape[-1] + 1,) * 2
    assert taps.sum() == pytest.approx(1.0, abs=1e-12)
    even = Photo(np.full((40, 33, 1), 0.3, dtype=np.float32), 16)
    np.testing.assert_allclose(restore_photo(even, psf(kernel), 0.02).pixels, even.pixels, atol=1e-6)


def test_filter_undoes_the_blur_where_there_is_no_noise() -> None:
    kernel = gaussian(15, 0.6)
    taps = WienerFilter.design(kernel[None, None], 1e-6, NATURAL).taps[0, 0]
    both = convolve2d(taps, kernel)
    around = point(both.shape[0])
    np.testing.assert_allclose(both, around, atol=0.02)


@pytest.mark.parametrize("tile", [1000, 128, 61, 40])
def test_tiled_equals_whole(sharp: np.ndarray, tile: int) -> None:
    pixels = sharp[..., 0]
    wiener = WienerFilter.design(LENS[:1, None], 0.01, NATURAL)
    reach = wiener.taps.shape[-1] // 2
    whole = wiener.apply(pixels, tile=10_000)
    assert np.abs(wiener.apply(pixels, tile=tile) - whole).max() < 1 / 65535
    direct = convolve2d(pixels[:160, :160], wiener.taps[0, 0], mode="valid")
    np.testing.assert_allclose(whole[reach : 160 - reach, reach : 160 - reach], direct, atol=0.2 / 65535)


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (9, 3), (20, 400), (75, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_photos_of_any_size(shape: tuple[int, int], channels: int) -> None:
    pixels = np.random.default_rng(0).random((*shape, channels)).astype(np.float32)
    restored = restore_photo(Photo(pixels, 8), psf(LENS[1]))
    assert restored.pixels.shape == pixels.shape
    assert np.isfinite(restored.pixels).all()
    assert restored.pixels.min() >= 0.0
    assert restored.pixels.max() <= 1.0


def test_one_kernel_serves_all_colours_and_each_colour_may_have_its_own(sharp: np.ndarray) -> None:
    photo = Photo(np.minimum(sharp, 0.99), 8)
    one, each = restore_photo(photo, psf(LENS[1]), 0.02), restore_photo(photo, psf(LENS), 0.02)
    for channel in range(3):
        grey = restore_photo(Photo(photo.pixels[..., channel : channel + 1], 8), psf(LENS[1]), 0.02)
        np.testing.assert_array_equal(one.pixels[..., channel], grey.pixels[..., 0])
        grey = restore_photo(Photo(photo.pixels[..., channel : channel + 1], 8), psf(LENS[channel]), 0.02)
        np.testing.assert_array_equal(each.pixels[..., channel], grey.pixels[..., 0])


def test_metadata_is_kept(sharp: np.ndarray) -> None:
    photo = Photo(sharp[:40, :40], 16, orientation=6, source=Path("a.tif"), metadata=Metadata(b"exif", b"icc"))
    restored = restore_photo(photo, psf(LENS))
    for name in ("depth", "orientation", "source", "metadata"):
        assert getattr(restored, name) == getattr(photo, name)


@pytest.mark.parametrize(("kernels", "gain"), [(LENS, 2.5), (gaussian(15, 1.5)[None], 1.5), (disc(15, 3.0)[None], 2.0)])
def test_restores_a_noisy_photo(sharp: np.ndarray, kernels: np.ndarray, gain: float) -> None:
    degraded = degrade(sharp, kernels, 0.02, np.random.default_rng(0))
    degraded = (np.round(degraded * 255) / 255).astype(np.float32)
    restored = restore_photo(Photo(degraded, 8), psf(kernels))
    before, after = photo_psnr(degraded, sharp, 15), photo_psnr(restored.pixels, sharp, 15)
    assert after > before + gain


def test_noise_is_never_less_than_the_learned_one(sharp: np.ndarray) -> None:
    photo = Photo(degrade(sharp, LENS, 0.01, np.random.default_rng(0)), 8)
    measured, learned = restore_photo(photo, psf(LENS, 0.0)), restore_photo(photo, psf(LENS, 0.05))
    np.testing.assert_array_equal(learned.pixels, restore_photo(photo, psf(LENS), 0.05).pixels)
    np.testing.assert_allclose(measured.pixels, restore_photo(photo, psf(LENS), 0.01).pixels, atol=0.02)


def test_no_ringing_frame(sharp: np.ndarray) -> None:
    """A scene that goes on beyond the photo: the band along the edge gains too, and is not much worse than inside."""
    kernels = np.repeat(gaussian(13, 1.8)[None], 3, axis=0)
    cut = slice(40, 220)
    seen = degrade(sharp, kernels, 0.01, np.random.default_rng(0))[cut, cut]
    truth = sharp[cut, cut]
    restored = restore_photo(Photo(seen, 8), psf(kernels)).pixels
    band = np.ones(truth.shape[:2], dtype=bool)
    band[26:-26, 26:-26] = False
    before, after = (((photo - truth) ** 2) for photo in (seen, restored))
    assert after[band].mean() < 0.8 * before[band].mean()
    assert after[band].mean() < 1.3 * after[~band].mean()


@pytest.mark.parametrize("sigma", [0.005, 0.01, 0.02, 0.05])
@pytest.mark.parametrize("kernel", [LENS[1], gaussian(15, 1.0)], ids=["lens", "narrow"])
def test_noise_is_measured_in_the_photo(sharp: np.ndarray, sigma: float, kernel: np.ndarray) -> None:
    degraded = degrade(sharp[..., :1] * 0.8 + 0.1, kernel[None], sigma, np.random.default_rng(0))[..., 0]
    assert measured_noise(degraded, passed_power(kernel)) == pytest.approx(sigma, rel=0.1, abs=0.0005)


def test_texture_is_not_taken_for_noise(sharp: np.ndarray) -> None:
    blurred = blur_same(sharp, LENS)[..., 0]
    assert measured_noise(blurred, passed_power(LENS[0])) < 0.002
    assert measured_noise(np.full((30, 30), 0.5), passed_power(LENS[0])) == 0.0


@pytest.mark.parametrize("size", [1, 5, 151])
def test_passed_power_is_the_mean_of_the_kernels_own(size: int) -> None:
    kernels = np.random.default_rng(size).random((2, 3, size, size))
    kernels /= kernels.sum(axis=(-2, -1), keepdims=True)
    each = np.abs(np.fft.fft2(kernels, s=(GRID, GRID))) ** 2
    assert np.abs(passed_power(kernels) - each.mean(axis=(0, 1))).max() < 1e-12


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (40, 37), (1100, 130)])
def test_noise_of_the_flattest_blocks_is_that_of_the_whole(shape: tuple[int, int]) -> None:
    """Detail is worked out in these blocks alone, and is what it is in the whole photo: also at its edges."""
    pixels = np.random.default_rng(0).normal(0.5, 0.05, shape)
    parts = measurements._parts(pixels)
    flat = np.random.default_rng(1).random((len(parts), *(-(-length // BLOCK) for length in parts.shape[1:]))) < 0.5
    flat[0, 0, 0] = flat[-1, -1, -1] = True
    taps = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    whole = measurements._separable(measurements._separable(parts, taps), taps)
    chosen = np.repeat(np.repeat(flat, BLOCK, axis=1), BLOCK, axis=2)[:, : parts.shape[1], : parts.shape[2]]
    blocks = measurements._separable(measurements._separable(measurements._blocks(parts, flat), taps), taps)
    inside = blocks[:, REACH:-REACH, REACH:-REACH][measurements._of_the_photo(parts, flat)]
    assert np.array_equal(np.sort(inside), np.sort(whole[chosen]))


def test_the_same_whatever_the_number_of_cores(sharp: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = Photo(np.tile(sharp[..., :1], (3, 3, 1)), 16)  # more parts, bands and tiles than cores
    kernels = np.broadcast_to(LENS[:1], (2, 2, 1, *LENS.shape[1:])).astype(np.float32)
    found = []
    for count in (1, 3):
        for module in (measurements, field_filter, wiener, recipe):
            monkeypatch.setattr(module, "cores", lambda count=count: count)
        found.append(recipe.restore_photo(photo, PsfGrid(kernels, 0.001), Recipe(Wiener())).pixels)
    assert np.array_equal(*found)


def test_spectrum_of_a_known_field() -> None:
    """A Gaussian field with spectrum .01 f^-2, blurred and with noise: level and slope are found again."""
    rng = np.random.default_rng(0)
    radius = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512))
    radius[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((512, 512))) * 0.1 / radius, s=(512, 512))
    kernel = gaussian(15, 1.5)
    seen = blur_same(field[..., None], kernel[None])[..., 0] + 0.02 * rng.standard_normal((512, 512))
    level, slope, *around = measured_spectrum(seen, passed_power(kernel), 0.02).coefficients
    assert slope == pytest.approx(-2.0, abs=0.1)
    assert np.exp(level + slope * np.log(0.05)) == pytest.approx(0.01 / 0.05**2, rel=0.15)
    assert np.abs(around).max() < 0.1


def test_what_does_not_fit_is_refused(sharp: np.ndarray) -> None:
    with pytest.raises(UserError, match="1 colour channel"):
        restore_photo(Photo(sharp[..., :1], 8), psf(LENS))


def test_a_kernel_of_another_light_is_refused() -> None:
    photo = Photo(np.full((40, 40, 1), 0.5, np.float32), 16, light="linear")
    kernels = gaussian(9, 1.0)[None, None, None]
    with pytest.raises(UserError, match="linear light, and the PSF was learned in display light"):
        restore_photo(photo, PsfGrid(kernels, 0.01))
    assert restore_photo(photo, PsfGrid(kernels, 0.01, "linear")).light == "linear"


def test_real_photos_gain(shared_data: Path) -> None:
    """Kodak photos through the lens with noise .02: a mean of at least 2.5 dB, each at least 1.5 dB."""
    gains = []
    for path in sorted((shared_data / "photos" / "kodak24").glob("*.png"))[:6:2]:
        photo = read(path)
        degraded = degrade(photo.pixels, LENS, 0.02, np.random.default_rng(0))
        restored = restore_photo(Photo(degraded, 8), psf(LENS))
        gains.append(photo_psnr(restored.pixels, photo.pixels, 15) - photo_psnr(degraded, photo.pixels, 15))
    assert min(gains) > 1.5
    assert np.mean(gains) > 2.5


def over_the_field(rows: int = 3, cols: int = 4, size: int = 15) -> PsfGrid:
    """Coma that points away from the middle and grows towards the corners, with lateral colour."""
    grid = np.empty((rows, cols, 3, size, size), dtype=np.float32)
    for row, col in np.ndindex(rows, cols):
        down, right = 2 * row / (rows - 1) - 1, 2 * col / (cols - 1) - 1
        far = float(np.hypot(down, right))
        lens = Lens(defocus=0.1, coma=0.3 * far, lateral=1.5 * far, angle=float(np.arctan2(down, right)), softness=0.6)
        grid[row, col] = lens.kernels(size)
    return PsfGrid(grid, 0.01)


def test_equal_nodes_are_one_kernel(sharp: np.ndarray) -> None:
    photo = Photo(blur_same(sharp, LENS), 8)
    once = restore_photo(photo, psf(LENS, 0.01)).pixels
    many = restore_photo(photo, PsfGrid(np.broadcast_to(LENS, (3, 2, *LENS.shape)), 0.01)).pixels
    np.testing.assert_allclose(many, once, atol=1e-5)


@pytest.mark.parametrize("tile", [64, 101])
def test_tiled_equals_whole_where_the_kernel_changes(sharp: np.ndarray, tile: int) -> None:
    wiener = WienerFilter.design(over_the_field().kernels[:, :, 0], 0.01, NATURAL)
    whole = wiener.apply(sharp[..., 0], 10_000)
    assert np.abs(wiener.apply(sharp[..., 0], tile) - whole).max() < 1 / 65535


def test_neither_brightness_nor_colour_drifts_over_the_field() -> None:
    even = Photo(np.full((90, 120, 3), (0.2, 0.5, 0.7), dtype=np.float32), 16)
    np.testing.assert_allclose(restore_photo(even, over_the_field(), 0.02).pixels, even.pixels, atol=1e-6)


def test_each_place_is_restored_by_its_own_kernel(sharp: np.ndarray) -> None:
    field = over_the_field()
    blurred = blur_field_same(sharp, field.kernels)
    degraded = np.clip(blurred + 0.01 * np.random.default_rng(0).standard_normal(sharp.shape), 0, 1)
    photo = Photo(degraded.astype(np.float32), 8)
    mean = PsfGrid(field.kernels.mean(axis=(0, 1), keepdims=True), 0.01)
    before, by_one, by_field = (
        photo_psnr(pixels, sharp, 15)
        for pixels in (photo.pixels, restore_photo(photo, mean).pixels, restore_photo(photo, field).pixels)
    )
    assert by_field > before + 1.5
    assert by_field > by_one + 0.5


def test_a_white_sky_is_completed_along_its_rim_only() -> None:
    """Nowhere darker than white, nothing of what was seen changed, and its middle left alone."""
    seen = 0.3 + 0.4 * dead_leaves(220, 240, np.random.default_rng(2))[..., 0]
    seen[:160, 20:220] = 1.5
    pixels = np.minimum(blur_same(seen[..., None], LENS[:1])[..., 0], 1.0)
    known = pixels < 1.0
    again = WienerFilter.design(LENS[:1, None], 0.01, NATURAL, blurred_again=True)
    found = completed(pixels, known, again, Plan())
    np.testing.assert_array_equal(found[known], pixels[known])
    assert found.min() == pixels.min()
    assert (found[~known] >= 1.0).all()
    assert (found[:90, 95:145] == 1.0).all()
    assert found[150:158, 60:180].mean() > 1.005
