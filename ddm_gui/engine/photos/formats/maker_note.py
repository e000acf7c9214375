"""EXIF's maker note: what is in it, a maker's own secret, and whether it may be moved to another place of the file.

Most makers put a directory as of TIFF there. Its offsets count from the beginning of the file with some of them, so
that such a note says something else once it lies elsewhere; with others from the note's own beginning.
"""

from __future__ import annotations

import struct

from ddm_gui.engine.photos.formats import ifd

# How notes begin that may be moved: their offsets count from their own beginning, or there are none.
MOVABLE = (
    *(b"Apple iOS\0", b"FUJIFILM", b"GENERALE", b"HDRP", b"MOT\0", b"Nikon\0\2", b"OLYMPUS\0", b"OM SYSTEM\0"),
    *(b"PENTAX \0", b"RICOH\0II", b"RICOH\0MM"),
)
STARTS = (0, 6, 8, 10, 12, 14)  # bytes before a maker's directory: its name
MOST_ENTRIES = 512
IN_PLACE = 4  # bytes of a value that need no offset
MOVED = "the place of the maker note in the file, by which it may find what is in it (its bytes are all there)"


def note_of(structure: ifd.Structure) -> ifd.Entry | None:
    """The maker note of a file's first picture."""
    return structure.first.inside(ifd.EXIF).get(ifd.MAKER_NOTE)


def lost_its_place(before: ifd.Structure, after: ifd.Structure) -> bool:
    """Whether a note has been moved that may not be."""
    one, other = note_of(before), note_of(after)
    moved = one is not None and other is not None and one.data == other.data and one.place != other.place
    return moved and one is not None and is_tied(one.data)


def is_tied(note: bytes) -> bool:
    """Whether what is in a note may be found by its place in the file: it holds a directory with offsets, and is not of
    a maker whose offsets count from the note."""
    return not note.startswith(MOVABLE) and any(
        _is_directory(note, start, order) for start in STARTS for order in ("<", ">")
    )


def _is_directory(note: bytes, start: int, order: str) -> bool:
    """Whether a directory with an offset begins here."""
    if len(note) < start + 2:
        return False
    (count,) = struct.unpack_from(order + "H", note, start)
    if not 1 <= count <= MOST_ENTRIES or start + 2 + 12 * count > len(note):
        return False
    entries = [struct.unpack_from(order + "HHL", note, start + 2 + 12 * index) for index in range(count)]
    sizes = [ifd.SIZES.get(kind, 0) * values for _, kind, values in entries]
    return all(sizes) and any(size > IN_PLACE for size in sizes)
