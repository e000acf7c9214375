"""Presets are valid, hold the paper's numbers, and leave alone what they do not decide."""

from __future__ import annotations

from typing import Any

import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.presets import PRESETS, preset, preset_of, with_preset
from ddm_gui.engine.settings import Settings


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_valid(name: str) -> None:
    settings = preset(name)
    assert all(getattr(settings, key) == value for key, value in PRESETS[name].items())


def test_a_preset_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="no preset called 'slow'") as caught:
        preset("slow")
    assert "quick" in caught.value.todo


@pytest.mark.parametrize("name", ["paper-ffhq-motion", "paper-ffhq-gaussian"])
def test_the_papers_presets_are_the_papers_numbers(name: str) -> None:
    found = preset(name)
    assert (found.patch_size, found.width, found.multiples, found.blocks) == (256, 32, (1, 2, 3, 4), 1)
    assert (found.attention, found.dropout, found.network, found.whiten) == (32, 0.2, "unet", False)
    assert (found.batch_size, found.accumulate, found.flow_rate) == (32, 8, 1e-2)
    assert (found.images_flow, found.images_pretrain, found.ema_relative_std) == (5 * 2**20, 0, 0.05)
    assert (found.kernel_size, found.channels, found.start) == (28, 1, "random")
    assert (found.procedure, found.parametrisation, found.free_gain) == ("alternating", "normalised", False)
    assert (found.alternating_rate, found.auxiliary_rate, found.images_kernel) == (4e-5, 1e-5, 2**20)
    assert (found.centre_weight, found.sparse_weight, found.gaussian_weight, found.sum_weight) == (0, 1, 0, 0)
    assert found.noise_sigma == 0.02


@pytest.mark.parametrize(
    ("name", "size", "channels", "noise", "width", "blocks", "dropout", "priors", "images"),
    [
        ("paper-lens", 27, 1, 0.01, 64, 2, 0.0, (0.01, 0.1, 0.01), (33, 3)),
        ("paper-parking-lot", 13, 3, "learn", 32, 1, 0.2, (0.01, 0.01, 0.1), (17, 8)),
    ],
)
def test_the_papers_grids_are_the_papers_numbers(
    name: str,
    size: int,
    channels: int,
    noise: Any,
    width: int,
    blocks: int,
    dropout: float,
    priors: tuple[float, float, float],
    images: tuple[int, int],
) -> None:
    found = preset(name)
    assert (found.rows, found.cols, found.kernel_size, found.channels) == (8, 8, size, channels)
    assert (found.noise_sigma, found.misplaced_share, found.procedure) == (noise, 0.2, "alternating")
    assert (found.patch_size, found.width, found.multiples, found.blocks) == (64, width, (1, 2, 3, 4), blocks)
    assert (found.attention, found.dropout, found.network, found.whiten) == (8, dropout, "unet", False)
    assert (found.batch_size, found.batch_size * found.accumulate, found.flow_rate) == (128, 1024, 1e-2)
    assert (found.alternating_rate, found.auxiliary_rate) == (4e-5, 1e-5)
    assert (found.images_flow, found.images_kernel) == (images[0] * 2**20, images[1] * 2**20)
    assert (found.centre_weight, found.sparse_weight, found.gaussian_weight) == priors
    assert found.clean_region == (768 if name == "paper-parking-lot" else 0)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_decides_the_effort_and_leaves_the_rest(name: str) -> None:
    mine = Settings().with_changes({"images_flow": 640, "device": "cpu", "seed": 5})
    assert preset_of(mine) is None
    chosen = with_preset(mine, name)
    assert chosen.device == "cpu"
    assert chosen == preset(name).with_changes({"device": "cpu", "seed": 5})
    found = preset_of(chosen)
    assert found is not None
    assert PRESETS[found] == PRESETS[name]
    wide = with_preset(Settings(kernel_size=31), name)
    assert wide.kernel_size == PRESETS[name].get("kernel_size", 31)
    middle = with_preset(Settings(clean_region=500), name)
    assert middle.clean_region == PRESETS[name].get("clean_region", 500)
    assert with_preset(with_preset(Settings(), name), "quick") == Settings()
