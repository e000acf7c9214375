"""The contract: a kernel that does not blur gives back the file that went in, in every format; the receipt says so."""

from __future__ import annotations

import locale
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from astropy.io import fits as astropy_fits
from PIL import Image, ImageCms

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import PhotoRestored
from ddm_gui.engine.photos.formats import exif, photoshop, tiff
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import FLOAT, Photo, read, write
from ddm_gui.engine.receipt import Receipt
from ddm_gui.engine.restore.output import Existing, Output
from ddm_gui.engine.restore.photos import restore_photos
from ddm_gui.engine.restore.recipe import Recipe
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.simulate.leaves import dead_leaves

from ..conftest import write_dng

IDENTITY = PsfGrid(np.pad(np.ones((1, 1, 1, 1, 1), np.float32), [(0, 0)] * 3 + [(3, 3)] * 2), 0.0)
EXACT = Recipe(Wiener(noise_sigma=0.0), 100.0)
FINE = 1 / 65535  # of their range: the step that floats are held to, for filters compute in float32
PICTURE = dead_leaves(40, 56, np.random.default_rng(0))
EXIF = exif.to_bytes({exif.ORIENTATION: 6, 271: "Maker", exif.EXIF_DIRECTORY: {36867: "2026:01:02 03:04:05"}})
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rating>5</rating></x:xmpmeta>'
IPTC = photoshop.of_iptc(b"\x1c\x02\x78\x00\x05title")
ALL = Metadata(EXIF, ICC, XMP, IPTC, (300.0, 300.0))


def restored(source: Path, folder: Path, file_format: str = "same", depth: int | None = None) -> tuple[Photo, Receipt]:
    """What a kernel that does not blur makes of a file, at full strength and without noise."""
    output = Output(folder, file_format=file_format, depth=depth, existing=Existing.REPLACE)
    *_, event = restore_photos([source], output, IDENTITY, EXACT)
    assert isinstance(event, PhotoRestored)
    assert event.receipt is not None
    return read(Path(event.target)), event.receipt


def values_of(photo: Photo) -> np.ndarray:
    return photo.pixels.astype(np.float64) * (photo.white - photo.black) + photo.black


def source_of(folder: Path, suffix: str, depth: int, channels: int, alpha: bool) -> Path:
    """A file of this kind with all metadata."""
    kind = {8: np.uint8, 16: np.uint16, FLOAT: np.float32}[depth]
    cover = np.random.default_rng(1).uniform(0, 1 if depth == FLOAT else (1 << depth) - 1, PICTURE.shape[:2])
    photo = Photo(PICTURE[..., :channels], depth, 6, alpha=cover.astype(kind) if alpha else None, metadata=ALL)
    path = folder / f"photo{suffix}"
    assert write(photo, path).whole
    return path


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("suffix", "depth"), [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".tif", FLOAT)])
def test_what_goes_in_comes_out(tmp_path: Path, suffix: str, depth: int, channels: int, alpha: bool) -> None:
    source = source_of(tmp_path, suffix, depth, channels, alpha)
    before = read(source)
    after, receipt = restored(source, tmp_path / "out")
    step = FINE if depth == FLOAT else 1 / ((1 << depth) - 1)
    assert np.abs(after.pixels - before.pixels).max() <= 0.5 * step
    assert (after.depth, after.orientation, after.pixels.shape) == (depth, 6, PICTURE[..., :channels].shape)
    assert after.metadata == before.metadata
    if alpha:
        assert np.array_equal(after.alpha, before.alpha)
    assert receipt.whole
    words = f"{depth}-bit{' float' if depth == FLOAT else ''}, sRGB built-in kept, XMP kept, IPTC kept, 300 dpi kept"
    assert str(receipt).startswith(words + (", alpha kept" if alpha else ""))
    assert receipt.tags == receipt.tags_kept > 2


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_no_further_off_than_its_own_encoding(tmp_path: Path, channels: int) -> None:
    source = source_of(tmp_path, ".jpg", 8, channels, False)
    before = read(source)
    write(before, tmp_path / "again.jpg")
    after, receipt = restored(source, tmp_path / "out")
    assert np.array_equal(after.pixels, read(tmp_path / "again.jpg").pixels)
    assert after.metadata == before.metadata
    assert receipt.whole
    assert str(receipt) == "8-bit, sRGB built-in kept, XMP kept, IPTC kept, 300 dpi kept, 3 of 3 tags"


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "f4"])
@pytest.mark.parametrize("colours", [False, True])
def test_fits_comes_back_to_the_last_byte(tmp_path: Path, kind: str, colours: bool) -> None:
    shape = (3, 30, 40) if colours else (30, 40)
    low, high = {"u1": (0, 200), "i2": (-300, 9000), "u2": (50, 60000), "f4": (-0.5, 70.0)}[kind]
    image = astropy_fits.PrimaryHDU(np.random.default_rng(0).uniform(low, high, shape).astype(kind))
    image.header["CRVAL1"], image.header["CTYPE1"] = 83.63, "RA---TAN"
    image.writeto(tmp_path / "m1.fits")
    after, receipt = restored(tmp_path / "m1.fits", tmp_path / "out")
    assert after.pixels.shape == (30, 40, 3 if colours else 1)
    assert receipt.whole
    if kind != "f4":
        assert (tmp_path / "out" / "m1.fits").read_bytes() == (tmp_path / "m1.fits").read_bytes()
    else:
        before = read(tmp_path / "m1.fits")
        assert np.abs(values_of(after) - values_of(before)).max() <= 0.5 * FINE * (before.white - before.black)
        assert after.metadata == before.metadata


