"""FITS: every kind of number, scaling and header, as astropy writes and reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import fits
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout

KINDS: dict[str, Any] = {"u1": (0, 255), "i2": (-2000, 30000), "u2": (0, 65535), "i4": (-9, 10**6)}
KINDS |= {"f4": (-5, 9), "f8": (0, 1)}


def written(path: Path, kind: str, shape: tuple[int, ...] = (12, 17), **cards: Any) -> np.ndarray:
    low, high = KINDS[kind]
    rng = np.random.default_rng(1)
    pixels = rng.uniform(low, high, shape) if kind.startswith("f") else rng.integers(low, high + 1, shape)
    image = astropy_fits.PrimaryHDU(pixels.astype(kind))
    image.header["CRVAL1"], image.header["CTYPE1"], image.header["OBJECT"] = 83.63, "RA---TAN", "M1 / Crab"
    image.header.update(cards)
    image.header.add_history("flat fielded")
    image.writeto(path)
    return pixels.astype(kind).astype(np.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colours", [False, True])
def test_what_astropy_writes_is_read_and_written_back(tmp_path: Path, kind: str, colours: bool) -> None:
    shape = (3, 12, 17) if colours else (12, 17)
    pixels = written(tmp_path / "a.fits", kind, shape)
    picture = fits.decode(tmp_path / "a.fits")
    assert np.array_equal(np.moveaxis(picture.values, -1, 0).reshape(shape), pixels)
    assert fits.layout(tmp_path / "a.fits") == Layout(17, 12, 3 if colours else 1, False, 32)
    content, missing = fits.encode(picture)
    assert content == (tmp_path / "a.fits").read_bytes()
    assert missing == []


def test_scaled_numbers_and_further_parts_stay(tmp_path: Path) -> None:
    first = astropy_fits.PrimaryHDU(np.arange(60, dtype=np.float32).reshape(6, 10))
    first.scale("int16", bscale=0.25, bzero=3.0)
    astropy_fits.HDUList([first, astropy_fits.ImageHDU(np.ones((3, 3)), name="MASK")]).writeto(tmp_path / "a.fits")
    picture = fits.decode(tmp_path / "a.fits")
    assert np.array_equal(picture.values[..., 0], np.arange(60).reshape(6, 10))
    (tmp_path / "b.fits").write_bytes(fits.encode(Decoded(picture.values + 0.5, None, picture.metadata))[0])
    with astropy_fits.open(tmp_path / "b.fits") as content:
        assert np.array_equal(content[0].data, np.arange(60).reshape(6, 10) + 0.5)
        assert (content["MASK"].data == 1).all()


def test_values_beyond_the_type_are_clipped(tmp_path: Path) -> None:
    written(tmp_path / "a.fits", "u1")
    picture = fits.decode(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_bytes(fits.encode(Decoded(picture.values * 0 + 300, None, picture.metadata))[0])
    assert (fits.decode(tmp_path / "b.fits").values == 255).all()


def test_sums_of_the_old_pixels_go_and_are_named(tmp_path: Path) -> None:
    written(tmp_path / "a.fits", "f4", CHECKSUM="x", DATAMAX=9.0)
    content, missing = fits.encode(fits.decode(tmp_path / "a.fits"))
    assert b"CHECKSUM" not in content
    assert missing == ["CHECKSUM, DATAMAX: said of the pixels as they were"]


@pytest.mark.parametrize(
    ("data", "why"),
    [(None, "extension"), (np.zeros((4, 5, 6), np.uint8), "6 x 5 x 4 values"), (np.zeros(9, np.uint8), "9 values")],
)
def test_what_is_no_photo_is_refused(tmp_path: Path, data: Any, why: str) -> None:
    astropy_fits.PrimaryHDU(data).writeto(tmp_path / "a.fits")
    with pytest.raises(UserError, match=why):
        fits.layout(tmp_path / "a.fits")


def test_blank_pixels_hold_no_number_and_stay_blank(tmp_path: Path) -> None:
    image = astropy_fits.PrimaryHDU(np.array([[1, -32768, 3]], np.int16))
    image.header["BLANK"] = -32768
    image.writeto(tmp_path / "a.fits")
    picture = fits.decode(tmp_path / "a.fits")
    assert np.isnan(picture.values[..., 0]).tolist() == [[False, True, False]]
    assert fits.encode(picture)[0] == (tmp_path / "a.fits").read_bytes()


def test_every_cut_is_an_error(tmp_path: Path) -> None:
    written(tmp_path / "a.fits", "f8")
    whole = (tmp_path / "a.fits").read_bytes()
    for kept in (0, 100, 2879, 2880, 2900, 2880 + 12 * 17 * 8 - 1):
        (tmp_path / "b.fits").write_bytes(whole[:kept])
        with pytest.raises((ValueError, OSError)):
            fits.decode(tmp_path / "b.fits")


def test_real_frames_come_back_to_the_last_byte(shared_data: Path) -> None:
    files = sorted((shared_data / "degraded" / "astronomy").glob("*.fits"))
    assert files
    for path in files:
        content, missing = fits.encode(fits.decode(path))
        assert missing or content == path.read_bytes()
