"""TIFF files: what is in one, its pixels, and its bytes.

tifffile keeps 16 bits and floats exactly, which Pillow would cut in colour; Pillow knows compressions and colours that
tifffile leaves to a further package (LZW, JPEG, palettes). Neither writes all tags as they were, so the file is laid
out here (TIFF 6.0, part 1): every tag that does not say how pixels are stored is carried over to the last byte.
"""

from __future__ import annotations

import io
import itertools
import logging
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats import ifd, maker_note, photoshop
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

# tifffile logs what it also raises, and Python prints logs that nobody asked for. The person reads the UserError.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

XMP, IPTC, PHOTOSHOP, ICC_PROFILE = 700, 33723, 34377, 34675
APART = frozenset({XMP, IPTC, PHOTOSHOP, ICC_PROFILE})  # which have a place of their own in `Metadata`
SUBFILE, EXTRA_SAMPLES = 254, 338
NONE, LZW, FLOAT_DIFFERENCES = 1, 5, 3
ZIP = (8, 32946)
PLAIN = (NONE, 32773)  # compressions that tifffile decodes by itself, and that unpack to little; 32773: PackBits
LARGEST_TILE = 1 << 24  # pixels; a larger one in a smaller picture would take memory that its size does not tell of
AT_ONCE = 64_000_000  # bytes of LZW that are decoded in one go: Pillow refuses pictures of more than 179 million values
CHANNELS = {0: 1, 1: 1, 2: 3, 3: 3, 6: 3}  # by photometric interpretation: grey (two ways), RGB, palette, YCbCr
WORDS = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32803: "unprocessed RAW", 34892: "linear RAW"}
LARGEST_CARRIED = 1 << 30  # bytes of further pictures in a file, which are carried along in memory
ASSOCIATED = 2  # what EXTRA_SAMPLES says of alpha: colours are not multiplied by it


def layout(path: Path) -> Layout:
    """Looks at the directories of a TIFF file, not at its pixels.

    Raises:
        UserError: it is a kind of TIFF that is refused, with the reason.
        tifffile.TiffFileError, ValueError, KeyError, ... : it is damaged.
    """
    with tifffile.TiffFile(path) as file:
        return _layout(path, _main_page(file)[1])


def metadata(path: Path) -> Metadata:
    """What goes with the pixels; further pages are not loaded.

    Raises:
        ValueError, OSError: it is no TIFF file.
    """
    with open(path, "rb") as stream:
        structure = ifd.read(stream)
        directories = structure.directories
    main = next((one for one in directories if not _reduced(one, structure.order)), structure.first)
    return _metadata(main, structure.order)


def decode(path: Path) -> Decoded:
    """Pixels as they are stored (white is the largest), alpha, and all tags; the first picture, others carried along.

    Raises:
        UserError: it is a kind of TIFF that is refused, with the reason.
        tifffile.TiffFileError, ValueError, KeyError, ... : it is damaged.
    """
    with tifffile.TiffFile(path) as file:
        index, page = _main_page(file)
        about = _layout(path, page)
        values = _values(path, page, about)
    expected = (about.height, about.width, about.channels + about.alpha)
    if values.shape != expected:
        raise ValueError(f"the pixels are {values.shape}, which is not what the header says")
    with open(path, "rb") as stream:
        structure = ifd.read(stream)
        found = _metadata(structure.directories[index], structure.order)
        found = _with_pages(path, found, structure, index, stream)
    alpha = values[..., -1] if about.alpha else None
    return Decoded(values[..., : about.channels], alpha, found)


