"""Photos in linear light as files: what is read are the pixels that were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.linear_dng import write_linear
from ddm_gui.engine.photos.photo import Photo, read, read_header, thumbnail
from ddm_gui.engine.photos.tone_curve import to_display

PIXELS = np.random.default_rng(0).random((40, 60, 3)).astype(np.float32)


@pytest.mark.parametrize("orientation", [1, 6])
def test_what_is_read_is_what_was_written(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "写真.dng"
    write_linear(Photo(PIXELS, 16, orientation, light="linear"), path)
    photo = read(path, "linear")
    assert np.abs(photo.pixels - PIXELS).max() < 1.6 / 65535
    assert (photo.depth, photo.orientation, photo.light) == (16, orientation, "linear")
    header = read_header(path)
    assert (header.width, header.height, header.channels) == (60, 40, 3)
    assert np.abs(read(path).pixels - to_display(PIXELS)).max() < 1e-3
    assert thumbnail(path, 30).shape[2] == 3


def test_what_it_cannot_hold_is_refused(tmp_path: Path) -> None:
    for photo in (Photo(PIXELS, 16), Photo(PIXELS[..., :1], 16, light="linear")):
        with pytest.raises(ValueError, match="cannot hold"):
            write_linear(photo, tmp_path / "a.dng")
    with pytest.raises(UserError, match="cannot be written"):
        write_linear(Photo(PIXELS, 16, light="linear"), tmp_path / "nowhere" / "a.dng")
    assert not list(tmp_path.iterdir())
