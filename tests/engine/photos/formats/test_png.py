"""PNG: 8 and 16 bits of every colour type, filter and interlacing, exactly; all chunks carried over."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import png
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}


def values(depth: int, samples: int, height: int = 19, width: int = 23) -> Any:
    kind = np.uint8 if depth == 8 else np.uint16
    return np.random.default_rng(depth + samples).integers(0, 1 << depth, (height, width, samples)).astype(kind)


def filtered(rows: np.ndarray, step: int) -> bytes:
    """Rows of bytes by each filter type in turn, from the definitions of section 9.2, a byte at a time."""
    result, above = bytearray(), bytes(rows.shape[1])
    for index, row in enumerate(rows):
        kind = index % 5
        result.append(kind)
        for at, value in enumerate(row.tobytes()):
            left, up = (row[at - step] if at >= step else 0), above[at]
            corner = above[at - step] if at >= step else 0
            left, up, corner = int(left), int(up), int(corner)
            nearest = left + up - corner
            paeth = min((left, up, corner), key=lambda one: abs(nearest - one))
            expected = (0, left, up, (left + up) // 2, paeth)[kind]
            result.append((value - expected) & 0xFF)
        above = row.tobytes()
    return bytes(result)


def file_of(pixels: np.ndarray, colour: int, extra: bytes = b"") -> bytes:
    """A PNG of these values whose rows use all five filters."""
    depth = 8 * pixels.dtype.itemsize
    header = struct.pack(">LLBBBBB", pixels.shape[1], pixels.shape[0], depth, colour, 0, 0, 0)
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(len(pixels), -1)
    packed = zlib.compress(filtered(rows, pixels.shape[2] * pixels.dtype.itemsize))
    return png.SIGNATURE + png._chunk(b"IHDR", header) + extra + png._chunk(b"IDAT", packed) + png._chunk(b"IEND", b"")


def together(picture: Decoded) -> np.ndarray:
    if picture.alpha is None:
        return picture.values
    return np.concatenate([picture.values, picture.alpha[..., None]], axis=2)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("colour", SAMPLES)
def test_reads_all_filters_exactly(tmp_path: Path, depth: int, colour: int) -> None:
    pixels = values(depth, SAMPLES[colour])
    (tmp_path / "a.png").write_bytes(file_of(pixels, colour))
    picture = png.decode(tmp_path / "a.png")
    assert picture.values.dtype == pixels.dtype
    assert np.array_equal(together(picture), pixels)
    assert png.layout(tmp_path / "a.png") == Layout(23, 19, 1 if colour in (0, 4) else 3, colour >= 4, depth)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (300, 7)])
def test_writes_what_it_and_others_read(tmp_path: Path, depth: int, samples: int, size: tuple[int, int]) -> None:
    pixels = values(depth, samples, *size)
    alpha = pixels[..., -1] if samples in (2, 4) else None
    content, missing = png.encode(Decoded(pixels[..., : 3 if samples > 2 else 1], alpha, Metadata()))
    (tmp_path / "a.png").write_bytes(content)
    assert missing == []
    assert np.array_equal(together(png.decode(tmp_path / "a.png")), pixels)
    with Image.open(io.BytesIO(content)) as image:
        if depth == 8:
            assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
        elif samples == 1:
            assert np.array_equal(np.asarray(image), pixels[..., 0])
        elif samples == 3:  # of which Pillow gives the high bytes
            assert np.array_equal(np.asarray(image), pixels >> 8)


@pytest.mark.parametrize("colour", [0, 2])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_becomes_alpha(tmp_path: Path, colour: int, depth: int) -> None:
    pixels = values(depth, SAMPLES[colour])
    key = png._chunk(b"tRNS", pixels[3, 4].astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(file_of(pixels, colour, key))
    picture = png.decode(tmp_path / "a.png")
    assert picture.alpha is not None
    assert np.array_equal(picture.values, pixels)
    assert np.array_equal(picture.alpha == 0, (pixels == pixels[3, 4]).all(axis=2))
    assert set(np.unique(picture.alpha)) == {0, (1 << depth) - 1}
    assert png.layout(tmp_path / "a.png").alpha


def test_palettes_become_colours(tmp_path: Path) -> None:
    grey = Image.fromarray(np.arange(0, 240, 10, dtype=np.uint8)[None])
    grey.convert("P").save(tmp_path / "p.png")
    grey.convert("P").save(tmp_path / "t.png", transparency=0)
    assert np.array_equal(png.decode(tmp_path / "p.png").values, np.asarray(grey.convert("RGB")))
    alpha = png.decode(tmp_path / "t.png").alpha
    assert alpha is not None
    assert 0 < (alpha == 0).sum() < alpha.size


def test_all_chunks_are_carried_over(tmp_path: Path) -> None:
    own = (
        ("gAMA", struct.pack(">L", 45455)),
        ("cHRM", struct.pack(">8L", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        ("sBIT", b"\x08\x08\x08"),
        ("tEXt", b"Author\0me"),
        ("zTXt", b"Comment\0\0" + zlib.compress(b"long")),
        ("iTXt", b"Title\0\0\0de\0Titel\0\xc3\xbc"),
        ("prVt", b"private"),
    )
    about = Metadata(b"MM\0*exif", b"profile", b"<x:xmpmeta/>", b"8BIMresources", (300.0, 72.0), "PNG", own)
    content, _ = png.encode(Decoded(values(8, 3), None, about))
    (tmp_path / "a.png").write_bytes(content)
    again = png.decode(tmp_path / "a.png").metadata
    assert (again.exif, again.icc, again.xmp, again.photoshop) == (about.exif, about.icc, about.xmp, about.photoshop)
    assert again.dpi == pytest.approx((300, 72), abs=0.02)
    assert again.own == own
    assert png.metadata(tmp_path / "a.png") == again
    assert png.gamma(again) == 0.45455
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["icc_profile"] == b"profile"
        assert image.info["Author"] == "me"
        assert image.info["dpi"] == pytest.approx((300, 72), abs=0.02)


def test_what_fits_one_colour_type_only_is_not_carried_to_another(tmp_path: Path) -> None:
    key = png._chunk(b"tRNS", bytes(2)) + png._chunk(b"bKGD", bytes(2)) + png._chunk(b"tEXt", b"a\0b")
    (tmp_path / "a.png").write_bytes(file_of(values(8, 1), 0, key))
    assert png.decode(tmp_path / "a.png").metadata.own == (("tEXt", b"a\0b"),)


def test_damaged_chunks_of_metadata_do_not_cost_the_picture(tmp_path: Path) -> None:
    bad = png._chunk(b"tEXt", b"a\0b")[:-1] + b"?" + png._chunk(b"iCCP", b"name\0\0no profile")
    (tmp_path / "a.png").write_bytes(file_of(values(8, 3), 2, bad))
    picture = png.decode(tmp_path / "a.png")
    assert np.array_equal(picture.values, values(8, 3))
    assert (picture.metadata.icc, picture.metadata.own) == (None, ())


def test_a_profile_that_inflates_without_end_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "LARGEST_UNPACKED", 1000)
    bomb = png._chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(10_000)))
    (tmp_path / "a.png").write_bytes(file_of(values(8, 3), 2, bomb))
    assert png.decode(tmp_path / "a.png").metadata.icc is None


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.99])
def test_cut_files_are_refused(tmp_path: Path, cut: float) -> None:
    whole = file_of(values(16, 3), 2)
    (tmp_path / "a.png").write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises((OSError, SyntaxError)):
        png.decode(tmp_path / "a.png")


def test_black_and_white_and_animations_are_refused(tmp_path: Path) -> None:
    Image.new("1", (9, 9)).save(tmp_path / "b.png")
    Image.new("L", (9, 9)).save(tmp_path / "a.png", save_all=True, append_images=[Image.new("L", (9, 9), 9)])
    for name, why in (("b.png", "black and white"), ("a.png", "animation")):
        for look in (png.layout, png.decode):
            with pytest.raises(UserError, match=why):
                look(tmp_path / name)


def test_real_interlaced_files_hold_what_their_plain_twins_hold(shared_data: Path) -> None:
    folder = shared_data / "hard" / "pngsuite"
    for name in ("0g16", "2c16", "4a16", "6a16", "0g08", "2c08", "4a08", "6a08", "3p08", "0g04"):
        one, other = (png.decode(folder / f"bas{kind}{name}.png") for kind in ("i", "n"))
        assert np.array_equal(together(one), together(other))
        assert one.values.dtype == (np.uint16 if name.endswith("16") else np.uint8)
