"""Photos: found, read, refused, shown, written; bytes in are bytes out."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import (
    LIMIT,
    Photo,
    PhotoHeader,
    SizeLimit,
    allow,
    read,
    read_header,
    rounded,
    thumbnail,
    upright,
    write,
)

NAME = "zdjęcia Großer 写真"
EXIF = exif.to_bytes({exif.ORIENTATION: 6, 271: "Maker", exif.EXIF_DIRECTORY: {36867: "2026:01:02 03:04:05"}})
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo_of(depth: int, channels: int, **metadata: Any) -> Photo:
    """A photo of 23 x 31 pixels with random values of this depth."""
    largest = (1 << depth) - 1
    values = np.random.default_rng(depth + channels).integers(0, largest + 1, (23, 31, channels))
    return Photo((values / largest).astype(np.float32), depth, **metadata)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder whose name is not ASCII."""
    made = tmp_path / NAME
    made.mkdir()
    return made


# Photo


def test_pixels_are_read_only_and_the_callers_own_stay_writable() -> None:
    pixels = np.zeros((4, 5, 3), np.float32)
    photo = Photo(pixels, 8)
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0, 0] = 1.0
    pixels[0, 0, 0] = 1.0
    assert photo.with_pixels(pixels[:2]).pixels.shape == (2, 5, 3)


