"""Plans follow from settings alone; where memory asks for another one, that is said and the photo restored all the
same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.plan import Budget, Plan, check_size, plans, told, within
from ddm_gui.engine.restore.recipe import Recipe, restore
from ddm_gui.engine.restore.restorer import Blurred, Pixels, Steps
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.engine.simulate.optics import gaussian

PSF = PsfGrid(gaussian(9, 1.0)[None, None, None], 0.01)
PHOTO = Photo((0.1 + 0.8 * dead_leaves(150, 140, np.random.default_rng(0))).astype(np.float32), 8)


def test_the_batch_is_halved_then_the_tile_then_it_is_the_turn_of_the_cpu() -> None:
    found = [(plan.at_once, plan.tile, plan.device) for plan in plans(Plan(512, 4, "cuda:0"))]
    on_gpu, on_cpu = found[:5], found[5:]
    assert on_gpu == [
        (4, 512, "cuda:0"),
        (2, 512, "cuda:0"),
        (1, 512, "cuda:0"),
        (1, 256, "cuda:0"),
        (1, 128, "cuda:0"),
    ]
    assert on_cpu == [(at_once, tile, "cpu") for at_once, tile, _ in on_gpu]


def test_a_budget_makes_tiles_smaller_and_that_is_told() -> None:
    def needs(channels: int, plan: Plan) -> float:
        return channels * 4000.0 * plan.tile**2 * plan.at_once

    usual, shape = Plan(512, 2), (1000, 1000, 3)
    assert within(Budget(16.0), usual, shape, needs) == usual
    assert told(usual, usual, usual) == ""
    small = within(Budget(2.0), usual, shape, needs)
    assert small == Plan(256, 1)
    assert told(usual, small, small) == (
        "The memory for a photo is limited: restored in tiles of 256 px, not 512, 1 at once, not 2."
    )
    assert within(Budget(1.0), usual, shape, needs) == Plan(128, 1)
    with pytest.raises(UserError, match="memory_budget"):
        within(Budget(1.0), usual, (2000, 2000, 3), needs)


def test_a_photo_that_cannot_be_restored_within_the_budget_is_refused() -> None:
    check_size((10_000, 10_000, 3), Budget(16.0))
    with pytest.raises(UserError, match=r"10000 x 10000 pixels needs .* GB .*is 2 GB"):
        check_size((10_000, 10_000, 3), Budget(2.0))
    with pytest.raises(UserError, match="memory_budget"):
        Budget(0.5)


def test_every_restorer_states_what_its_tiles_need() -> None:
    for restorer in (Wiener(), TotalVariation()):
        needs = [restorer.bytes_of_tiles(PSF, 3, plan) for plan in plans(restorer.usual_plan("cpu"))]
        assert needs == sorted(needs, reverse=True)
        assert 1e5 < needs[-1] < needs[0] < 2e9


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("cuFFT: CUFFT_ALLOC_FAILED")],
)
def test_what_runs_out_of_memory_goes_on_with_less(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    tried = []
    by_plan = Wiener.restoring

    def hungry(self: Wiener, blurred: Blurred, plan: Plan) -> Steps[Pixels]:
        tried.append(plan)
        if plan.device != "cpu" or plan.tile > 256:
            raise error
        return by_plan(self, blurred, plan)

    monkeypatch.setattr(Wiener, "restoring", hungry)
    monkeypatch.setattr(Wiener, "usual_plan", lambda self, device: Plan(512, 2, device))
    found = restore(PHOTO, PSF, Recipe(), "cuda:0")
    assert tried[-1] == Plan(256, 1, "cpu")
    assert found.plan.startswith("Memory ran out: restored on the CPU, not on cuda:0, in tiles of 256 px")
    monkeypatch.setattr(Wiener, "restoring", by_plan)
    monkeypatch.setattr(Wiener, "usual_plan", lambda self, device: Plan(256, 1))
    np.testing.assert_array_equal(restore(PHOTO, PSF, Recipe()).photo.pixels, found.photo.pixels)


def test_no_memory_at_all_is_told_and_other_errors_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(self: Wiener, *_: object) -> np.ndarray:
        raise MemoryError

    def faulty(self: Wiener, *_: object) -> np.ndarray:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Wiener, "restoring", hungry)
    with pytest.raises(UserError, match="not enough memory"):
        restore(PHOTO, PSF, Recipe())
    monkeypatch.setattr(Wiener, "restoring", faulty)
    with pytest.raises(RuntimeError, match="shapes"):
        restore(PHOTO, PSF, Recipe())
