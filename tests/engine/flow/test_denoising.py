"""A denoiser by step 1's code: the noise that it is shown, and that it takes noise out of photos it has not seen."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch

from ddm_gui.engine import training
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, FlowProgress, Stage
from ddm_gui.engine.flow.denoising import DenoiserTraining, LivelyPixels, time_of, without_noise
from ddm_gui.engine.flow.velocity import VelocityNet
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import read
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.training import run

CPU = torch.device("cpu")
TINY = DenoiserSettings(patch_size=16, width=8, blocks=1, batch_size=8, seed=3, device="cpu")
SCENES = Path(skimage.__file__).parent / "data"


def pool_of(*names: str, patch_size: int = 32) -> PatchPool:
    loading = PatchPool.load(
        [SCENES / name for name in names], patch_size=patch_size, channels=None, memory_budget_gb=1.0, seed=0
    )
    return finish(loading)


def finish(running: Generator[Event, None, PatchPool]) -> PatchPool:
    while True:
        try:
            next(running)
        except StopIteration as done:
            pool: PatchPool = done.value
            return pool


@pytest.fixture(scope="module")
def photos() -> PatchPool:
    return pool_of("coffee.png", "chelsea.png")


def test_patches_have_noise_of_all_sizes_that_are_asked_for(photos: PatchPool) -> None:
    """What lies between y_t / t and the clean patch is sigma n, n white and of unit size."""
    settings = replace(TINY, batch_size=64, least_noise=0.01, most_noise=0.2)
    sample = DenoiserTraining(photos, settings, 64, CPU).sample(torch.Generator().manual_seed(0))
    clean = sample.y_t + (1 - sample.weight) * sample.target
    assert clean.min() >= -1.001
    assert clean.max() <= 1.001
    sigma = (sample.y_t / sample.weight - clean).std(dim=(1, 2, 3)) / 2
    assert 0.009 < sigma.min() < 0.02
    assert 0.17 < sigma.max() < 0.22
    assert 0.3 < float((sigma < 0.07).float().mean()) < 0.6, "half of the patches have little noise"
    torch.testing.assert_close(time_of(sigma), sample.t, rtol=0.03, atol=0.003)


def test_patches_are_turned_and_mirrored_and_keep_their_colours(photos: PatchPool) -> None:
    training_ = DenoiserTraining(photos, replace(TINY, batch_size=1), 64, CPU)
    seen = set()
    for seed in range(40):
        sample = training_.sample(torch.Generator().manual_seed(seed))
        clean = (sample.y_t + (1 - sample.weight) * sample.target + 1) / 2
        drawn = photos.draw(1, 16, torch.Generator().manual_seed(seed)).pixels
        ways = [drawn, drawn.flip(-1), drawn.flip(-2), drawn.flip(-1, -2)]
        ways += [way.mT for way in ways]
        alike = [torch.allclose(clean, way, atol=1e-4) for way in ways]
        assert any(alike)
        seen.add(alike.index(True))
    assert seen == set(range(8))


def test_the_velocity_of_white_noise_denoises_as_a_linear_filter() -> None:
    """A network that has learned nothing knows photos as white, of standard deviation 1/2 around grey."""
    noisy = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = without_noise(VelocityNet(3, 8, (1, 1, 1), LivelyPixels.sigma_data), noisy, 0.1)
    torch.testing.assert_close(found, 0.5 + (noisy - 0.5) * 0.5**2 / (0.5**2 + 0.1**2), rtol=1e-4, atol=1e-5)


def test_a_short_training_takes_noise_out_of_a_photo_it_has_not_seen() -> None:
    photos = pool_of("coffee.png", "chelsea.png", "rocket.jpg")
    learning = DenoiserTraining(photos, replace(TINY, patch_size=32, width=16, batch_size=8), 8 * 150, CPU)
    while learning.update < learning.updates:
        learning.step()
        learning.update += 1
    network = learning.result()
    clean = torch.tensor(read(SCENES / "astronaut.png").pixels[60:188, 160:288]).permute(2, 0, 1)[None]
    for sigma, least in ((15 / 255, 1.0), (50 / 255, 3.0)):
        noisy = clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            found = without_noise(network, noisy, sigma)
        before, after = (float(-10 * (one - clean).square().mean().log10()) for one in (noisy, found))
        assert after > before + least, (sigma, before, after)


def test_stopped_and_resumed_is_as_if_it_had_not_been_stopped(photos: PatchPool, tmp_path: Path) -> None:
    def learned(checkpoint: Path, stops: tuple[int, ...]) -> dict[str, torch.Tensor]:
        while True:
            learning = DenoiserTraining(photos, TINY, 8 * 12, CPU)
            going = run(learning, checkpoint, {})
            for event in going:
                if learning.update in stops and isinstance(event, FlowProgress):
                    assert event.stage is Stage.DENOISER
                    stops = tuple(stop for stop in stops if stop > learning.update)
                    going.close()
            if learning.update == learning.updates:
                return dict(learning.result().state_dict())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "REPORT_SECONDS", 0.0)
        once, twice = learned(tmp_path / "a", ()), learned(tmp_path / "b", (4, 9))
    assert all(torch.equal(once[name], twice[name]) for name in once)


# Its settings


def test_its_settings_are_those_of_step_1_on_plain_pixels() -> None:
    settings = replace(TINY, light="linear", clean_region=500).for_flow(8 * 12)
    assert (settings.patch_size, settings.width, settings.images_flow) == (16, 8, 96)
    assert (settings.light, settings.clean_region, settings.whiten) == ("linear", 500, False)


def test_it_reads_photos_as_a_project_does() -> None:
    project = Settings(clean_aperture="5.6", light="linear", seed=4, patch_size=64)
    settings = DenoiserSettings.beside(project, 3.0)
    assert (settings.clean_aperture, settings.light, settings.seed, settings.minutes) == ("5.6", "linear", 4, 3.0)
    assert settings.patch_size == DenoiserSettings().patch_size


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"minutes": 0.0}, "minutes"),
        ({"images": 1.5}, "images"),
        ({"least_noise": 0.2, "most_noise": 0.1}, "least_noise"),
        ({"patch_size": 50}, "patch_size"),
        ({"clean_aperture": "wide"}, "clean_aperture"),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        replace(TINY, **changes)  # type: ignore[arg-type]


def test_numbers_of_noise_are_of_a_range_of_one() -> None:
    assert DenoiserSettings().least_noise * 255 == pytest.approx(0.5, abs=0.02)
    assert DenoiserSettings().most_noise > 49 / 255, "what DPIR asks for first"
    np.testing.assert_allclose(float(time_of(torch.tensor(0.5))), 0.5)