def encode(picture: Decoded) -> tuple[bytes, list[str]]:
    """An uncompressed TIFF file of the same kind of values, which every program can open; and what it does not hold."""
    values, about = picture.values, picture.metadata
    tags, missing = exif_tags.structure_of(about.exif)
    if len(tags.directories) > 1:
        missing.append("the EXIF thumbnail, which TIFF has no place for")
    order = tags.order
    height, width, channels = values.shape
    if picture.alpha is not None:
        values = np.concatenate([values, picture.alpha[..., None]], axis=2)
    data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<" if order == "<" else ">")).tobytes()
    bits, samples = values.dtype.itemsize * 8, values.shape[2]
    long = ifd.LONG8 if len(data) > ifd.CLASSIC_LIMIT else ifd.LONG
    entries = [
        ifd.number(256, [width], order),
        ifd.number(257, [height], order),
        ifd.number(258, [bits] * samples, order, 3),
        ifd.number(259, [NONE], order, 3),
        ifd.number(262, [2 if channels == 3 else 1], order, 3),  # RGB, or grey with 0 as black
        ifd.Entry(273, ifd.LONG, 1, blocks=(data,)),
        ifd.number(277, [samples], order, 3),
        ifd.number(278, [height], order),  # all rows in one strip
        ifd.number(279, [len(data)], order, long),
        ifd.number(284, [1], order, 3),  # channels side by side
        ifd.number(339, [3 if values.dtype.kind == "f" else 1] * samples, order, 3),
    ]
    if picture.alpha is not None:
        own = dict(about.own) if about.kind == "TIFF" else {}
        entries.append(ifd.number(EXTRA_SAMPLES, [own.get("alpha", bytes([ASSOCIATED]))[0]], order, 3))
    entries += _apart(about)
    first = exif_tags.with_dpi(tags.first.without(exif_tags.STRUCTURAL), about.dpi, order).with_entries(entries)
    pages = [
        ifd.in_order(ifd.parse(data), order).first for name, data in about.own if (about.kind, name) == ("TIFF", "page")
    ]
    return ifd.write(ifd.Structure(order, (first, *pages))), missing


def _main_page(file: tifffile.TiffFile) -> tuple[int, Any]:
    """The first picture of a file that is no smaller copy of another, and its number."""
    every: list[Any] = list(file.pages)
    for index, page in enumerate(every):
        if not page.is_reduced:
            return index, page
    raise ValueError("there is no picture in it")


def _layout(path: Path, page: Any) -> Layout:
    """Checks that a page is of a kind that is read exactly."""
    photometric, bits = int(page.photometric), page.bitspersample
    channels = CHANNELS.get(photometric)
    if channels is None:
        word = WORDS.get(photometric, f"not grey, RGB or YCbCr (photometric {photometric})")
        raise _refused(path, f"Its colours are {word}", "RGB or grey")
    kind = 1 if page.sampleformat is None else int(page.sampleformat)
    if kind == 3 and bits in (16, 32, 64) and photometric in (0, 1, 2):
        bits = 32
    elif kind != 1:
        raise _refused(path, "Its values are neither unsigned integers nor floats", "8 or 16 bits")
    elif not isinstance(bits, int) or bits not in (8, 16) or (bits == 16 and photometric in (3, 6)):
        why = "It is in black and white only, without grey" if bits == 1 else f"It has {bits} bits per value"
        raise _refused(path, why, "8 or 16 bits")
    samples = 1 if photometric == 3 else channels
    if page.samplesperpixel not in (samples, samples + 1) or page.imagedepth != 1:
        raise _refused(path, f"It has {page.samplesperpixel} values per pixel", "RGB or grey")
    if page.is_tiled and page.tilewidth * page.tilelength > max(LARGEST_TILE, page.imagewidth * page.imagelength):
        raise ValueError(f"tiles of {page.tilewidth} x {page.tilelength} pixels are larger than the picture")
    alpha = page.samplesperpixel == samples + 1
    return Layout(int(page.imagewidth), int(page.imagelength), channels, alpha, bits)


def _refused(path: Path, why: str, wanted: str) -> UserError:
    """A TIFF that is not read, and how to save it so that it is."""
    return UserError(f"{path} cannot be read.", f"{why}, which this program does not read.", f"Save it as {wanted}.")


# Metadata


def _reduced(directory: ifd.Directory, order: str) -> bool:
    """Whether a picture is a smaller copy of another one."""
    return bool(sum(ifd.numbers(directory.get(SUBFILE), order)) & 1)


def _metadata(directory: ifd.Directory, order: str) -> Metadata:
    """The tags of a picture that do not say how its pixels are stored."""
    apart = {tag: entry.data for tag in APART if (entry := directory.get(tag)) is not None}
    kept = directory.without(exif_tags.STRUCTURAL | APART)
    exif = ifd.write(ifd.Structure(order, (kept,))) if kept.entries else None
    resources = apart.get(PHOTOSHOP)
    if resources is None and IPTC in apart:
        resources = photoshop.of_iptc(apart[IPTC])
    extra = ifd.numbers(directory.get(EXTRA_SAMPLES), order)
    left_out = ["smaller copies of the picture"] if directory.get(ifd.SUB_PICTURES) is not None else []
    if maker_note.lost_its_place(ifd.Structure(order, (kept,)), exif_tags.structure_of(exif)[0]):
        left_out.append(maker_note.MOVED)
    return Metadata(
        exif,
        apart.get(ICC_PROFILE),
        apart.get(XMP),
        resources,
        exif_tags.dpi(ifd.Structure(order, (kept,))),
        "TIFF",
        (("alpha", bytes([extra[0] & 0xFF])),) if extra else (),
        tuple(left_out),
    )


