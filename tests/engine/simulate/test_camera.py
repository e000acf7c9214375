"""A simulated camera blurs, adds its noise, and clips."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.optics import gaussian


def test_degrade_adds_the_noise_and_clips() -> None:
    pixels = np.full((60, 50, 3), 0.5, dtype=np.float32)
    pixels[:, 25:] = 1.0
    degraded = degrade(pixels, gaussian(9, 1.0)[None], 0.1, np.random.default_rng(0))
    assert degraded.dtype == np.float32
    assert degraded.shape == pixels.shape
    assert degraded[:, :15].std() == pytest.approx(0.1, rel=0.05)
    assert degraded.max() == 1.0
    again = degrade(pixels, gaussian(9, 1.0)[None], 0.1, np.random.default_rng(0))
    np.testing.assert_array_equal(degraded, again)
