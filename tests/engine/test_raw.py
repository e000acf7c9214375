"""RAW: a DNG of our own, developed as LibRaw's rules say, in all orientations; and real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile

from ddm_gui.engine import raw
from ddm_gui.engine.photo import read, read_header, thumbnail, upright


def write_dng(path: Path, mosaic: np.ndarray, orientation: int = 1) -> Path:
    """A minimal Bayer DNG (RGGB) of a camera with sRGB-like colours and white balance 1, 1, 1."""
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (274, "H", 1, orientation, True),
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNG version
        (33421, "H", 2, (2, 2), True),  # Bayer pattern
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50708, "s", 0, "Maker Model", True),
        (50721, "2i", 9, identity, True),  # colour matrix
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),  # neutral
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, metadata=None, extratags=tags)
    return path


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


def test_header_tells_what_is_developed(shared_data: Path) -> None:
    files = sorted((shared_data / "raw").iterdir())
    assert files
    for path in files:
        if path.stat().st_size > 10**6:  # the large ones take seconds
            assert raw.layout(path)[2] == 3
            continue
        header, photo = read_header(path), read(path)
        assert photo.pixels.shape == (header.height, header.width, header.channels)
        assert photo.pixels.std() > 0.02
