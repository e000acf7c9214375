"""Orientation and descriptive entries, against Pillow's own reading of the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from ddm_gui.engine.photos.formats import exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_pillow_turns(orientation: int) -> None:
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    image = Image.fromarray(pixels)
    image.getexif()[exif.ORIENTATION] = orientation
    assert np.array_equal(exif.turned(pixels, orientation), np.asarray(ImageOps.exif_transpose(image)))
    assert np.array_equal(exif.turned_back(exif.turned(pixels, orientation), orientation), pixels)


def test_turned_takes_grey_without_a_channel_axis() -> None:
    pixels = np.arange(6).reshape(2, 3)
    assert exif.turned(pixels, 6).tolist() == [[3, 0], [4, 1], [5, 2]]


def test_entries_come_back() -> None:
    tags = {exif.ORIENTATION: 6, 271: "Maker", exif.EXIF_DIRECTORY: {36867: "2026:01:02 03:04:05"}}
    data = exif.to_bytes(tags)
    assert not data.startswith(b"Exif")
    assert exif.entries(data) == tags
    assert exif.checked(b"Exif\0\0" + data) == (data, 6)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # which `photo` keeps quiet about
@pytest.mark.parametrize("data", [None, b"", b"no exif", b"II*\0\xff\xff\xff\xff", b"Exif\0\0MM"])
def test_missing_or_damaged_exif_is_none_and_upright(data: bytes | None) -> None:
    kept, orientation = exif.checked(data)
    assert kept is None
    assert orientation == 1


def test_an_orientation_that_does_not_exist_counts_as_upright() -> None:
    data = exif.to_bytes({exif.ORIENTATION: 77})
    assert exif.checked(data) == (data, 1)