@pytest.mark.parametrize("channels", [1, 3])
def test_values_beyond_white_and_below_black_survive_in_floats(tmp_path: Path, channels: int) -> None:
    pixels = (PICTURE[..., :channels] * 14 - 0.75).astype(np.float32)
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "hdr.tif", np.squeeze(pixels), photometric=photometric, metadata=None)
    before = read(tmp_path / "hdr.tif")
    assert (before.black, before.white) == (pixels.min(), pixels.max())
    assert (before.pixels.min(), before.pixels.max()) == (0.0, 1.0)
    restored(tmp_path / "hdr.tif", tmp_path / "out")
    assert np.abs(
        tifffile.imread(tmp_path / "out" / "hdr.tif").reshape(pixels.shape) - pixels
    ).max() <= 0.5 * FINE * np.ptp(pixels)


@pytest.mark.parametrize(("suffix", "depth"), [(".png", 8), (".png", 16), (".tif", 16), (".tif", FLOAT)])
def test_linear_light_and_back_is_the_same_file(tmp_path: Path, suffix: str, depth: int) -> None:
    source = source_of(tmp_path, suffix, depth, 3, True)
    *_, event = restore_photos([source], Output(tmp_path / "out"), replace(IDENTITY, light="linear"), EXACT)
    assert isinstance(event, PhotoRestored)
    assert event.receipt is not None
    assert event.receipt.whole
    step = FINE if depth == FLOAT else 1 / ((1 << depth) - 1)
    before, after = read(source), read(Path(event.target))
    assert np.abs(values_of(after) - values_of(before)).max() <= 0.5 * step
    assert after.metadata == before.metadata


def test_further_pages_are_kept(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (3, 30, 40)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata=None)
    _, receipt = restored(tmp_path / "a.tif", tmp_path / "out")
    assert np.array_equal(tifffile.imread(tmp_path / "out" / "a.tif"), stack)
    assert "2 further pages" in receipt.kept