@pytest.mark.parametrize(
    ("shape", "depth", "orientation"),
    [((4, 5), 8, 1), ((4, 5, 2), 8, 1), ((0, 5, 3), 8, 1), ((4, 5, 3), 12, 1), ((4, 5, 3), 8, 0), ((4, 5, 3), 8, 9)],
)
def test_an_impossible_photo_is_a_bug(shape: tuple[int, ...], depth: int, orientation: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Photo(np.zeros(shape, np.float32), depth, orientation)


def test_upright_turns_by_the_orientation() -> None:
    photo = photo_of(8, 3, orientation=6)
    assert upright(photo).shape == (31, 23, 3)
    assert np.array_equal(upright(photo)[0, -1], photo.pixels[0, 0])
    assert not upright(photo).flags.writeable


# Identity


@pytest.mark.parametrize(
    ("suffix", "depth", "file_format"),
    [(".png", 8, "png"), (".tif", 8, "tiff"), (".tiff", 16, "tiff"), (".png", 8, "same"), (".tif", 16, "same")],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_written_and_read_is_the_same(folder: Path, suffix: str, depth: int, file_format: str, channels: int) -> None:
    photo = photo_of(depth, channels, orientation=6, metadata=Metadata(EXIF, ICC))
    path = folder / f"写真{suffix}"
    write(photo, path, file_format)
    again = read(path)
    assert np.array_equal(again.pixels, photo.pixels)
    assert (again.depth, again.orientation, again.metadata.icc, again.source) == (depth, 6, ICC, path)
    assert again.metadata.exif is not None
    assert exif.entries(again.metadata.exif) == exif.entries(EXIF)
    assert read_header(path) == PhotoHeader(31, 23, channels, depth)
    assert [item.name for item in folder.iterdir()] == [path.name]


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_metadata_and_nearly_the_pixels(folder: Path, channels: int) -> None:
    smooth = np.linspace(0, 1, 40 * 60 * channels, dtype=np.float32).reshape(40, 60, channels)
    write(Photo(smooth, 16, 6, metadata=Metadata(EXIF, ICC)), folder / "a.JPG", "jpeg")
    photo = read(folder / "a.JPG")
    assert np.abs(photo.pixels - smooth).max() < 0.02
    assert (photo.depth, photo.orientation, photo.metadata.exif, photo.metadata.icc) == (8, 6, EXIF, ICC)
    assert photo.pixels.shape == (40, 60, channels)


def test_exif_too_long_for_jpeg_is_cut_to_the_orientation(folder: Path) -> None:
    long = exif.to_bytes({exif.ORIENTATION: 8, 270: "x" * 70_000})
    write(photo_of(8, 3, orientation=8, metadata=Metadata(long)), folder / "a.jpg")
    photo = read(folder / "a.jpg")
    assert photo.orientation == 8
    assert photo.metadata.exif == exif.to_bytes({exif.ORIENTATION: 8})


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_orientation_is_written_where_there_is_no_other_exif(folder: Path, suffix: str) -> None:
    write(photo_of(8, 3, orientation=5), folder / f"a{suffix}")
    assert read(folder / f"a{suffix}").orientation == 5


def test_values_are_rounded_and_clipped(folder: Path) -> None:
    pixels = np.array([-0.5, 0.4 / 255, 0.6 / 255, 2.0], np.float32).reshape(1, 4, 1)
    write(Photo(pixels, 8), folder / "a.png")
    assert np.rint(read(folder / "a.png").pixels * 255).ravel().tolist() == [0, 0, 1, 255]
    write(Photo(pixels, 8), folder / "a.tif", "tiff", depth=16)
    assert np.rint(read(folder / "a.tif").pixels * 65535).ravel().tolist() == [0, 103, 154, 65535]


# Writing is refused


@pytest.mark.parametrize(("depth", "file_format", "suffix"), [(8, "png", ".png"), (16, "tiff", ".tif")])
def test_rounded_is_what_a_file_gives_back(folder: Path, depth: int, file_format: str, suffix: str) -> None:
    pixels = np.random.default_rng(1).uniform(-0.1, 1.1, (40, 30, 3)).astype(np.float32)
    photo = rounded(Photo(pixels, 16, orientation=3), depth)
    write(photo, folder / f"a{suffix}", file_format)
    again = read(folder / f"a{suffix}")
    np.testing.assert_array_equal(photo.pixels, again.pixels)
    assert (photo.depth, photo.orientation) == (again.depth, again.orientation) == (depth, 3)
    np.testing.assert_array_equal(rounded(photo, depth).pixels, photo.pixels)


def test_what_a_format_cannot_hold_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="Choose TIFF"):
        write(Photo(photo_of(8, 3).pixels, 32), folder / "a.png")
    with pytest.raises(UserError, match="Choose PNG or TIFF"):
        write(photo_of(8, 3, alpha=np.zeros((23, 31), np.uint8)), folder / "a.jpg")
    with pytest.raises(UserError, match="only of photos that were FITS"):
        write(photo_of(8, 3), folder / "a.fits")
    assert not list(folder.iterdir())


def test_an_original_is_never_overwritten(folder: Path) -> None:
    write(photo_of(8, 3), folder / "a.png")
    photo = read(folder / "a.png")
    before = (folder / "a.png").read_bytes()
    with pytest.raises(UserError, match="never overwritten"):
        write(photo.with_pixels(photo.pixels * 0), folder / ".." / NAME / "a.png")
    assert (folder / "a.png").read_bytes() == before


def test_a_place_that_cannot_be_written(folder: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write(photo_of(8, 3), folder / "nowhere" / "a.png")
    with pytest.raises(UserError, match=r"'\.dng' is not written"):
        write(photo_of(8, 3), folder / "a.dng")
    with pytest.raises(ValueError, match="no format"):
        write(photo_of(8, 3), folder / "a.png", "gif")


# Reading odd ones


def test_palettes_and_opaque_alpha_are_read(folder: Path) -> None:
    colours = Image.fromarray(np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None], 3, axis=2))
    colours.convert("P").save(folder / "p.png")
    colours.convert("RGBA").save(folder / "rgba.png")
    colours.convert("LA").save(folder / "la.png")
    colours.convert("RGBA").save(folder / "rgba.tif")
    assert read(folder / "p.png").pixels.shape == (1, 24, 3)
    assert np.array_equal(read(folder / "rgba.png").pixels * 255, np.asarray(colours))
    assert np.array_equal(read(folder / "rgba.tif").pixels * 255, np.asarray(colours))
    assert read(folder / "la.png").pixels.shape == (1, 24, 1)


def image(mode: str, **options: Any) -> Image.Image:
    return Image.new(mode, (20, 10), **options)


@pytest.mark.parametrize(
    ("name", "made", "options", "reason"),
    [
        ("a.png", image("1"), {}, "black and white"),
        ("a.png", image("L"), {"save_all": True, "append_images": [image("L", color=9)]}, "animation"),
        ("a.jpg", image("CMYK"), {}, "CMYK"),
    ],
)
def test_refused_with_file_and_reason(
    folder: Path, name: str, made: Image.Image, options: dict[str, Any], reason: str
) -> None:
    made.save(folder / name, **options)
    with pytest.raises(UserError) as caught:
        read(folder / name)
    assert str(folder / name) in caught.value.what
    assert reason in caught.value.why
    assert caught.value.todo


