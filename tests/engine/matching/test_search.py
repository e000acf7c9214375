"""What the procedures of step 2 share: the IKL that is reported, and kernels as they are shown."""

from __future__ import annotations

import pytest
import torch

from ddm_gui.engine.matching.search import as_grid

from .conftest import a_training


def test_the_ikl_that_is_reported_is_a_running_mean() -> None:
    training = a_training()
    for value in (1.0, 2.0, 3.0):
        training._remember(torch.tensor(value))
    assert float(training.ikl) == pytest.approx(2.0)  # the mean of the first ones
    for _ in range(2000):
        training._remember(torch.tensor(7.0))
    assert float(training.ikl) == pytest.approx(7.0, abs=1e-3)


def test_a_snapshot_is_a_centred_grid_that_cannot_be_written_to() -> None:
    off = torch.zeros(3, 7, 7)
    off[:, 1, 2] = 1.0
    grid = as_grid(off)
    assert grid.shape == (1, 1, 3, 7, 7)
    assert not grid.flags.writeable
    assert grid[0, 0, 0].argmax() == 3 * 7 + 3
