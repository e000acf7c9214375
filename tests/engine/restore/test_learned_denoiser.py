"""A denoiser that was learned, where it is used: plug-and-play restoration, done in tiles and whole."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.events import Event
from ddm_gui.engine.flow.denoising import DenoiserTraining
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import Photo, read
from ddm_gui.engine.restore.denoiser_files import DenoiserAbout
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.learned_denoiser import LearnedDenoiser
from ddm_gui.engine.restore.plan import Plan
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.optics import Lens

SCENES = Path(skimage.__file__).parent / "data"
PSF = PsfGrid(Lens(coma=0.3, lateral=1.0, angle=0.6, softness=0.8).kernels(15)[None, None], 0.02)


@pytest.fixture
def learned(tmp_path: Path) -> Path:
    """Learned for a moment; as deep as the real one, for how far it looks is what matters."""
    settings = DenoiserSettings(patch_size=32, batch_size=8, width=16, device="cpu")
    scenes = [SCENES / name for name in ("coffee.png", "chelsea.png", "rocket.jpg")]
    pool = loaded(PatchPool.load(scenes, patch_size=32, channels=None, memory_budget_gb=1.0, seed=0))
    training = DenoiserTraining(pool, settings, 8 * 60, torch.device("cpu"))
    while training.update < training.updates:
        training.step()
        training.update += 1
    path = tmp_path / "denoiser.safetensors"
    LearnedDenoiser(training.result(), DenoiserAbout(3, settings, (), {}, "2026-01-01T00:00:00")).save(path)
    return path


def loaded(loading: Generator[Event, None, PatchPool]) -> PatchPool:
    while True:
        try:
            next(loading)
        except StopIteration as done:
            pool: PatchPool = done.value
            return pool


def test_tiled_is_whole(learned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 1 of 255 anywhere, a tenth of that rms."""
    sharp = read(SCENES / "astronaut.png").pixels[:270, 100:400]
    photo = Photo(degrade(sharp, PSF.kernels[0, 0], 0.02, np.random.default_rng(0)), 16)
    restorer = Dpir(denoiser=str(learned))
    whole = restore_photo(photo, PSF, Recipe(restorer)).pixels
    monkeypatch.setattr(Dpir, "usual_plan", lambda self, device: Plan(tile=160))
    difference = restore_photo(photo, PSF, Recipe(restorer)).pixels - whole
    assert difference.any()
    assert np.abs(difference).max() < 1 / 255
    assert np.sqrt(np.square(difference).mean()) < 1 / 2550
