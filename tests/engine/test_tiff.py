"""TIFF: every layout that is read, the ones that are refused, and what is written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from ddm_gui.engine import exif, tiff
from ddm_gui.engine.errors import UserError


def values(depth: int, channels: int, height: int = 21, width: int = 34) -> Any:
    """Random values of this depth, height x width x channels."""
    kind = np.uint8 if depth == 8 else np.uint16
    shape = (height, width, channels)
    return np.random.default_rng(depth + channels).integers(0, 1 << depth, shape).astype(kind)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_reads_what_tifffile_writes(
    tmp_path: Path, depth: int, channels: int, options: dict[str, Any], byteorder: str
) -> None:
    pixels = values(depth, channels)
    photometric = "rgb" if channels == 3 else "minisblack"
    given = pixels if channels == 3 else pixels[..., 0]
    tifffile.imwrite(
        tmp_path / "a.tif",
        given,
        photometric=photometric,
        byteorder=byteorder,
        metadata=None,
        rowsperstrip=8,
        **options,
    )
    assert tiff.layout(tmp_path / "a.tif") == tiff.TiffLayout(34, 21, channels, False, depth)
    read, _, icc = tiff.decode(tmp_path / "a.tif")
    assert np.array_equal(read, pixels)
    assert icc is None


@pytest.mark.parametrize("depth", [8, 16])
def test_reads_planes_and_tiles(tmp_path: Path, depth: int) -> None:
    pixels = values(depth, 3)
    planes = np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate", metadata=None)
    tifffile.imwrite(tmp_path / "t.tif", pixels, photometric="rgb", tile=(16, 16), metadata=None)
    assert np.array_equal(tiff.decode(tmp_path / "p.tif")[0], pixels)
    assert np.array_equal(tiff.decode(tmp_path / "t.tif")[0], pixels)


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("rows", [5, 21])
@pytest.mark.parametrize(("depth", "channels"), [(8, 1), (8, 3), (16, 1)])
def test_reads_lzw(
    tmp_path: Path, predictor: int, rows: int, depth: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.sort(values(depth, channels), axis=1)
    image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    image.save(tmp_path / "a.tif", compression="tiff_lzw", tiffinfo={317: predictor, 278: rows})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (int(file.pages[0].compression), int(file.pages[0].predictor)) == (5, predictor)
    assert np.array_equal(tiff.decode(tmp_path / "a.tif")[0], pixels)
    monkeypatch.setattr(tiff, "AT_ONCE", 2 * 5 * pixels[0].nbytes)
    assert np.array_equal(tiff.decode(tmp_path / "a.tif")[0], pixels)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_deflate", "packbits", "tiff_lzw"])
def test_reads_what_pillow_writes(tmp_path: Path, compression: str) -> None:
    pixels = np.linspace(0, 255, 40 * 48 * 3).reshape(40, 48, 3).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    assert np.abs(tiff.decode(tmp_path / "a.tif")[0].astype(int) - pixels).max() <= (4 if compression == "jpeg" else 0)


def test_reads_palettes(tmp_path: Path) -> None:
    grey = Image.fromarray(values(8, 1)[..., 0])
    grey.convert("P").save(tmp_path / "a.tif")
    assert np.array_equal(tiff.decode(tmp_path / "a.tif")[0], np.repeat(values(8, 1), 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_in_tiff_stays_in_sensor_orientation(tmp_path: Path, orientation: int) -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :16] = 255
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.tif", compression="jpeg", tiffinfo={274: orientation})
    assert np.abs(tiff.decode(tmp_path / "a.tif")[0].astype(int) - pixels).max() < 5


def test_reads_real_lzw_in_planes_and_tiles(shared_data: Path) -> None:
    folder = shared_data / "hard" / "pillow"
    with Image.open(folder / "tiff_16bit_RGB_target.png") as image:
        expected = np.asarray(image)  # of which Pillow keeps the upper 8 bits
    for name in ("tiff_strip_planar_16bit_RGB.tiff", "tiff_tiled_planar_16bit_RGB.tiff"):
        read, _, _ = tiff.decode(folder / name)
        assert read.dtype == np.uint16
        assert np.array_equal(read >> 8, expected)


def test_zero_as_white_is_turned_round(tmp_path: Path) -> None:
    for depth, largest in ((8, 255), (16, 65535)):
        pixels = values(depth, 1)
        tifffile.imwrite(tmp_path / "a.tif", pixels[..., 0], photometric="miniswhite", metadata=None)
        assert np.array_equal(tiff.decode(tmp_path / "a.tif")[0], largest - pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_8_bits_stay_in_sensor_orientation(tmp_path: Path, orientation: int) -> None:
    pixels = values(8, 3)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, extratags=[(274, "H", 1, orientation, True)]
    )
    read, entries, _ = tiff.decode(tmp_path / "a.tif")
    assert np.array_equal(read, pixels)
    assert exif.checked(entries)[1] == orientation


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.zeros((8, 8, 3), np.float32), {"photometric": "rgb"}, "not unsigned integers"),
        (np.zeros((8, 8), np.int16), {}, "not unsigned integers"),
        (np.zeros((8, 8), np.uint32), {}, "32 bits per value"),
        (np.zeros((8, 8), bool), {}, "black and white only"),
        (np.zeros((8, 8, 4), np.uint8), {"photometric": "separated"}, "CMYK"),
        (np.zeros((8, 8, 5), np.uint8), {"photometric": "rgb"}, "5 values per pixel"),
        (np.zeros((3, 8, 8), np.uint8), {"photometric": "minisblack"}, "holds 3 pictures"),
    ],
)
def test_refuses_with_the_reason(tmp_path: Path, pixels: Any, options: dict[str, Any], reason: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, **options)
    with pytest.raises(UserError, match=reason) as caught:
        tiff.layout(tmp_path / "a.tif")
    assert "a.tif" in caught.value.what


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_by_others_with_its_metadata(depth: int, channels: int) -> None:
    pixels = values(depth, channels)
    tags = {exif.ORIENTATION: 8, 271: "Großer", exif.EXIF_DIRECTORY: {36867: "2026:01:02 03:04:05", 33434: 0.25}}
    content = tiff.encode(pixels, exif.to_bytes(tags), b"profile")
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        assert np.array_equal(page.asarray().reshape(pixels.shape), pixels)
        assert page.iccprofile == b"profile"
        assert page.tags[274].value == 8
        assert page.tags["ExifTag"].value["DateTimeOriginal"] == "2026:01:02 03:04:05"
    if (depth, channels) != (16, 3):  # which Pillow cuts to 8 bits
        with Image.open(io.BytesIO(content)) as image:
            assert sorted(image.size) == [21, 34]


def test_entries_of_an_impossible_type_do_not_stop_a_photo_from_being_written() -> None:
    odd = exif.to_bytes({exif.ORIENTATION: 3}) + b"\0" * 4
    wrong = odd.replace(b"\x12\x01\x03\x00", b"\x12\x01\x02\x00")  # the orientation as text
    pixels = values(8, 1)
    with tifffile.TiffFile(io.BytesIO(tiff.encode(pixels, wrong, None))) as file:
        assert np.array_equal(file.pages[0].asarray(), pixels[..., 0])
