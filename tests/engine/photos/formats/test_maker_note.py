"""Maker notes: they keep their place where it matters, or the receipt says that they have not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from ddm_gui.engine.photos.formats import exif, ifd, maker_note, tiff
from ddm_gui.engine.photos.formats.ifd import Directory, Entry, Structure
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.photo import Photo, read, write

# Each of another way to count offsets.
REAL = {
    "degraded/colorchecker_cc0/canon_g2_2272x1704.jpg": True,
    "hard/pillow/flower.jpg": True,  # Canon
    "photos/hires/exifsamples_lamp.jpg": True,  # Canon, with a thumbnail behind the note
    "photos/hires/exifsamples_car.jpg": True,  # Casio: a name of 6 bytes, big-endian
    "degraded/colorchecker_cc0/nikon_d90_2144x1424.jpg": False,
    "hard/icc_widegamut/Nikon-D300-12bit_2020_g1_dt.png": False,
    "photos/hires/exifsamples_wisteria.jpg": False,  # Apple
    "photos/hires/immich_empty_gps.jpg": False,  # Motorola
}


def note(order: str = "<") -> bytes:
    """A directory with one value in its place and one behind an offset."""
    entries = struct.pack(order + "HHLHH", 1, 3, 1, 7, 0) + struct.pack(order + "HHLL", 2, 2, 6, 30)
    return struct.pack(order + "H", 2) + entries + bytes(4) + b"values"


def with_note(content: bytes, before: int = 0) -> bytes:
    """EXIF bytes with a maker note, and so many bytes of another tag, which are laid out before it."""
    other = (Entry(36868, 7, before, bytes(before)),) if before else ()
    inner = Directory((*other, Entry(ifd.MAKER_NOTE, 7, len(content), content)))
    return ifd.write(Structure("<", (Directory((Entry(ifd.EXIF, ifd.LONG, 1, directories=(inner,)),)),)))


def photo(about: bytes) -> Photo:
    """A small photo with these EXIF bytes."""
    return Photo(np.full((9, 12, 3), 0.5, np.float32), 8, metadata=Metadata(about, kind="JPEG"))


def place_in(content: bytes) -> int | None:
    """Where the maker note of EXIF bytes, or of a TIFF file, lies."""
    found = maker_note.note_of(ifd.parse(content))
    assert found is not None
    assert found.place is not None
    assert content[found.place : found.place + len(found.data)] == found.data
    return found.place


@pytest.mark.parametrize("name", REAL)
def test_notes_of_real_cameras_keep_their_place(shared_data: Path, tmp_path: Path, name: str) -> None:
    whole = read(shared_data / name)
    before = whole.with_pixels(whole.pixels[:16, :16])
    assert before.metadata.exif is not None
    found = maker_note.note_of(ifd.parse(before.metadata.exif))
    assert found is not None
    assert maker_note.is_tied(found.data) is REAL[name]
    for target in ("a.tif", "a.jpg", "a.png"):
        receipt = write(before, tmp_path / target)
        assert maker_note.MOVED not in receipt.lost
        assert receipt.tags_kept == receipt.tags or target[2:] != before.metadata.kind
    assert place_in((tmp_path / "a.tif").read_bytes()) == found.place
    again = write(read(tmp_path / "a.tif"), tmp_path / "b.tif")
    assert maker_note.MOVED not in again.lost
    assert place_in((tmp_path / "b.tif").read_bytes()) == found.place


@pytest.mark.parametrize("big", [False, True])
def test_a_note_is_written_where_it_lay(big: bool) -> None:
    made = with_note(note(), before=300)
    place = place_in(made)
    structure = exif.structure_of(made)[0]
    found = maker_note.note_of(structure)
    parts = ifd._Writer("<", big, found).file(structure)
    assert place_in(b"".join(parts)) == place
    assert ifd.flattened(ifd.parse(b"".join(parts))) == ifd.flattened(structure)


def test_a_note_that_lay_too_far_is_moved_and_that_is_told(tmp_path: Path) -> None:
    write(photo(with_note(note(), before=ifd.FARTHEST)), tmp_path / "a.tif")
    far = read(tmp_path / "a.tif")
    assert far.metadata.left_out == (maker_note.MOVED,)
    receipt = write(far, tmp_path / "b.tif")
    assert receipt.lost == (maker_note.MOVED,)
    assert receipt.tags_kept == receipt.tags
    assert "not kept: the place of the maker note in the file" in str(receipt)


def test_of_a_note_that_may_be_moved_nothing_is_told(tmp_path: Path) -> None:
    write(photo(with_note(b"Nikon\0\2\x10\0\0MM\0*\0\0\0\x08" + note(">"), before=ifd.FARTHEST)), tmp_path / "a.tif")
    assert write(read(tmp_path / "a.tif"), tmp_path / "b.tif").lost == ()


def test_a_note_leaves_its_place_where_jpeg_has_no_room_for_it(tmp_path: Path) -> None:
    made = ifd.parse(with_note(note()))
    (first,) = made.directories
    inner = first.inside(ifd.EXIF).with_entries([Entry(36868, 7, 30_000, bytes(30_000))])
    found = Entry(ifd.MAKER_NOTE, 7, len(note()), note(), place=60_000)
    whole = first.with_entries([Entry(ifd.EXIF, ifd.LONG, 1, directories=(inner.with_entries([found]),))])
    padded = ifd.write(Structure("<", (whole,)))
    assert place_in(padded) == 60_000
    receipt = write(photo(padded), tmp_path / "a.jpg")
    assert receipt.lost == (maker_note.MOVED,)
    assert receipt.tags_kept == receipt.tags


@pytest.mark.parametrize("content", [b"", b"\1", b"KDK0100\0" + bytes(40), b"some words, and no directory at all"])
def test_a_note_without_a_directory_may_be_moved(content: bytes) -> None:
    assert not maker_note.is_tied(content)


@pytest.mark.parametrize("before", [b"", b"QVC\0\0\0", b"OLYMP\0\1\0", b"Panasonic\0\0\0", b"SONY DSC \0\0\0"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_note_with_a_directory_may_not(before: bytes, order: str) -> None:
    assert maker_note.is_tied(before + note(order))


def test_a_tiff_files_metadata_keep_the_place(tmp_path: Path) -> None:
    made = with_note(note(), before=40)
    write(photo(made), tmp_path / "a.tif")
    about = tiff.metadata(tmp_path / "a.tif")
    assert about.exif is not None
    assert place_in(about.exif) == place_in(made)
    assert about.left_out == ()