def _with_pages(
    path: Path, about: Metadata, structure: ifd.Structure, main: int, stream: io.BufferedReader
) -> Metadata:
    """With the file's further pictures, each as a structure of its own; smaller copies are left out."""
    others = [one for index, one in enumerate(structure.directories) if index != main]
    further = [one for one in others if not _reduced(one, structure.order)]
    size = sum(sum(ifd.numbers(one.get(tag), structure.order)) for one in further for tag in ifd.BLOCKS.values())
    if size > LARGEST_CARRIED:
        raise UserError(
            f"{path} cannot be read.",
            f"Beside its first picture it holds {len(further)} more, of {size >> 20} MB.",
            "Save each as a file.",
        )
    pages = [ifd.with_blocks(one, stream, structure.order) for one in further]
    own = tuple(("page", ifd.write(ifd.Structure(structure.order, (page,)))) for page in pages)
    left_out = ("smaller copies of the picture",) if len(further) < len(others) else ()
    return replace(about, own=about.own + own, left_out=tuple(dict.fromkeys(about.left_out + left_out)))


def _apart(about: Metadata) -> list[ifd.Entry]:
    """The entries of what has a place of its own in `Metadata`."""
    iptc = photoshop.iptc(about.photoshop) if about.photoshop else None
    found = {XMP: (1, about.xmp), IPTC: (7, iptc), PHOTOSHOP: (7, about.photoshop), ICC_PROFILE: (7, about.icc)}
    return [ifd.Entry(tag, kind, len(data), data) for tag, (kind, data) in found.items() if data]


# Pixels


def _values(path: Path, page: Any, about: Layout) -> NDArray[Any]:
    """H x W x all samples, white as the largest value."""
    compression, plain_colours = int(page.compression), int(page.photometric) in (0, 1, 2)
    differences = int(page.predictor)
    if compression in PLAIN and plain_colours and differences != FLOAT_DIFFERENCES:
        values = _decode_plain(page)
    elif compression in (LZW, *ZIP) and plain_colours:
        values = _decode_segments(page, _unpack_lzw if compression == LZW else _unpack_zip)
    elif about.depth == 8:
        values = _decode_by_pillow(path, about)
    else:
        kind = "floats" if about.depth == 32 else "16-bit values"
        why = f"Its {kind} are compressed by {getattr(page.compression, 'name', compression)}"
        raise _refused(path, why, "TIFF with ZIP compression, or with none")
    if int(page.photometric) == 0:  # 0 is white
        values = _white_as_largest(values, about.channels)
    return values


def _decode_plain(page: Any) -> NDArray[Any]:
    """Pixels through tifffile."""
    pixels: NDArray[Any] = page.asarray()
    if page.axes == "SYX":  # one plane after the other
        pixels = np.moveaxis(pixels, 0, -1)
    return pixels.reshape(*pixels.shape[:2], -1)


def _decode_by_pillow(path: Path, about: Layout) -> NDArray[Any]:
    """8-bit pixels through Pillow, whatever their compression."""
    colour = "RGB" if about.channels == 3 else "L"
    mode = {"RGB": "RGBA", "L": "LA"}[colour] if about.alpha else colour
    with open(path, "rb") as stream, TiffImageFile(stream) as image:
        orientation = image.getexif().get(exif_tags.ORIENTATION, 1)
        pixels = np.asarray(image if image.mode == mode else image.convert(mode), dtype=np.uint8)
    if orientation in range(1, 9):  # Pillow turns TIFF, and only TIFF, when it decodes it
        pixels = exif_tags.turned_back(pixels, orientation)
    return pixels.reshape(*pixels.shape[:2], -1)


def _white_as_largest(values: NDArray[Any], channels: int) -> NDArray[Any]:
    """Grey values of which 0 was white, the other way round; an alpha channel after them stays."""
    values = values.copy()
    largest = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    values[..., :channels] = largest - values[..., :channels]
    return values


Unpack = Callable[[list[bytes], int, int, int], NDArray[np.uint8]]


