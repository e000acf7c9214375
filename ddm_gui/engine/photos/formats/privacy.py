"""What photos tell of people and places beside their pixels, taken out: position, serial numbers, owner, thumbnails."""

from __future__ import annotations

import re
from dataclasses import replace

from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats import ifd, photoshop
from ddm_gui.engine.photos.formats.metadata import Metadata

PRIVATE_TAGS = {
    0xA430: "owner",
    0xA431: "serial numbers",
    0xA435: "serial numbers",
    0xC62F: "serial numbers",  # of DNG
    0xA420: "serial numbers",  # the picture's own
    ifd.MAKER_NOTE: "maker note",  # which holds serial numbers, thumbnails and more, in the makers' own ways
}
# IPTC IIM 4.2, record 2: city, sublocation, province, country (two ways), content location (two ways)
PLACES = frozenset((2, number) for number in (26, 27, 90, 92, 95, 100, 101))
IN_XMP = re.compile(rb"GPS|SerialNumber|OwnerName|Thumbnails|photoshop:City|Iptc4xmpCore:Location|Iptc4xmpExt:Location")
THUMBNAILS = (0x0409, 0x040C)  # resources of Photoshop
CARDS = frozenset({"SITELAT", "SITELONG", "SITEELEV", "LAT-OBS", "LONG-OBS", "ALT-OBS", "OBSGEO-X", "OBSGEO-Y"})
CARDS |= frozenset({"OBSGEO-Z", "OBSGEO-B", "OBSGEO-L", "OBSGEO-H", "OBSERVER", "SERIAL", "CAMSN"})
COMMENT = "FE"  # the name of a comment among the segments of JPEG
TEXTS = re.compile(rb"gps|serial|owner|thumb|Raw profile type", re.IGNORECASE)


def stripped(about: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Metadata less what is private, and what that was, in words.

    XMP that holds something private is left out as a whole, and so is EXIF that cannot be looked into.
    """
    taken: list[str] = []
    exif = _exif(about.exif, taken)
    xmp = about.xmp
    if xmp is not None and IN_XMP.search(xmp.replace(b"\0", b"")):  # which UTF-16 has between letters
        xmp = None
        taken.append("XMP")
    resources = _resources(about.photoshop, taken)
    own = []
    for name, data in about.own:
        if (about.kind, name) == ("TIFF", "page"):
            data = _exif(data, taken) or b""
        if data and not _is_private(about.kind, name, data, taken):
            own.append((name, data))
    stripped_of_it = replace(about, exif=exif, xmp=xmp, photoshop=resources, own=tuple(own))
    return stripped_of_it, tuple(dict.fromkeys(taken))


def _exif(data: bytes | None, taken: list[str]) -> bytes | None:
    structure, damaged = exif_tags.structure_of(data)
    if damaged:
        taken.append("damaged EXIF")
        return None
    if len(structure.directories) > 1:
        taken.append("thumbnail")
    first = _directory(structure.first, taken)
    return ifd.write(ifd.Structure(structure.order, (first,))) if first.entries else None


def _directory(directory: ifd.Directory, taken: list[str]) -> ifd.Directory:
    kept = []
    for entry in directory.entries:
        if entry.tag == ifd.GPS:
            taken.append("position")
        elif entry.tag in PRIVATE_TAGS:
            taken.append(PRIVATE_TAGS[entry.tag])
        else:
            kept.append(replace(entry, directories=tuple(_directory(one, taken) for one in entry.directories)))
    return ifd.Directory(tuple(kept))


def _resources(data: bytes | None, taken: list[str]) -> bytes | None:
    if data is None:
        return None
    found = photoshop.resources(data)
    pictures = [number for number, _, _ in found if number in THUMBNAILS]
    if pictures:
        taken.append("thumbnail")
    records = photoshop.iptc(data)
    if records is not None and any(key in PLACES for key, _ in photoshop.datasets(records)):
        taken.append("place names in IPTC")
    kept = photoshop.packed([one for one in found if one[0] not in pictures])
    return photoshop.without_datasets(kept, lambda key: key in PLACES) or None


def _is_private(kind: str, name: str, data: bytes, taken: list[str]) -> bool:
    """Whether an own part of a file tells something private."""
    if kind == "FITS" and name == "card" and data[:8].decode("latin-1").rstrip() in CARDS:
        taken.append(data[:8].decode("latin-1").rstrip())
        return True
    if kind == "PNG" and name in ("tEXt", "zTXt", "iTXt") and TEXTS.search(data.split(b"\0")[0]):
        taken.append(data.split(b"\0")[0].decode("latin-1"))
        return True
    if kind == "JPEG" and name != COMMENT:
        taken.append("thumbnail" if data.startswith(b"JFXX") else f"the segment APP{int(name, 16) - 0xE0}")
        return True
    return False
