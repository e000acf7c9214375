"""What was to be written compared with what the file says when it is read again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats import fits, icc, ifd, maker_note, photoshop
from ddm_gui.engine.photos.formats.metadata import Decoded, Metadata
from ddm_gui.engine.receipt import Receipt

BITS_OF_PIXELS = 24  # of a float32
PARTS = {"PNG": "chunk", "JPEG": "segment", "FITS": "card"}
MEANT_FOR_THE_PIXELS = ("alpha",)  # own parts that say how pixels are stored


def receipt(picture: Decoded, again: Decoded | str, kind: str, lost: Sequence[str], taken: tuple[str, ...]) -> Receipt:
    """The receipt of a file of this kind.

    Args:
        picture: what was to be written.
        again: what the file gave, or why it cannot be read.
        kind: 'PNG', 'JPEG', 'TIFF' or 'FITS'.
        lost, taken: what the file was known not to hold, and what was left out as asked.
    """
    depth = _depth(picture, kind)
    if isinstance(again, str):
        return Receipt(depth, lost=(*lost, f"the file cannot be read again: {again}"), taken=taken, exact=False)
    told = list(lost)
    kept: list[str] = []
    before, after = picture.metadata, again.metadata
    for name, one, other in _named(before, after):
        if one == other:
            kept.append(name)
        elif not any(words.startswith(name) for words in told):
            told.append(name)
    if picture.alpha is not None:
        same = again.alpha is not None and np.array_equal(picture.alpha, again.alpha)
        (kept if same else told).append("alpha")
    if picture.values.dtype.kind == "f" and (missing := int(np.isnan(picture.values).sum())):
        kept.append(_count(missing, "missing value"))
    structures = [exif_tags.structure_of(about.exif)[0] for about in (before, after)]
    if maker_note.lost_its_place(*structures):
        told.append(maker_note.MOVED)
    tags, tags_kept = _counted(before, after, kind)
    pages = sum(name == "page" for name, _ in before.own)
    if pages:
        words = _count(pages, "further page")
        (kept if before.kind == kind and _pages(before) == _pages(after) else told).append(words)
    elif before.kind != kind and before.kind in PARTS and before.own:
        told.append(f"{_count(len(before.own), PARTS[before.kind])} of {before.kind}")
    if kind == "FITS" and abs(fits.precision(before)) > BITS_OF_PIXELS and fits.precision(before) != -32:
        told.append(f"digits beyond {BITS_OF_PIXELS} bits")
    return Receipt(depth, tags, tags_kept, tuple(kept), tuple(told), taken, _is_exact(picture, again, kind))


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _depth(picture: Decoded, kind: str) -> str:
    """'16-bit', '32-bit float'."""
    bits = fits.precision(picture.metadata) if kind == "FITS" else 8 * picture.values.dtype.itemsize
    floats = bits < 0 if kind == "FITS" else picture.values.dtype.kind == "f"
    return f"{abs(bits)}-bit{' float' if floats else ''}"


def _named(before: Metadata, after: Metadata) -> list[tuple[str, object, object]]:
    """What was there and has a name: the name, the one value, the other."""
    found: list[tuple[str, object, object]] = []
    if before.icc:
        found.append((icc.name(before.icc), before.icc, after.icc))
    if before.xmp:
        found.append(("XMP", before.xmp, after.xmp))
    if before.photoshop:
        word = "IPTC" if photoshop.iptc(before.photoshop) else "Photoshop's resources"
        found.append((word, before.photoshop, after.photoshop))
    if before.dpi:
        dots = [None if about.dpi is None else tuple(round(value) for value in about.dpi) for about in (before, after)]
        found.append((f"{round(before.dpi[0])} dpi", dots[0], dots[1]))
    return found


def _counted(before: Metadata, after: Metadata, kind: str) -> tuple[int, int]:
    """How many EXIF tags, chunks, segments or cards there were, and how many are equal."""
    wanted, found = _tags(before), _tags(after)
    count, kept = len(wanted), sum(found.get(way) == value for way, value in wanted.items())
    if before.kind == kind:
        own = [one for one in before.own if one[0] not in ("page", "rest", *MEANT_FOR_THE_PIXELS)]
        if kind == "FITS":
            own = [(name, card) for name, card in own if card.strip()]
        left = list(after.own)
        count += len(own)
        for one in own:
            if one in left:
                left.remove(one)
                kept += 1
    return count, kept


def _tags(about: Metadata) -> dict[tuple[int, ...], tuple[int, bytes]]:
    """The tags of the first directory and of those inside it; a thumbnail's do not count."""
    structure, _ = exif_tags.structure_of(about.exif)
    return ifd.flattened(ifd.Structure(structure.order, structure.directories[:1]), exif_tags.STRUCTURAL)


def _pages(about: Metadata) -> list[dict[tuple[int, ...], tuple[int, bytes]]]:
    """The tags and the bytes of each further page."""
    pages = []
    for name, data in about.own:
        if name == "page":
            structure = ifd.parse(data)
            tags = ifd.flattened(structure, ifd.BLOCKS)
            blocks = b"".join(block for entry in structure.first.entries for block in entry.blocks)
            pages.append({**tags, (-1,): (0, blocks)})
    return pages


def _is_exact(picture: Decoded, again: Decoded, kind: str) -> bool:
    """Whether a file gives back the values that it was to hold."""
    if picture.values.shape != again.values.shape:
        return False
    if kind == "JPEG":
        return True
    if kind != "FITS":
        return bool(np.array_equal(picture.values, again.values, equal_nan=picture.values.dtype.kind == "f"))
    return fits.encode(picture)[0] == fits.encode(again)[0]
