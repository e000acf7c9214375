"""What photos, asked one by one, say of phases that others of them found: a lens, or nothing but content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ddm_gui.engine.matching.field_agreement import groups_of, lens_share
from ddm_gui.engine.photos import photo
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.photos.photo import Photo


def pool_of(count: int, folder: Path) -> PatchPool:
    """Photos of one brightness each, 1/255, 2/255 and so on."""
    paths = []
    for index in range(count):
        path = folder / f"{index}.png"
        photo.write(Photo(np.full((40, 40, 1), (index + 1) / 255, dtype=np.float32), 8), path)
        paths.append(path)
    loading = PatchPool.load(paths, patch_size=16, channels=None, memory_budget_gb=0.1, seed=0)
    while True:
        try:
            next(loading)
        except StopIteration as done:
            pool: PatchPool = done.value
            return pool


@pytest.mark.parametrize(("count", "groups"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (12, 4)])
def test_each_photo_is_in_one_group(count: int, groups: int, tmp_path: Path) -> None:
    found = groups_of(pool_of(count, tmp_path), seed=0)
    assert len(found) == groups
    seen: list[int] = []
    for group in found:
        patches = group.draw(200, 16, torch.Generator().manual_seed(0)).pixels
        seen += {round(float(value) * 255) for value in patches.mean(dim=(1, 2, 3))}
    assert sorted(seen) == list(range(1, count + 1))


def test_photos_that_all_say_the_same_are_believed() -> None:
    answers = torch.tensor([3.0, 4.0, 2.5, 3.5, 3.0, 4.5, 2.0, 3.0])
    assert lens_share(answers, 8, 8) == 1.0
    assert lens_share(-answers, 8, 8) == 0.0  # they contradict each other
    assert lens_share(torch.full((8,), 2.0), 8, 8) == 1.0


def test_what_chance_says_is_taken_for_nothing() -> None:
    """Content of degraded and of clean photos, which all degraded ones are compared with, of the same size."""
    generator = torch.Generator().manual_seed(0)

    def shares(lens: float, count: int = 8) -> Tensor:
        drawn = []
        for _ in range(400):
            common = torch.randn((), generator=generator) / count**0.5
            drawn.append(lens_share(lens + common + torch.randn(count, generator=generator), count, count))
        return torch.tensor(drawn)

    assert float((shares(0.0) == 0).float().mean()) > 0.8
    assert float(shares(0.0).mean()) < 0.15
    assert float(shares(3.0).mean()) > 0.9


def test_few_clean_photos_and_few_answers_convince_less() -> None:
    answers = torch.tensor([1.0, 2.0, 3.0, 0.5, 2.5, 1.5, 0.0, 2.0])
    many, few = (lens_share(answers, 8, clean) for clean in (80, 1))
    assert many > few
    pair = torch.tensor([2.0, 2.5])  # they might agree by chance
    assert 0.0 < lens_share(pair, 2, 2) <= 1.0
    assert lens_share(torch.tensor([2.0, 5.0]), 2, 2) == 0.0
