"""sRGB's curve, at the values of its standard, and back."""

from __future__ import annotations

import numpy as np
import pytest

from ddm_gui.engine.photos.tone_curve import to_display, to_linear


def test_values_of_the_standard() -> None:
    linear = np.array([0.0, 0.001, 0.0031308, 0.18, 0.5, 1.0])
    assert to_display(linear) == pytest.approx([0.0, 0.01292, 0.04045, 0.46136, 0.73536, 1.0], abs=1e-5)


def test_there_and_back_is_the_same_but_for_rounding() -> None:
    values = np.linspace(0.0, 1.0, 65536, dtype=np.float32)
    for one, other in ((to_display, to_linear), (to_linear, to_display)):
        assert np.abs(other(one(values)) - values).max() < 0.1 / 65535
        assert one(values).dtype == np.float32
        assert (one(values[[0, -1]]) == [0.0, 1.0]).all()
