"""Power spectra of folders: their scale, the noise they admit, and the width of a blur that they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ddm_gui.engine.flow import spectrum
from ddm_gui.engine.flow.spectrum import WINDOW, noise_floor, periodogram, spectral_start
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import Photo, find_photos, write
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian

SIGMA = 0.02
WIDTHS = (1.5, 2.5)  # px, along rows and columns
KERNEL = 15


@pytest.fixture(autouse=True)
def fewer_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code on fewer patches: these photos are small."""
    monkeypatch.setattr(spectrum, "PATCHES", 2 * spectrum.BATCH)


def pool_of(folder: Path, photos: list[np.ndarray]) -> PatchPool:
    """Photos, H x W x C, through 16-bit files into a pool."""
    folder.mkdir()
    for index, pixels in enumerate(photos):
        write(Photo(pixels.astype(np.float32), 16), folder / f"{index}.tif")
    run = PatchPool.load(find_photos([folder]), patch_size=WINDOW, channels=None, memory_budget_gb=1.0, seed=0)
    try:
        while True:
            pytest.fail(f"a photo was left out: {next(run)}")
    except StopIteration as done:
        pool: PatchPool = done.value
        return pool


@pytest.fixture(scope="module")
def leaves() -> list[np.ndarray]:
    """Generated pictures in colour, within [.1, .9] so that noise is not clipped."""
    return [0.1 + 0.8 * dead_leaves(192, 192, np.random.default_rng([5, index])) for index in range(3)]


@pytest.mark.parametrize("channels", [1, 3])
def test_white_noise_has_its_variance_at_every_frequency(tmp_path: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    photos = [0.5 + 0.1 * rng.standard_normal((400, 400, channels))]
    power = periodogram(pool_of(tmp_path / "noise", photos), 0)
    assert power.shape == (WINDOW, WINDOW, channels, channels)
    torch.testing.assert_close(power, power.mH)
    diagonal = torch.diagonal(power.real, dim1=2, dim2=3)
    radius = np.hypot(np.fft.fftfreq(WINDOW)[:, None], np.fft.fftfreq(WINDOW))
    for low in np.arange(1.5, 43, 4) / WINDOW:  # the mean was taken off, and the window spreads it over +-1
        ring = torch.from_numpy((radius >= low) & (radius < low + 4 / WINDOW))
        assert float(diagonal[ring].mean()) == pytest.approx(0.1**2, rel=0.06)
    beside = power - torch.diag_embed(torch.diagonal(power, dim1=2, dim2=3))
    assert float(beside.mean(dim=(0, 1)).abs().max()) < 0.05 * 0.1**2
    assert noise_floor(power) == pytest.approx(0.1, rel=0.12)  # the least of many means


def test_the_same_seed_gives_the_same_periodogram(tmp_path: Path, leaves: list[np.ndarray]) -> None:
    pool = pool_of(tmp_path / "leaves", leaves)
    assert torch.equal(periodogram(pool, 3), periodogram(pool, 3))
    assert not torch.equal(periodogram(pool, 3), periodogram(pool, 4))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_noise_of_blurred_photos_is_found(tmp_path: Path, leaves: list[np.ndarray], channels: int) -> None:
    """Where the blur removed the finest detail, what is left there is the noise."""
    kernel = gaussian(KERNEL, 2.0)[None]
    degraded = [
        degrade(photo[..., :channels], kernel, SIGMA, np.random.default_rng([6, i])) for i, photo in enumerate(leaves)
    ]
    found = noise_floor(periodogram(pool_of(tmp_path / "degraded", degraded), 0))
    assert found == pytest.approx(SIGMA, rel=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_spectral_start_has_the_width_of_the_blur(tmp_path: Path, leaves: list[np.ndarray], channels: int) -> None:
    kernel = gaussian(KERNEL, *WIDTHS)[None]
    photos = [photo[..., :channels] for photo in leaves]
    degraded = [degrade(photo, kernel, SIGMA, np.random.default_rng([6, i])) for i, photo in enumerate(photos)]
    spectra = [periodogram(pool_of(tmp_path / name, sides), 0) for name, sides in (("c", photos), ("d", degraded))]
    kernels, gains = spectral_start(spectra[1], spectra[0], SIGMA, KERNEL)
    assert kernels.shape == (channels, KERNEL, KERNEL)
    assert (kernels >= 0).all()
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(channels))
    torch.testing.assert_close(gains, torch.ones(channels), rtol=0.1, atol=0.0)
    for found in kernels:
        core = found.clamp_min(0.05 * float(found.max())) - 0.05 * float(found.max())  # without the faint far noise
        true = torch.from_numpy(kernel[0]).clamp_min(0.05 * float(kernel.max())) - 0.05 * float(kernel.max())
        for axis in (0, 1):
            assert width(core, axis) == pytest.approx(width(true, axis), rel=0.15)


def width(kernel: torch.Tensor, axis: int) -> float:
    """Standard deviation in px along an axis, about k//2."""
    profile = kernel.sum(dim=1 - axis) / kernel.sum()
    return float((profile * (torch.arange(len(profile)) - len(profile) // 2).square()).sum().sqrt())


def test_the_gain_is_the_contrast_and_the_start_is_blind_to_it(tmp_path: Path, leaves: list[np.ndarray]) -> None:
    photos = [photo[..., :1] for photo in leaves]
    pale = [0.5 + 0.6 * (photo - 0.5) for photo in photos]
    clean, faded = (periodogram(pool_of(tmp_path / name, side), 0) for name, side in (("c", photos), ("d", pale)))
    kernels, gains = spectral_start(faded, clean, 0.0, KERNEL)
    assert float(gains[0]) == pytest.approx(0.6, rel=0.01)
    assert kernels[0, KERNEL // 2, KERNEL // 2] > 0.9  # no blur at all


@pytest.mark.parametrize("size", [3, 24, 63])
def test_a_kernel_of_any_size_has_its_origin_in_the_middle(size: int) -> None:
    power = torch.ones(WINDOW, WINDOW, 1, 1, dtype=torch.complex64)
    kernels, _ = spectral_start(power, power, 0.0, size)
    assert kernels.shape == (1, size, size)
    assert kernels.argmax() == (size // 2) * size + size // 2


def test_noise_said_to_be_all_there_is_leaves_a_usable_start() -> None:
    power = torch.full((WINDOW, WINDOW, 1, 1), 0.01, dtype=torch.complex64)
    kernels, gains = spectral_start(power, power, 0.5, 9)
    assert kernels.isfinite().all()
    assert gains.isfinite().all()
    torch.testing.assert_close(kernels.sum(dim=(1, 2)), torch.ones(1))