@pytest.mark.parametrize(
    ("file_format", "depth"),
    [("png", None), ("png", 16), ("tiff", None), ("tiff", 16), ("tiff", FLOAT), ("jpeg", None), ("jpeg", 8)],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_other_formats_and_depths_keep_what_they_can(
    tmp_path: Path, suffix: str, file_format: str, depth: int | None
) -> None:
    source = source_of(tmp_path, suffix, 8, 3, False)
    before = read(source)
    after, receipt = restored(source, tmp_path / "out", file_format, depth)
    assert receipt.whole
    assert after.depth == (depth or 8)
    if file_format != "jpeg":
        assert np.abs(after.pixels - before.pixels).max() < 1e-6
    assert (after.metadata.icc, after.metadata.xmp, after.metadata.photoshop) == (ICC, XMP, IPTC)
    assert after.metadata.dpi == pytest.approx((300, 300), abs=0.02)
    assert after.orientation == 6


def test_what_another_format_cannot_hold_is_told(tmp_path: Path) -> None:
    photo = Photo(PICTURE, 8, metadata=Metadata(kind="PNG", own=(("gAMA", struct.pack(">L", 45455)),)))
    write(photo, tmp_path / "a.png")
    stack = np.zeros((3, 30, 40), np.uint8)
    stack[:, 9] = 200
    tifffile.imwrite(tmp_path / "b.tif", stack, photometric="minisblack", metadata=None)
    assert restored(tmp_path / "a.png", tmp_path / "out", "tiff")[1].lost == ("1 chunk of PNG",)
    assert restored(tmp_path / "b.tif", tmp_path / "out", "png")[1].lost == ("2 further pages",)


def test_opaque_alpha_may_become_jpeg_and_transparency_may_not(tmp_path: Path) -> None:
    Image.fromarray((PICTURE * 255).astype(np.uint8)).convert("RGBA").save(tmp_path / "a.png")
    _, receipt = restored(tmp_path / "a.png", tmp_path / "out", "jpeg")
    assert receipt.lost == ("alpha, which was opaque everywhere",)


def test_raw_becomes_a_16_bit_tiff_and_stays_as_it_is(tmp_path: Path) -> None:
    mosaic = np.random.default_rng(0).integers(500, 60000, (64, 96)).astype(np.uint16)
    source = write_dng(tmp_path / "a.dng", mosaic, 6)
    content = source.read_bytes()
    before = read(source)
    after, receipt = restored(source, tmp_path / "out")
    assert np.abs(after.pixels - before.pixels).max() <= 0.5 / 65535
    assert (after.depth, after.orientation) == (16, 6)
    assert receipt.depth == "16-bit"
    assert source.read_bytes() == content


def test_metadata_that_cannot_be_written_never_cost_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = read(source_of(tmp_path, ".tif", 16, 3, False))

    def impossible(about: Metadata) -> list[object]:
        if about.icc:
            raise ValueError("no such thing")
        return []

    monkeypatch.setattr(tiff, "_apart", impossible)
    receipt = write(photo, tmp_path / "out.tif")
    assert receipt.exact
    assert "metadata, which cannot be written (no such thing)" in receipt.lost
    assert np.array_equal(read(tmp_path / "out.tif").pixels, photo.pixels)
    assert read(tmp_path / "out.tif").orientation == 6


def test_a_file_that_cannot_be_read_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddm_gui.engine.photos.photo.write_aside", lambda path, content: path.write_bytes(content[:60]))
    receipt = write(Photo(PICTURE, 8), tmp_path / "a.png")
    assert not receipt.exact
    assert "cannot be read again" in str(receipt)


@pytest.mark.parametrize("suffix", [".tif", ".fits"])
def test_where_there_is_no_number_there_is_none_again(tmp_path: Path, suffix: str) -> None:
    pixels = PICTURE[..., 0].copy()
    pixels[5:9, 7:20] = np.nan
    if suffix == ".fits":
        astropy_fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    else:
        tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", metadata=None)
    before = read(tmp_path / f"a{suffix}")
    assert before.pixels[6, 8, 0] == before.pixels[6, 6, 0]
    after, receipt = restored(tmp_path / f"a{suffix}", tmp_path / "out")
    assert np.array_equal(after.holes, before.holes)
    assert np.abs(values_of(after) - values_of(before))[~np.isnan(pixels)].max() <= 0.5 * FINE
    assert receipt.whole
    assert "52 missing values" in receipt.kept
    filled = restored(tmp_path / f"a{suffix}", tmp_path / "out", "tiff", 16)[1]
    assert "52 values that are no numbers, which were filled" in filled.lost


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_number_at_all_and_infinite_ones_are_refused(tmp_path: Path, value: float) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((9, 9), value, np.float32), metadata=None)
    with pytest.raises(UserError, match="infinite, or no numbers"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (300, 1)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_photos_of_one_pixel_and_of_one_row(tmp_path: Path, suffix: str, height: int, width: int) -> None:
    pixels = np.linspace(0.2, 0.8, height * width * 3).reshape(height, width, 3)
    write(Photo(pixels, 8), tmp_path / f"a{suffix}")
    after, receipt = restored(tmp_path / f"a{suffix}", tmp_path / "out")
    assert after.pixels.shape == (height, width, 3)
    assert receipt.whole


def test_a_decimal_comma_changes_nothing(tmp_path: Path) -> None:
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
    except locale.Error:
        pytest.skip("the system has no German locale")
    try:
        image = astropy_fits.PrimaryHDU(np.arange(600, dtype=np.float32).reshape(20, 30))
        image.scale("int16", bscale=0.5, bzero=1.25)
        image.writeto(tmp_path / "a.fits")
        assert restored(tmp_path / "a.fits", tmp_path / "out")[1].whole
        source = write_dng(tmp_path / "a.dng", np.full((64, 96), 9000, np.uint16))
        assert restored(source, tmp_path / "out")[1].exact
    finally:
        locale.setlocale(locale.LC_ALL, before)
