"""How long an update takes here: what decides it, and that a slow batch is not waited for."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
import torch

from ddm_gui.engine.matching import timing
from ddm_gui.engine.matching.timing import TIMED, seconds_per_update
from ddm_gui.engine.settings import Settings

from .conftest import TINY


def test_an_update_of_step_2_takes_longer_than_one_of_step_1() -> None:
    flow_seconds, kernel_seconds = seconds_per_update(TINY, torch.device("cpu"))
    assert 0.0 < flow_seconds < kernel_seconds


def test_the_settings_that_decide_an_updates_time_are_named() -> None:
    """Else the window would say of other settings what was timed for these."""
    asked: set[str] = set()

    class Asked:
        def __getattr__(self, name: str) -> Any:
            asked.add(name)
            return getattr(TINY, name)

    seconds_per_update(cast(Settings, Asked()), torch.device("cpu"))
    assert asked - {"seed"} <= set(TIMED)


def test_a_batch_that_is_slow_here_is_timed_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a pass of 0.03 s per patch, of which four are enough to be slow where a tenth of a second is."""
    batches: list[int] = []

    class Slow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.ones(()))

        def forward(self, y_t: torch.Tensor, t: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
            assert len(y_t) == len(t)
            assert places is None
            batches.append(len(y_t))
            time.sleep(0.03 * len(y_t))
            return y_t * self.gain

    monkeypatch.setattr(timing, "build_velocity", lambda *_: Slow())
    monkeypatch.setattr(timing, "SHORT_PASS", 0.1)
    settings = TINY.with_changes({"batch_size": 1024})
    flow_seconds, kernel_seconds = seconds_per_update(settings, torch.device("cpu"))
    assert max(batches) == 4
    assert flow_seconds == pytest.approx(1.3 * 0.03 * 1024, rel=0.3)
    assert kernel_seconds == pytest.approx((1.5 + 0.8) * 0.03 * 1024, rel=0.3)
