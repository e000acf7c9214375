"""Noise read off degraded patches: right on simulated ones, whatever blurred them and whatever other photos show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ddm_gui.engine.blur.noise import PhotonNoise
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.flow import spectrum
from ddm_gui.engine.flow.spectrum import noise_floor, periodogram
from ddm_gui.engine.flow.whitening import PlainPixels
from ddm_gui.engine.matching import noise_fit
from ddm_gui.engine.matching.noise_fit import PhotonNoiseFit, listening_filter
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.photos.patches import PatchBatch, PatchPool
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import Lens, gaussian

SETTINGS = Settings(light="linear", noise_model="poisson-gaussian", kernel_size=15)
ROUND = gaussian(15, 1.3)[None]
COMA = Lens(coma=0.3, lateral=1.0, angle=0.6, softness=0.8).kernels(15)


class Shelf:
    """A pool of photos H x W x 3 of one size."""

    channels = 3

    def __init__(self, photos: Sequence[NDArray[np.float32]]) -> None:
        self.photos = torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)

    def draw(self, count: int, size: int, generator: torch.Generator, mirror: bool = False) -> PatchBatch:
        which = torch.randint(len(self.photos), (count,), generator=generator)
        first = torch.randint(self.photos.shape[-1] - size + 1, (count, 2), generator=generator)
        pixels = [
            self.photos[photo, :, row : row + size, col : col + size]
            for photo, (row, col) in zip(which, first, strict=True)
        ]
        return PatchBatch(torch.stack(pixels), *torch.zeros(2, count, 2))


@cache
def pictures(seed: int, brightness: float = 1.0) -> tuple[NDArray[np.float32], ...]:
    """Of leaves that are more often dark than bright, as in linear light."""
    rng = np.random.default_rng(seed)
    leaves = [np.kron(dead_leaves(160, 160, rng), np.ones((3, 3, 1))) for _ in range(6)]
    return tuple((brightness * picture**2).astype(np.float32) for picture in leaves)


def a_fit(noise: PhotonNoise, kernel: NDArray[np.float32] = ROUND, settings: Settings = SETTINGS) -> PhotonNoiseFit:
    rng = np.random.default_rng(3)
    degraded: PatchPool = Shelf([degrade(photo, kernel, noise, rng) for photo in pictures(1)])  # type: ignore[assignment]
    clean: PatchPool = Shelf(pictures(2, 0.8))  # type: ignore[assignment]
    power = periodogram(degraded, 0)
    simulation = Simulation(PlainPixels(3), 16, settings)
    return PhotonNoiseFit(degraded, clean, simulation, power, noise_floor(power))


@pytest.mark.parametrize(
    ("noise", "kernel"),
    [(PhotonNoise(0.01, 1e-4), ROUND), (PhotonNoise(0.002, 4e-4), COMA)],
    ids=["photons", "both"],
)
def test_both_variances_are_found(noise: PhotonNoise, kernel: NDArray[np.float32]) -> None:
    fit = a_fit(noise, kernel)
    found = fit.under(torch.from_numpy(kernel))
    assert found.shot == pytest.approx(noise.shot, rel=0.1)
    assert found.read == pytest.approx(noise.read, rel=0.15)
    assert found.sigma(fit.level) == pytest.approx(noise.sigma(fit.level), rel=0.03)


def test_noise_that_is_as_strong_everywhere_is_found_to_be_so() -> None:
    fit = a_fit(PhotonNoise(0.0, 4e-4))
    found = fit.under(torch.from_numpy(ROUND))
    assert found.read == pytest.approx(4e-4, rel=0.1)
    assert found.shot * fit.level < 0.05 * found.read


def test_noise_that_is_said_stays_and_its_growth_is_found() -> None:
    true = PhotonNoise(0.002, 4e-4)
    fit = a_fit(true, settings=SETTINGS.with_changes({"noise_sigma": 0.05}))
    found = fit.under(torch.from_numpy(ROUND))
    assert found.sigma(fit.level) == pytest.approx(0.05)
    assert found.shot / found.read == pytest.approx(true.shot / true.read, rel=0.2)


def test_photos_that_are_black_say_nothing() -> None:
    with pytest.raises(UserError, match="too dark"):
        a_fit(PhotonNoise(0.01, 0.25))


def test_the_filter_hears_noise_and_no_slope() -> None:
    rng = np.random.default_rng(0)
    power = periodogram(Shelf(pictures(1)), 0)  # type: ignore[arg-type]
    taps = listening_filter(power + 1e-4 * torch.eye(3), 1e-2)
    assert float(taps.square().sum()) == pytest.approx(1.0)
    ramp = torch.arange(40.0)[:, None] + 3 * torch.arange(40.0)
    for straight in (ramp, torch.rand(40, 1) * torch.ones(40)):  # a slope, level lines
        assert float(torch.nn.functional.conv2d(straight[None, None], taps).abs().max()) < 1e-3
    noise = torch.from_numpy(rng.standard_normal((1, 1, 400, 400))).float()
    assert float(torch.nn.functional.conv2d(noise, taps).var()) == pytest.approx(1.0, rel=0.05)


@pytest.fixture(autouse=True)
def few_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_fit, "PATCHES", 384)
    monkeypatch.setattr(spectrum, "PATCHES", spectrum.BATCH)
