"""TIFF: every layout that is read, the ones that are refused, and what is written."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif, ifd, tiff
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata


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
    assert tiff.layout(tmp_path / "a.tif") == Layout(34, 21, channels, False, depth)
    picture = tiff.decode(tmp_path / "a.tif")
    assert np.array_equal(picture.values, pixels)
    assert (picture.alpha, picture.metadata.icc) == (None, None)


@pytest.mark.parametrize("depth", [8, 16])
def test_reads_planes_and_tiles(tmp_path: Path, depth: int) -> None:
    pixels = values(depth, 3)
    planes = np.moveaxis(pixels, -1, 0)
    for options in ({}, {"compression": "zlib", "predictor": True}):
        tifffile.imwrite(
            tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate", metadata=None, **options
        )
        tifffile.imwrite(tmp_path / "t.tif", pixels, photometric="rgb", tile=(16, 16), metadata=None, **options)
        assert np.array_equal(tiff.decode(tmp_path / "p.tif").values, pixels)
        assert np.array_equal(tiff.decode(tmp_path / "t.tif").values, pixels)


def test_zip_unpacks_to_no_more_than_the_header_says(tmp_path: Path) -> None:
    """A strip of 16 x 16 bytes that goes on for 64 MB, and a tile that claims to be as large."""
    zeros = zlib.compress(bytes(1 << 26), 9)

    def file(name: str, *entries: ifd.Entry) -> Path:
        shared = [ifd.number(tag, [value], "<") for tag, value in ((256, 16), (257, 16), (258, 8), (259, 8), (262, 1))]
        directory = ifd.Directory(tuple(shared)).with_entries([ifd.number(277, [1], "<"), *entries])
        (tmp_path / name).write_bytes(ifd.write(ifd.Structure("<", (directory,))))
        return tmp_path / name

    strip = file("s.tif", ifd.Entry(273, ifd.LONG, 1, blocks=(zeros,)), ifd.number(279, [len(zeros)], "<"))
    tracemalloc.start()
    assert tiff.decode(strip).values.shape == (16, 16, 1)
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()
    sizes = [ifd.number(tag, [1 << 13], "<") for tag in (322, 323)]
    tile = file("t.tif", *sizes, ifd.Entry(324, ifd.LONG, 1, blocks=(zeros,)), ifd.number(325, [len(zeros)], "<"))
    with pytest.raises(ValueError, match="larger than the picture"):
        tiff.layout(tile)


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
    assert np.array_equal(tiff.decode(tmp_path / "a.tif").values, pixels)
    monkeypatch.setattr(tiff, "AT_ONCE", 2 * 5 * pixels[0].nbytes)
    assert np.array_equal(tiff.decode(tmp_path / "a.tif").values, pixels)


@pytest.mark.parametrize("compression", ["jpeg", "tiff_deflate", "packbits", "tiff_lzw"])
def test_reads_what_pillow_writes(tmp_path: Path, compression: str) -> None:
    pixels = np.linspace(0, 255, 40 * 48 * 3).reshape(40, 48, 3).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    assert np.abs(tiff.decode(tmp_path / "a.tif").values.astype(int) - pixels).max() <= (
        4 if compression == "jpeg" else 0
    )


def test_reads_palettes(tmp_path: Path) -> None:
    grey = Image.fromarray(values(8, 1)[..., 0])
    grey.convert("P").save(tmp_path / "a.tif")
    assert np.array_equal(tiff.decode(tmp_path / "a.tif").values, np.repeat(values(8, 1), 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_in_tiff_stays_in_sensor_orientation(tmp_path: Path, orientation: int) -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    pixels[:16, :16] = 255
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.tif", compression="jpeg", tiffinfo={274: orientation})
    assert np.abs(tiff.decode(tmp_path / "a.tif").values.astype(int) - pixels).max() < 5


def test_reads_real_lzw_in_planes_and_tiles(shared_data: Path) -> None:
    folder = shared_data / "hard" / "pillow"
    with Image.open(folder / "tiff_16bit_RGB_target.png") as image:
        expected = np.asarray(image)  # of which Pillow keeps the upper 8 bits
    for name in ("tiff_strip_planar_16bit_RGB.tiff", "tiff_tiled_planar_16bit_RGB.tiff"):
        read = tiff.decode(folder / name).values
        assert read.dtype == np.uint16
        assert np.array_equal(read >> 8, expected)


def test_zero_as_white_is_turned_round(tmp_path: Path) -> None:
    for depth, largest in ((8, 255), (16, 65535)):
        pixels = values(depth, 1)
        tifffile.imwrite(tmp_path / "a.tif", pixels[..., 0], photometric="miniswhite", metadata=None)
        assert np.array_equal(tiff.decode(tmp_path / "a.tif").values, largest - pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_8_bits_stay_in_sensor_orientation(tmp_path: Path, orientation: int) -> None:
    pixels = values(8, 3)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", metadata=None, extratags=[(274, "H", 1, orientation, True)]
    )
    picture = tiff.decode(tmp_path / "a.tif")
    assert np.array_equal(picture.values, pixels)
    assert exif.checked(picture.metadata.exif)[1] == orientation


@pytest.mark.parametrize(
    ("pixels", "options", "reason"),
    [
        (np.zeros((8, 8), np.int16), {}, "neither unsigned integers nor floats"),
        (np.zeros((8, 8, 3), np.complex64), {"photometric": "rgb"}, "neither unsigned integers nor floats"),
        (np.zeros((8, 8), np.uint32), {}, "32 bits per value"),
        (np.zeros((8, 8), bool), {}, "black and white only"),
        (np.zeros((8, 8, 4), np.uint8), {"photometric": "separated"}, "CMYK"),
        (np.zeros((8, 8, 5), np.uint8), {"photometric": "rgb"}, "5 values per pixel"),
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
    content = tiff.encode(Decoded(pixels, None, Metadata(exif.to_bytes(tags), b"profile")))[0]
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
    content, _ = tiff.encode(Decoded(pixels, None, Metadata(wrong)))
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert np.array_equal(file.pages[0].asarray(), pixels[..., 0])


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_reads_floats(tmp_path: Path, kind: str, byteorder: str, options: dict[str, Any]) -> None:
    pixels = np.random.default_rng(0).normal(size=(21, 34, 3)).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", byteorder=byteorder, metadata=None, **options)
    assert tiff.layout(tmp_path / "a.tif") == Layout(34, 21, 3, False, 32)
    assert np.array_equal(tiff.decode(tmp_path / "a.tif").values, pixels)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("samples", [1, 3])
def test_reads_differences_of_floats(tmp_path: Path, byteorder: str, samples: int) -> None:
    """A strip by the definition: of each row the highest bytes first, then differences to the byte `samples` before."""
    pixels = np.random.default_rng(0).normal(size=(5, 8, samples)).astype(np.float32)
    rows = []
    for row in pixels:
        planes = np.ascontiguousarray(row.reshape(-1).astype(">f4")).view(np.uint8).reshape(-1, 4).T.reshape(-1)
        shifted = np.concatenate([np.zeros(samples, np.uint8), planes[:-samples]])
        rows.append((planes - shifted).tobytes())
    strip = zlib.compress(b"".join(rows))
    order = byteorder
    directory = ifd.Directory(
        (
            *(ifd.number(tag, [value], order) for tag, value in {256: 8, 257: 5, 278: 5, 279: len(strip)}.items()),
            *(ifd.number(tag, [value], order, 3) for tag, value in {259: 8, 277: samples, 317: 3}.items()),
            ifd.number(262, [2 if samples == 3 else 1], order, 3),
            ifd.number(258, [32] * samples, order, 3),
            ifd.number(339, [3] * samples, order, 3),
            ifd.Entry(273, ifd.LONG, 1, blocks=(strip,)),
        )
    )
    (tmp_path / "a.tif").write_bytes(ifd.write(ifd.Structure(order, (directory,))))
    assert np.array_equal(tiff.decode(tmp_path / "a.tif").values, pixels)


def test_private_tags_of_every_type_come_through(tmp_path: Path) -> None:
    tags = [(50001, "d", 2, (1.5, -2.0), True), (50002, "s", 0, "text", True), (33550, "d", 3, (1.0, 1.0, 0.0), True)]
    tifffile.imwrite(tmp_path / "a.tif", values(16, 3), photometric="rgb", extratags=tags, description="said")
    picture = tiff.decode(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(tiff.encode(picture)[0])
    before, after = (ifd.parse(tiff.decode(tmp_path / f"{name}.tif").metadata.exif or b"") for name in "ab")
    assert ifd.flattened(before) == ifd.flattened(after)
    assert {50001, 50002, 33550, 270} <= {entry.tag for entry in after.first.entries}


def test_further_pages_stay_as_they_are_and_smaller_copies_go(tmp_path: Path) -> None:
    pages = [values(16, 1, 9 + index) for index in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(values(8, 3), photometric="rgb", metadata=None)
        writer.write(values(8, 3, 5, 5), photometric="rgb", metadata=None, subfiletype=1)
        for index, page in enumerate(pages):
            writer.write(
                page[..., 0], metadata=None, compression="zlib" if index else None, description=f"page {index}"
            )
    picture = tiff.decode(tmp_path / "a.tif")
    assert picture.metadata.left_out == ("smaller copies of the picture",)
    (tmp_path / "b.tif").write_bytes(tiff.encode(picture)[0])
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert len(file.pages) == 4
        assert np.array_equal(file.pages[0].asarray(), values(8, 3))
        for index, page in enumerate(pages):
            assert np.array_equal(file.pages[index + 1].asarray(), page[..., 0])
            assert file.pages[index + 1].description == f"page {index}"


def test_further_pages_that_are_too_large_to_carry_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 90, 90), np.uint8), photometric="minisblack", metadata=None)
    monkeypatch.setattr(tiff, "LARGEST_CARRIED", 9_000)
    with pytest.raises(UserError, match="2 more"):
        tiff.decode(tmp_path / "a.tif")
