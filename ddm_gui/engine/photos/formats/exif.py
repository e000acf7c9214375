"""EXIF: how a photo is turned, and what describes it. Bytes are a TIFF structure, without JPEG's 'Exif' prefix."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Any

from numpy.typing import NDArray
from PIL import Image

from ddm_gui.engine.photos.formats import ifd

ORIENTATION = 274
EXIF_DIRECTORY = 34665
GPS_DIRECTORY = 34853
# What describes a photo, not how its pixels are stored: description, make, model, orientation, resolution, software,
# date, artist, rating, copyright.
DESCRIPTIVE = (270, 271, 272, ORIENTATION, 282, 283, 296, 305, 306, 315, 18246, 18249, 33432)

# What says how the pixels of a picture are stored, by TIFF 6.0 and its supplements: of no meaning in another file.
STRUCTURAL = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291, 292}
    | {293, 317, 320, 321, 322, 323, 324, 325, 326, 327, 328, 330, 332, 333, 334, 336, 338, 339, 340, 341, 347}
    | {*range(512, 522), 529, 530, 531, 532}
)
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
INCHES = {2: 1.0, 3: 2.54}  # per inch, or per centimetre

LARGEST_HEAD = 1 << 20  # bytes of a CR3 file in which its metadata lie: some tens of kB, before the pixels
CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")  # of the box in which Canon's own lie

# What Pillow raises on damaged or impossible entries.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
)


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of pixels (H x W or H x W x C) turned as the orientation (1 to 8) says they are to be shown."""
    swapped = pixels.swapaxes(0, 1)
    views = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: swapped,
        6: swapped[:, ::-1],
        7: swapped[::-1, ::-1],
        8: swapped[::-1],
    }
    return views[orientation]


def turned_back(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """What `turned` was given: a view of upright pixels in sensor orientation."""
    return turned(pixels, {6: 8, 8: 6}.get(orientation, orientation))


def checked(data: bytes | None) -> tuple[bytes | None, int]:
    """EXIF bytes without prefix, and the orientation in them; damaged ones are left out, as if the file had none."""
    bare = data.removeprefix(b"Exif\0\0") if data else None
    structure, _ = structure_of(bare)
    if not structure.first.entries:
        return None, 1
    orientation = (*ifd.numbers(structure.first.get(ORIENTATION), structure.order), 1)[0]
    return bare, orientation if orientation in range(1, 9) else 1


def with_orientation(data: bytes | None, orientation: int) -> bytes | None:
    """EXIF bytes that say how a photo is turned; the same ones where they do, none where it is upright and they are."""
    bare, said = checked(data)
    if said == orientation:
        return bare
    structure, _ = structure_of(bare)
    first = structure.first.with_entries([ifd.number(ORIENTATION, [orientation], structure.order, 3)])
    return ifd.write(structure.with_first(first))


def entries(data: bytes) -> dict[int, Any]:
    """The descriptive entries of EXIF bytes, its Exif and GPS directories as dictionaries among them.

    Raises:
        one of DAMAGED.
    """
    source = Image.Exif()
    source.load(data)
    return _descriptive(source)


def from_tiff(stream: IO[bytes]) -> dict[int, Any]:
    """The same, of the first picture of a TIFF file.

    Raises:
        one of DAMAGED.
    """
    source = Image.Exif()
    source.load_from_fp(stream)
    return _descriptive(source)


def from_cr3(stream: IO[bytes]) -> dict[int, Any]:
    """The same, of Canon's CR3: boxes as of MPEG-4, two of which hold a TIFF structure, of the main and Exif entries.

    Raises:
        one of DAMAGED.
    """
    head = stream.read(12)
    if head[4:] != b"ftypcrx ":
        raise SyntaxError("not a CR3 file")
    (film,) = (content for kind, content in _boxes(head + stream.read(LARGEST_HEAD)) if kind == b"moov")
    (canon,) = (content[16:] for kind, content in _boxes(film) if kind == b"uuid" and content[:16] == CANON)
    boxes = dict(_boxes(canon))
    tags = entries(boxes[b"CMT1"])
    inside = Image.Exif()
    inside.load(boxes[b"CMT2"])
    return tags | {EXIF_DIRECTORY: dict(inside)}


def to_bytes(tags: dict[int, Any]) -> bytes:
    """EXIF bytes that hold these entries."""
    exif = Image.Exif()
    exif.update(tags)
    return exif.tobytes().removeprefix(b"Exif\0\0")


def structure_of(data: bytes | None) -> tuple[ifd.Structure, list[str]]:
    """The directories of EXIF bytes, empty where there are none; and a word on it where they are damaged."""
    if not data:
        return ifd.Structure("<", ()), []
    try:
        return ifd.parse(data), []
    except ValueError as error:
        return ifd.Structure("<", ()), [f"EXIF ({error})"]


def dpi(structure: ifd.Structure) -> tuple[float, float] | None:
    """Pixels per inch, across and down, as the first directory says; None where it does not."""
    unit = (*ifd.numbers(structure.first.get(RESOLUTION_UNIT), structure.order), 2)[0]
    found = [_ratio(structure.first.get(tag), structure.order) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    across, down = found
    if across is None or down is None or unit not in INCHES:
        return None
    return across * INCHES[unit], down * INCHES[unit]


def with_dpi(directory: ifd.Directory, dots: tuple[float, float] | None, order: str) -> ifd.Directory:
    """With its resolution, unless it has one."""
    if dots is None or directory.get(X_RESOLUTION) is not None:
        return directory
    ratios = [struct.pack(order + "LL", round(1000 * value), 1000) for value in dots]
    return directory.with_entries(
        [
            ifd.Entry(X_RESOLUTION, 5, 1, ratios[0]),
            ifd.Entry(Y_RESOLUTION, 5, 1, ratios[1]),
            ifd.number(RESOLUTION_UNIT, [2], order, 3),
        ]
    )


def _ratio(entry: ifd.Entry | None, order: str) -> float | None:
    """The first of an entry's ratios, where it is above 0."""
    if entry is None or entry.kind != 5:
        return None
    above, below = struct.unpack(order + "LL", entry.data[:8])
    return above / below if above and below else None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box of MPEG-4 that begins within the data; the last one may be cut off."""
    start = 0
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8:  # to the end of the file, or longer than 4 GB: what is looked for is neither
            return
        yield kind, data[start + 8 : start + size]
        start += size


def _descriptive(source: Image.Exif) -> dict[int, Any]:
    tags: dict[int, Any] = {tag: source[tag] for tag in DESCRIPTIVE if tag in source}
    for tag in (EXIF_DIRECTORY, GPS_DIRECTORY):
        inside = source.get_ifd(tag) if tag in source else {}
        if inside:
            tags[tag] = dict(inside)
    return tags
