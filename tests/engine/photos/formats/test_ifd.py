"""Directories of TIFF: to the last byte there and back, in both orders and both sizes; what is damaged is left out."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from ddm_gui.engine.photos.formats import ifd
from ddm_gui.engine.photos.formats.ifd import Directory, Entry, Structure

MODEL, PLACES, LENGTHS = 272, 273, 279


def structure(order: str = "<") -> Structure:
    """Two pictures; the first with EXIF and a private tag, both with strips."""
    exif = Directory((Entry(33434, 5, 1, struct.pack(order + "LL", 1, 60)), Entry(37500, 7, 9, b"maker\0\1\2\3")))
    first = Directory(
        (
            Entry(MODEL, 2, 6, b"Model\0"),
            Entry(PLACES, ifd.LONG, 2, blocks=(b"odd", b"even")),
            ifd.number(LENGTHS, [3, 4], order),
            Entry(ifd.EXIF, ifd.LONG, 1, directories=(exif,)),
            Entry(50000, 12, 2, struct.pack(order + "dd", 1.5, -2.5)),
        )
    )
    second = Directory(
        (ifd.number(256, [7], order, 3), Entry(PLACES, 4, 1, blocks=(b"x",)), ifd.number(LENGTHS, [1], order))
    )
    return Structure(order, (first, second))


@pytest.mark.parametrize("order", ["<", ">"])
def test_there_and_back(order: str) -> None:
    made = ifd.write(structure(order))
    read = ifd.parse(made)
    assert read.first.get(PLACES) == Entry(PLACES, ifd.LONG, 2, blocks=(b"odd", b"even"))
    assert ifd.flattened(read, ifd.BLOCKS) == ifd.flattened(structure(order), ifd.BLOCKS)
    again = ifd.write(read)  # in which the maker note comes first, for it has a place now
    assert ifd.flattened(ifd.parse(again), ifd.BLOCKS) == ifd.flattened(read, ifd.BLOCKS)
    assert ifd.write(ifd.parse(again)) == again


def test_the_other_order_holds_the_same_values() -> None:
    turned = ifd.in_order(structure("<"), ">")
    assert ifd.flattened(turned) == ifd.flattened(structure("<"))
    assert ifd.flattened(ifd.parse(ifd.write(turned)), ifd.BLOCKS) == ifd.flattened(structure("<"), ifd.BLOCKS)
    assert ifd.numbers(ifd.parse(ifd.write(turned)).first.get(LENGTHS), ">") == (3, 4)


def test_bigtiff_where_tiff_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifd, "CLASSIC_LIMIT", 100)
    made = ifd.write(structure())
    assert made[:4] == b"II\x2b\0"
    read = ifd.parse(made)
    assert read.first.get(PLACES) == Entry(PLACES, ifd.LONG8, 2, blocks=(b"odd", b"even"))
    assert ifd.flattened(read, ifd.BLOCKS) == ifd.flattened(structure(), ifd.BLOCKS)


def test_others_read_what_is_written() -> None:
    exif = Image.Exif()
    exif.load(ifd.write(structure(">")))
    assert exif[MODEL] == "Model"
    assert exif.get_ifd(ifd.EXIF)[33434] == pytest.approx(1 / 60)


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0", b"no TIFF structure at all", b"II\x2b\0\x08\0\0\0\0\0\0\0"])
def test_what_is_no_structure(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a TIFF structure"):
        ifd.parse(data)


def test_every_cut_ends_in_what_is_left() -> None:
    whole = ifd.write(structure())
    for kept in range(8, len(whole)):
        read = ifd.parse(whole[:kept])
        assert set(ifd.flattened(read)) <= set(ifd.flattened(structure()))


def test_circles_and_huge_claims_end() -> None:
    circle = b"II*\0\x08\0\0\0" + struct.pack("<HHHLLL", 1, ifd.EXIF, 4, 1, 8, 8)  # its EXIF and its next are itself
    assert ifd.parse(circle).directories == (Directory(()),)
    huge = b"II*\0\x08\0\0\0" + struct.pack("<HHHLLL", 1, MODEL, 12, 0xFFFFFFFF, 8, 0)
    assert ifd.parse(huge).directories == (Directory(()),)
    many = b"II*\0\x08\0\0\0" + struct.pack("<H", 0xFFFF)
    assert ifd.parse(many).directories == ()


def test_blocks_outside_of_the_file_are_left_out() -> None:
    directory = Directory((ifd.number(PLACES, [4, 1000], "<"), ifd.number(LENGTHS, [2, 2], "<")))
    kept = ifd.with_blocks(directory, io.BytesIO(b"0123456789"), "<")
    assert kept.get(PLACES) is None
