"""Vignetting by lensfun's own numbers of a lens of its database; skipped where lensfunpy is not installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ddm_gui.engine.photos import vignetting
from ddm_gui.engine.photos.photo import Photo, in_light
from ddm_gui.engine.photos.shot import Shot
from ddm_gui.engine.photos.vignetting import available, divided_out, gain

# Not importorskip: it would import lensfunpy also where the tests are only collected.
needs_lensfunpy = pytest.mark.skipif(not available(), reason="lensfunpy is not installed (pip install .[vignetting])")
SHOT = Shot("Canon", "Canon EOS 6D", "EF24-105mm f/4L IS USM", 5.6, 65.0)


@needs_lensfunpy
def test_the_gain_is_what_the_model_of_the_lens_says() -> None:
    height, width = 200, 300
    factor = gain(SHOT, height, width)
    assert factor is not None
    assert factor.shape == (height, width, 1)
    # The model of Pablo d'Angelo: 1 + k1 r^2 + k2 r^4 + k3 r^6, r = 1 in the corner of the frame it was measured on.
    (camera, lens) = vignetting._lens(SHOT)  # type: ignore[misc]
    k1, k2, k3 = lens.interpolate_vignetting(65.0, 5.6, vignetting.DISTANCE).terms
    rows, cols = np.indices((height, width)) - (np.array([height - 1, width - 1]) / 2)[:, None, None]
    r2 = (
        (rows**2 + cols**2)
        / (((height - 1) ** 2 + (width - 1) ** 2) / 4)
        * (lens.crop_factor / camera.crop_factor) ** 2
    )
    assert factor[..., 0] == pytest.approx(1 / (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3), abs=0.01)
    assert factor.max() > 1.5


@needs_lensfunpy
@pytest.mark.parametrize(
    "changes",
    [
        {"make": None},
        {"model": "EOS 6D of tomorrow"},
        {"lens": None},
        {"lens": "EF24-105mm f/4L IS"},  # a beginning of its name, as other lenses' too
        {"aperture": None},
        {"aperture": 1.0},  # nobody has measured it near there
        {"focal_length": None},
        {"focal_length": 300.0},
    ],
)
def test_what_lensfun_does_not_know_is_left_alone(changes: dict[str, object]) -> None:
    assert gain(replace(SHOT, **changes), 20, 30) is None
    photo = Photo(np.full((20, 30, 3), 0.5), 16)
    assert divided_out(photo, replace(SHOT, **changes)) is None


@needs_lensfunpy
def test_names_are_the_same_however_they_are_written() -> None:
    for changes in ({"model": "EOS 6D"}, {"lens": "Canon EF 24-105mm F/4L IS USM"}):
        assert gain(replace(SHOT, **changes), 20, 30) is not None


@needs_lensfunpy
@pytest.mark.parametrize("light", ["display", "linear"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_even_wall_is_even_again(light: str, channels: int) -> None:
    factor = gain(SHOT, 60, 90)
    assert factor is not None
    wall = np.full((60, 90, channels), 0.2, np.float32)
    seen = in_light(Photo(wall / factor, 16, light="linear"), light)
    even = divided_out(seen, SHOT)
    assert even is not None
    assert even.light == light
    assert in_light(even, "linear").pixels == pytest.approx(wall, abs=1e-5)


@needs_lensfunpy
@pytest.mark.parametrize("light", ["display", "linear"])
def test_clipped_stays_clipped_and_nothing_leaves_the_range(light: str, monkeypatch: pytest.MonkeyPatch) -> None:
    factor = np.linspace(0.8, 3.0, 11, dtype=np.float32)[None, :, None]  # lenses with a dark middle are known, too
    monkeypatch.setattr(vignetting, "gain", lambda shot, height, width: factor)
    rows = np.array([0.0, 0.5, 1.0])[:, None, None] * np.ones((3, 11, 3))
    even = divided_out(Photo(rows, 16, light=light), SHOT)
    assert even is not None
    assert (even.pixels[0] == 0.0).all()
    assert (even.pixels[2] == 1.0).all()
    middle = even.pixels[1, :, 0]
    assert (np.diff(middle) >= 0.0).all()
    assert middle.max() <= 1.0


def test_without_lensfunpy_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vignetting, "available", lambda: False)
    assert gain(replace(SHOT, focal_length=70.0), 20, 30) is None