def test_a_grey_level_that_nothing_has_may_be_transparent(folder: Path) -> None:
    image("L", color=7).save(folder / "a.png", transparency=9)
    assert np.array_equal(read(folder / "a.png").pixels * 255, np.full((10, 20, 1), 7.0))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_damaged_files_are_refused(folder: Path, suffix: str) -> None:
    values = np.random.default_rng(0).random((60, 60, 3), np.float32)
    write(Photo(values, 8), folder / f"whole{suffix}")
    content = (folder / f"whole{suffix}").read_bytes()
    damaged = {"half": content[: len(content) // 2], "short": content[:20], "empty": b"", "other": b"text" * 99}
    for name, data in damaged.items():
        path = folder / f"{name}{suffix}"
        path.write_bytes(data)
        with pytest.raises(UserError, match="cannot be read") as caught:
            read(path)
        assert name in caught.value.what
        assert caught.value.why


def test_wrong_and_unknown_extensions_are_refused(folder: Path) -> None:
    write(photo_of(8, 3), folder / "a.png")
    content = (folder / "a.png").read_bytes()
    for name in ("a.jpg", "a.tif", "a.nef", "a.dng"):
        (folder / name).write_bytes(content)
        with pytest.raises(UserError, match="not what its name says"):
            read(folder / name)
    (folder / "a.gif").write_bytes(content)
    with pytest.raises(UserError, match=r"'\.gif' is not a kind"):
        read_header(folder / "a.gif")
    with pytest.raises(UserError, match="does not exist"):
        read(folder / "missing.png")
    (folder / "folder.png").mkdir()
    with pytest.raises(UserError, match="not a file"):
        read(folder / "folder.png")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(folder: Path) -> None:
    write(photo_of(8, 3), folder / "a.png")
    (folder / "a.png").chmod(0)
    with pytest.raises(UserError, match="not permitted"):
        read(folder / "a.png")


def test_a_huge_claim_is_refused_before_it_is_decoded(folder: Path) -> None:
    side = int((SizeLimit.largest_photo * 1e6) ** 0.5) + 1
    image("L").save(folder / "a.png")
    content = bytearray((folder / "a.png").read_bytes())
    content[16:24] = struct.pack(">LL", side, side)
    content[29:33] = struct.pack(">L", zlib.crc32(content[12:29]))
    (folder / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="more than 400 megapixels"):
        read(folder / "a.png")


def test_the_limit_on_sizes_is_a_persons_to_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image("L").save(folder / "a.png")
    monkeypatch.setenv(LIMIT, "0.0001")
    with pytest.raises(UserError, match=r"more than 0\.0001 megapixels"):
        read_header(folder / "a.png")
    allow(0.0002)
    assert read_header(folder / "a.png").width == 20
    for wrong in ("many", "nan", "-1"):
        monkeypatch.setenv(LIMIT, wrong)
        with pytest.raises(UserError, match="must be a number of megapixels above 0"):
            read_header(folder / "a.png")
    monkeypatch.setenv(LIMIT, "0.0001")
    with pytest.raises(UserError) as refusal:
        read_header(folder / "a.png")
    assert "--largest-photo 1," in refusal.value.todo
    assert "File › Limits" in refusal.value.todo


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.fits"])
def test_sizes_are_taken_from_the_header_of_each_format(folder: Path, name: str) -> None:
    """Headers that claim 30000 x 30000, over the pixels of a small picture."""
    if name == "a.fits":
        cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    2"]
        cards += ["NAXIS1  =                30000", "NAXIS2  =                30000", "END"]
        (folder / name).write_bytes("".join(card.ljust(80) for card in cards).encode().ljust(2880) + bytes(2880))
    else:
        image("RGB").save(folder / name)
        content = bytearray((folder / name).read_bytes())
        if name == "a.jpg":
            struct.pack_into(">HH", content, content.index(b"\xff\xc0") + 5, 30000, 30000)
        else:  # width and height, as Pillow writes them
            for tag, value in ((256, 20), (257, 10)):
                at = content.index(struct.pack("<HHLL", tag, 4, 1, value))
                struct.pack_into("<L", content, at + 8, 30000)
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match="30000 x 30000 pixels, more than 400 megapixels"):
        read(folder / name)
    with pytest.raises(UserError, match="more than 400 megapixels"):
        thumbnail(folder / name, 64)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_pillows_own_limit_on_sizes_is_neither_met_nor_changed(
    folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image("RGB").save(folder / f"a{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # of 200: above twice the limit, `Image.open` raises
    assert read(folder / f"a{suffix}").pixels.shape == (10, 20, 3)
    assert thumbnail(folder / f"a{suffix}", 8).shape == (4, 8, 3)
    assert Image.MAX_IMAGE_PIXELS == 50


def test_damaged_exif_does_not_cost_the_photo(folder: Path) -> None:
    image("RGB").save(folder / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    photo = read(folder / "a.jpg")
    assert photo.orientation == 1
    write(photo, folder / "b.tif")
    assert np.array_equal(read(folder / "b.tif").pixels, photo.pixels)


# Thumbnails


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_thumbnails_are_small_upright_and_in_colour(folder: Path, suffix: str) -> None:
    pixels = np.zeros((300, 400, 1), np.float32)
    pixels[:150, :200] = 1.0
    write(Photo(pixels, 8, 6), folder / f"a{suffix}")
    small = thumbnail(folder / f"a{suffix}", 40)
    assert small.dtype == np.uint8
    assert small.shape == (40, 30, 3)
    assert small[5, -5].min() > 240
    assert max(small[5, 5].max(), small[-5, 5].max(), small[-5, -5].max()) < 15
    assert thumbnail(folder / f"a{suffix}", 1000).shape == (400, 300, 3)


def test_thumbnail_of_16_bits(folder: Path) -> None:
    write(Photo(np.full((90, 60, 3), 0.5, np.float32), 16), folder / "a.tif")
    small = thumbnail(folder / "a.tif", 30)
    assert small.shape == (30, 20, 3)
    assert set(np.unique(small)) == {128}


# Real and hostile files


def test_hostile_files_end_in_a_photo_or_a_sentence(shared_data: Path) -> None:
    """A sample; the whole folder takes longer than a test may."""
    folders = [
        shared_data / "hard" / name for name in ("pngsuite", "image_rs_tiff", "raw_stub", "exif_samples_invalid")
    ]
    paths = [path for one in folders for path in sorted(one.iterdir())[::3] if path.stat().st_size < 300_000]
    assert len(paths) > 50
    photos, refused = [], {}
    for path in paths:
        try:
            photos.append(read(path))
        except UserError as error:
            refused[str(path)] = error
    assert min(len(photos), len(refused)) > 4
    assert all(0.0 <= photo.pixels.min() <= photo.pixels.max() <= 1.0 for photo in photos)
    assert all(path in error.what and error.why for path, error in refused.items())


def test_real_orientations(shared_data: Path) -> None:
    paths = sorted((shared_data / "hard" / "exif_orientation").iterdir())
    photos = [read(path) for path in paths]
    assert sorted(photo.orientation for photo in photos) == list(range(1, 9))
    shown = [np.asarray(thumbnail(path, 60), dtype=float) for path in paths]
    assert len({picture.shape for picture in shown}) == 1
    assert max(np.abs(picture - shown[0]).mean() for picture in shown) < 6


def test_neither_torch_nor_qt_is_imported() -> None:
    code = "import sys, ddm_gui.engine.photos.photo; print([n for n in ('torch', 'PySide6') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_png_bytes_are_those_of_pillow(folder: Path) -> None:
    """What is written is an ordinary file: Pillow reads the same values and the same profile from it."""
    photo = photo_of(8, 3, metadata=Metadata(icc=ICC))
    write(photo, folder / "a.png")
    with Image.open(io.BytesIO((folder / "a.png").read_bytes())) as opened:
        assert opened.info["icc_profile"] == ICC
        assert np.array_equal(np.asarray(opened), np.rint(photo.pixels * 255).astype(np.uint8))
