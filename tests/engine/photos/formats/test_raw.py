"""RAW: a DNG of our own, developed as LibRaw's rules say, in all orientations; and real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rawpy

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import raw
from ddm_gui.engine.photos.photo import Photo, in_light, read, read_header, thumbnail, upright, write

from ....conftest import write_dng


def quarters() -> np.ndarray:
    """64 x 96 values, bright top left, each quarter another."""
    mosaic = np.zeros((64, 96), np.uint16)
    mosaic[:32, :48], mosaic[:32, 48:], mosaic[32:, :48] = 40000, 20000, 8000
    return mosaic


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sensor_orientation_is_kept_and_shown_as_libraw_shows_it(tmp_path: Path, orientation: int) -> None:
    path = write_dng(tmp_path / "a.dng", quarters(), orientation)
    photo = read(path)
    assert photo.orientation == orientation
    assert photo.pixels.shape == (64, 96, 3)
    assert photo.pixels[5, 5, 1] > photo.pixels[5, -5, 1] > photo.pixels[-5, 5, 1] > photo.pixels[-5, -5, 1]
    with rawpy.imread(str(path)) as opened:
        shown = opened.postprocess(use_camera_wb=True, no_auto_bright=True, gamma=(2.4, 12.92), output_bps=8)
    assert upright(photo).shape == shown.shape
    assert np.abs(upright(photo) * 255 - shown).max() <= 1
    small = thumbnail(path, 24)
    assert small.shape == ((16, 24, 3) if orientation < 5 else (24, 16, 3))
    assert np.abs(small[4, 4].astype(int) - shown[16, 16]).max() <= 3


def test_nothing_is_brightened(tmp_path: Path) -> None:
    photo = read(write_dng(tmp_path / "a.dng", np.full((64, 64), 52000, np.uint16)))
    linear = 52000 / 65535
    expected = 1.055 * linear ** (1 / 2.4) - 0.055
    assert photo.depth == 16
    assert np.abs(photo.pixels - expected).max() < 2e-3


def test_linear_light_is_the_same_development_without_the_curve(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 96).astype(np.uint16)[None], 64, axis=0)
    path = write_dng(tmp_path / "a.dng", ramp)
    linear, display = read(path, "linear"), read(path)
    assert (linear.light, linear.depth, display.light) == ("linear", 16, "display")
    inner = linear.pixels[8:-8, 8:-8, 1]
    assert np.abs(inner - ramp[8:-8, 8:-8] / 65535).max() < 2e-3
    assert linear.pixels.max() == 1.0
    # LibRaw's table and the standard's formula: to 2 of 65535 steps.
    assert np.abs(in_light(linear, "display").pixels - display.pixels).max() < 2 / 65535
    assert np.abs(in_light(display, "linear").pixels - linear.pixels).max() < 2 / 65535
    assert in_light(linear, "linear") is linear


def test_linear_light_is_refused_where_there_is_a_curve_and_never_written(tmp_path: Path) -> None:
    photo = Photo(np.full((20, 20, 3), 0.5), 16)
    write(photo, tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif cannot be read in linear light"):
        read(tmp_path / "a.tif", "linear")
    with pytest.raises(UserError, match="linear"):
        in_light(read(tmp_path / "a.tif"), "linear")
    with pytest.raises(ValueError, match="linear"):
        write(in_light(photo, "linear"), tmp_path / "b.tif")


def test_real_raw_files_in_both_lights(shared_data: Path) -> None:
    for name in ("canon_eos_6d_linear.dng", "kodak_dc50_8L.kdc"):
        path = shared_data / "raw" / name
        assert np.abs(in_light(read(path, "linear"), "display").pixels - read(path).pixels).max() < 2 / 65535


def test_header_tells_what_is_developed(shared_data: Path) -> None:
    files = sorted((shared_data / "raw").iterdir())
    assert files
    for path in files:
        if path.stat().st_size > 10**6:  # the large ones take seconds
            assert raw.layout(path).channels == 3
            continue
        header, photo = read_header(path), read(path)
        assert photo.pixels.shape == (header.height, header.width, header.channels)
        assert photo.pixels.std() > 0.02