def _decode_segments(page: Any, unpack: Unpack) -> NDArray[Any]:
    """Pixels of which tifffile leaves the compression (LZW) or the differences (of floats) to a package of its own, or
    which would unpack to any size (ZIP)."""
    planes = page.samplesperpixel if int(page.planarconfig) == 2 else 1
    samples = page.samplesperpixel // planes
    kind = page.dtype.newbyteorder(page.parent.byteorder)
    height, width = page.imagelength, page.imagewidth
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
    else:
        rows, columns = min(page.rowsperstrip, height), width
    across, down = -(-width // columns), -(-height // rows)
    decoded = []
    for plane in range(planes):
        indices = range(plane * across * down, (plane + 1) * across * down)
        total_rows = across * down * rows if page.is_tiled else height
        data = unpack([_segment(page, index) for index in indices], columns * samples * kind.itemsize, rows, total_rows)
        if int(page.predictor) == FLOAT_DIFFERENCES:
            data = _without_float_differences(data, samples, kind)
        values = data.view(kind).astype(page.dtype).reshape(total_rows, columns, samples)
        if int(page.predictor) == 2:  # differences to the left neighbour, modulo 2^8 or 2^16 (TIFF 6.0, section 14)
            whole = np.dtype(f"u{page.dtype.itemsize}")
            values = np.cumsum(values.view(whole), axis=1, dtype=whole).view(page.dtype)
        if page.is_tiled:
            values = values.reshape(down, across, rows, columns, samples).swapaxes(1, 2)
            values = values.reshape(down * rows, across * columns, samples)[:height, :width]
        decoded.append(values)
    return np.concatenate(decoded, axis=2)


def _segment(page: Any, index: int) -> bytes:
    """The compressed bytes of a strip or tile."""
    stream = page.parent.filehandle
    stream.seek(page.dataoffsets[index])
    data: bytes = stream.read(page.databytecounts[index])
    return data


def _without_float_differences(data: NDArray[np.uint8], samples: int, kind: np.dtype[Any]) -> NDArray[np.uint8]:
    """Rows of floats from rows of differences between their bytes, the highest bytes of all of a row coming first.

    (Adobe Photoshop TIFF Technical Note 3, "Floating point predictor".)
    """
    rows, length = data.shape
    summed = np.cumsum(data.reshape(rows, -1, samples), axis=1, dtype=np.uint8).reshape(rows, length)
    planes = summed.reshape(rows, kind.itemsize, -1)
    if kind.byteorder == "<" or (kind.byteorder == "=" and sys.byteorder == "little"):
        planes = planes[:, ::-1]
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).reshape(rows, length)


def _unpack_zip(segments: list[bytes], row_bytes: int, segment_rows: int, total_rows: int) -> NDArray[np.uint8]:
    """Bytes (total_rows x row_bytes) of segments of `segment_rows` rows each (the last may have fewer)."""
    unpacked = []
    for index, segment in enumerate(segments):
        rows = min(segment_rows, total_rows - index * segment_rows)
        data = zlib.decompressobj().decompress(segment, rows * row_bytes)
        unpacked.append(np.frombuffer(data, np.uint8).reshape(rows, row_bytes))
    return np.concatenate(unpacked)


def _unpack_lzw(segments: list[bytes], row_bytes: int, segment_rows: int, total_rows: int) -> NDArray[np.uint8]:
    """Bytes (total_rows x row_bytes) of segments of `segment_rows` rows each (the last may have fewer)."""
    per_group = max(1, AT_ONCE // (row_bytes * segment_rows))
    groups = []
    for first in range(0, len(segments), per_group):
        rows = min(per_group * segment_rows, total_rows - first * segment_rows)
        groups.append(_unpack_group(segments[first : first + per_group], row_bytes, segment_rows, rows))
    return np.concatenate(groups)


def _unpack_group(segments: list[bytes], row_bytes: int, segment_rows: int, rows: int) -> NDArray[np.uint8]:
    """The same for a few segments, as a TIFF of 8-bit grey around them."""
    lengths = [len(segment) for segment in segments]
    directory = ImageFileDirectory_v2()
    for tag, value in {
        256: row_bytes,
        257: rows,
        258: 8,
        259: LZW,
        262: 1,
        273: (0, *itertools.accumulate(lengths[:-1])),
        277: 1,
        278: segment_rows,
        279: tuple(lengths),
    }.items():
        directory[tag] = value
    content = b"II*\0" + struct.pack("<L", 8) + directory.tobytes(8) + b"".join(segments)
    with TiffImageFile(io.BytesIO(content)) as image:
        return np.asarray(image, dtype=np.uint8)
