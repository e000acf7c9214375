"""What is private goes, is named, and nothing else goes with it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddm_gui.engine.photos.formats import exif, ifd, photoshop
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.formats.privacy import stripped
from ddm_gui.engine.photos.photo import Photo, read, write

PLAIN = {exif.ORIENTATION: 6, 271: "Maker"}
CITY, CAPTION = b"\x1c\x02\x5a\x00\x05Paris", b"\x1c\x02\x78\x00\x05title"


def exif_with_everything() -> bytes:
    """Maker, date, lens, serial numbers, owner, maker note, position and a thumbnail."""
    inner = {36867: "2026:01:02 03:04:05", 0xA430: "Me", 0xA431: "12345", 0xA434: "50mm", 0xA435: "678", 37500: b"note"}
    position = {1: "N", 2: (48.0, 51.0, 0.0)}
    made = exif.to_bytes({**PLAIN, exif.EXIF_DIRECTORY: inner, exif.GPS_DIRECTORY: position})
    small = io.BytesIO()
    Image.new("RGB", (16, 12)).save(small, "JPEG")
    structure = ifd.parse(made)
    thumbnail = ifd.Directory(
        (
            ifd.Entry(513, ifd.LONG, 1, blocks=(small.getvalue(),)),
            ifd.number(514, [len(small.getvalue())], structure.order),
        )
    )
    return ifd.write(ifd.Structure(structure.order, (structure.first, thumbnail)))


def test_what_is_private_in_exif_goes() -> None:
    about, taken = stripped(Metadata(exif_with_everything()))
    assert set(taken) == {"owner", "serial numbers", "maker note", "position", "thumbnail"}
    inner = {36867: "2026:01:02 03:04:05", 0xA434: "50mm"}
    assert exif.entries(about.exif or b"") == {**PLAIN, exif.EXIF_DIRECTORY: inner}
    for private in (b"12345", b"678", b"note", b"Me\0", b"\xff\xd8"):
        assert private not in (about.exif or b"")


def test_what_is_not_private_stays_to_the_last_byte() -> None:
    about = Metadata(exif.to_bytes(PLAIN), b"icc", b"<rating>5</rating>", photoshop.of_iptc(CAPTION), (72.0, 72.0))
    assert stripped(about) == (about, ())


def test_places_in_iptc_and_xmp_go() -> None:
    resources = photoshop.packed([(0x0404, b"\0\0", CITY + CAPTION), (0x040C, b"\0\0", b"a thumbnail")])
    about, taken = stripped(Metadata(photoshop=resources, xmp=b'<x exif:GPSLatitude="48,51N"/>'))
    assert about.photoshop == photoshop.of_iptc(CAPTION)
    assert about.xmp is None
    assert set(taken) == {"XMP", "thumbnail", "place names in IPTC"}
    assert stripped(Metadata(xmp="<x GPSLatitude=''/>".encode("utf-16")))[0].xmp is None


@pytest.mark.parametrize(
    ("kind", "own", "kept"),
    [
        ("PNG", (("tEXt", b"GPSLatitude\048"), ("gAMA", struct.pack(">L", 45455))), ("gAMA",)),
        ("JPEG", (("EB", b"JP provenance"), ("FE", b"comment"), ("E0", b"JFXX\0thumbnail")), ("FE",)),
        ("FITS", (("card", b"SITELAT =                 48.8"), ("card", b"OBJECT  = 'M1      '")), ("card",)),
    ],
)
def test_own_parts_of_files(kind: str, own: tuple[tuple[str, bytes], ...], kept: tuple[str, ...]) -> None:
    about, taken = stripped(Metadata(kind=kind, own=own))
    assert tuple(name for name, _ in about.own) == kept
    assert len(taken) == len(own) - len(kept)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_files_are_written_without(tmp_path: Path, suffix: str) -> None:
    photo = Photo(np.full((20, 30, 3), 0.5), 8, 6, metadata=Metadata(exif_with_everything()))
    receipt = write(photo, tmp_path / f"a{suffix}", strip_private=True)
    assert "position" in receipt.taken
    assert "taken out: " in str(receipt)
    assert receipt.whole
    assert read(tmp_path / f"a{suffix}").orientation == 6
    assert b"12345" not in (tmp_path / f"a{suffix}").read_bytes()


def test_damaged_exif_goes_as_a_whole() -> None:
    about, taken = stripped(Metadata(b"no EXIF"))
    assert about.exif is None
    assert taken == ("damaged EXIF",)
