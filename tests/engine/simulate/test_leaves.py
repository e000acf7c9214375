"""Made pictures are like photos."""

from __future__ import annotations

import numpy as np

from ddm_gui.engine.simulate.leaves import dead_leaves


def test_dead_leaves_look_like_photos_to_a_spectrum() -> None:
    picture = dead_leaves(256, 256, np.random.default_rng(3))
    assert picture.shape == (256, 256, 3)
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0
    assert 0.1 < picture.std() < 0.35
    window = np.outer(np.hanning(256), np.hanning(256))
    power = np.abs(np.fft.fft2((picture.mean(axis=2) - picture.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    centres = np.geomspace(0.02, 0.35, 10)
    rings = [power[(radius > centre / 1.15) & (radius < centre * 1.15)].mean() for centre in centres]
    slope = np.polyfit(np.log(centres), np.log(rings), 1)[0]
    assert -3.1 < slope < -1.7
    np.testing.assert_array_equal(picture, dead_leaves(256, 256, np.random.default_rng(3)))
