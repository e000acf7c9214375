"""TIFF files: what is in one, its pixels, and its bytes.

tifffile keeps 16 bits exactly, which Pillow would cut to 8 in colour; Pillow knows compressions and colours that
tifffile leaves to a further package (LZW, JPEG, palettes). Neither writes 16-bit colour with the EXIF directories of a
photo, so the file is laid out here (TIFF 6.0, part 1).
"""

from __future__ import annotations

import io
import itertools
import logging
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from ddm_gui.engine import exif as exif_entries
from ddm_gui.engine.errors import UserError

# tifffile logs what it also raises, and Python prints logs that nobody asked for. The person reads the UserError.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

ICC_PROFILE = 34675
LZW = 5
PLAIN = (1, 8, 32773, 32946)  # compressions that tifffile decodes by itself: none, ZIP (two codes), PackBits
AT_ONCE = 64_000_000  # bytes of LZW that are decoded in one go: Pillow refuses pictures of more than 179 million values
CHANNELS = {0: 1, 1: 1, 2: 3, 3: 3, 6: 3}  # by photometric interpretation: grey (two ways), RGB, palette, YCbCr
WORDS = {5: "CMYK", 8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32803: "unprocessed RAW", 34892: "linear RAW"}


@dataclass(frozen=True)
class TiffLayout:
    """What a TIFF file holds: size in pixels, 1 or 3 channels, a further alpha channel or not, 8 or 16 bits a value."""

    width: int
    height: int
    channels: int
    alpha: bool
    bits: int


def layout(path: Path) -> TiffLayout:
    """Looks at the directories of a TIFF file, not at its pixels.

    Raises:
        UserError: it is a kind of TIFF that is refused, with the reason.
        tifffile.TiffFileError, ValueError, KeyError, ... : it is damaged.
    """
    with tifffile.TiffFile(path) as file:
        return _layout(path, _only_page(path, file))


def decode(path: Path) -> tuple[NDArray[Any], bytes | None, bytes | None]:
    """Pixels (H x W x channels, alpha last where there is one), EXIF and ICC bytes.

    Raises:
        UserError: it is a kind of TIFF that is refused, with the reason.
        tifffile.TiffFileError, ValueError, KeyError, ... : it is damaged.
    """
    with tifffile.TiffFile(path) as file:
        page = _only_page(path, file)
        about = _layout(path, page)
        icc: bytes | None = page.iccprofile
        orientation = page.tags.valueof(exif_entries.ORIENTATION, default=1)
        compression, plain_colours = int(page.compression), int(page.photometric) in (0, 1, 2)
        if compression in PLAIN and plain_colours:
            values = _decode_plain(page)
        elif compression == LZW and plain_colours:
            values = _decode_lzw(page)
        elif about.bits == 8:
            values = _decode_by_pillow(path, about)
        else:
            why = f"Its 16-bit values are compressed by {getattr(page.compression, 'name', compression)}"
            raise _refused(path, why, "TIFF with ZIP compression, or with none")
        if int(page.photometric) == 0:  # 0 is white
            values = _white_as_largest(values, about.channels)
    if values.shape != (about.height, about.width, about.channels + about.alpha):
        raise ValueError(f"the pixels are {values.shape}, which is not what the header says")
    return values, _read_exif(path, orientation), icc


def encode(values: NDArray[Any], exif: bytes | None, icc: bytes | None) -> bytes:
    """An uncompressed TIFF file of H x W x (1 or 3) pixels, which every program can open; same bits as the array."""
    height, width, channels = values.shape
    bits = values.dtype.itemsize * 8
    data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    structure: dict[int, Any] = {
        256: width,
        257: height,
        258: (bits,) * channels,
        259: 1,  # no compression
        262: 2 if channels == 3 else 1,  # RGB, or grey with 0 as black
        273: 0,  # where the pixels are: Pillow adds the length of the directory
        277: channels,
        278: height,  # all rows in one strip
        279: len(data),
        284: 1,  # channels side by side
        339: (1,) * channels,  # unsigned integers
    }
    described = exif_entries.entries(exif) if exif else {}
    directory = _directory({**described, **structure}, icc)
    if directory is None:  # EXIF entries of an impossible type: the orientation is what the picture cannot do without
        kept = {tag: described[tag] for tag in (exif_entries.ORIENTATION,) if tag in described}
        directory = _directory({**kept, **structure}, icc)
    if directory is None:
        raise ValueError("the TIFF directory cannot be written")
    return b"II*\0" + struct.pack("<L", 8) + directory + data


def _only_page(path: Path, file: tifffile.TiffFile) -> Any:
    """The one picture of a file; smaller copies of it do not count."""
    every: list[Any] = list(file.pages)
    pages = [page for page in every if not page.is_reduced]
    if not pages:
        raise ValueError("there is no picture in it")
    if len(pages) > 1:
        raise UserError(f"{path} cannot be read.", f"It holds {len(pages)} pictures.", "Save each as a file.")
    return pages[0]


def _layout(path: Path, page: Any) -> TiffLayout:
    """Checks that a page is of a kind that is read exactly."""
    photometric, bits = int(page.photometric), page.bitspersample
    channels = CHANNELS.get(photometric)
    if channels is None:
        word = WORDS.get(photometric, f"not grey, RGB or YCbCr (photometric {photometric})")
        raise _refused(path, f"Its colours are {word}", "RGB or grey")
    if page.sampleformat is not None and int(page.sampleformat) != 1:
        raise _refused(path, "Its values are not unsigned integers", "8 or 16 bits")
    if not isinstance(bits, int) or bits not in (8, 16) or (bits == 16 and photometric in (3, 6)):
        why = "It is in black and white only, without grey" if bits == 1 else f"It has {bits} bits per value"
        raise _refused(path, why, "8 or 16 bits")
    samples = 1 if photometric == 3 else channels
    if page.samplesperpixel not in (samples, samples + 1) or page.imagedepth != 1:
        raise _refused(path, f"It has {page.samplesperpixel} values per pixel", "RGB or grey")
    alpha = page.samplesperpixel == samples + 1
    return TiffLayout(int(page.imagewidth), int(page.imagelength), channels, alpha, bits)


def _refused(path: Path, why: str, wanted: str) -> UserError:
    """A TIFF that is not read, and how to save it so that it is."""
    return UserError(f"{path} cannot be read.", f"{why}, which this program does not read.", f"Save it as {wanted}.")


def _decode_plain(page: Any) -> NDArray[Any]:
    """Pixels through tifffile."""
    pixels: NDArray[Any] = page.asarray()
    if page.axes == "SYX":  # one plane after the other
        pixels = np.moveaxis(pixels, 0, -1)
    return pixels.reshape(*pixels.shape[:2], -1)


def _decode_by_pillow(path: Path, about: TiffLayout) -> NDArray[Any]:
    """8-bit pixels through Pillow, whatever their compression."""
    colour = "RGB" if about.channels == 3 else "L"
    mode = {"RGB": "RGBA", "L": "LA"}[colour] if about.alpha else colour
    with open(path, "rb") as stream, TiffImageFile(stream) as image:
        orientation = image.getexif().get(exif_entries.ORIENTATION, 1)
        pixels = np.asarray(image if image.mode == mode else image.convert(mode), dtype=np.uint8)
    if orientation in range(1, 9):  # Pillow turns TIFF, and only TIFF, when it decodes it
        pixels = exif_entries.turned_back(pixels, orientation)
    return pixels.reshape(*pixels.shape[:2], -1)


def _white_as_largest(values: NDArray[Any], channels: int) -> NDArray[Any]:
    """Grey values of which 0 was white, the other way round; an alpha channel after them stays."""
    values = values.copy()
    values[..., :channels] = np.iinfo(values.dtype).max - values[..., :channels]
    return values


def _decode_lzw(page: Any) -> NDArray[Any]:
    """Pixels compressed by LZW, which tifffile leaves to a package of its own and Pillow decodes as mere bytes."""
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
        data = _unpack_lzw(
            [_segment(page, index) for index in indices], columns * samples * kind.itemsize, rows, total_rows
        )
        values = data.view(kind).astype(page.dtype).reshape(total_rows, columns, samples)
        if int(page.predictor) == 2:  # differences to the left neighbour, modulo 2^8 or 2^16 (TIFF 6.0, section 14)
            values = np.cumsum(values, axis=1, dtype=page.dtype)
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


def _read_exif(path: Path, orientation: Any) -> bytes | None:
    """The file's descriptive entries as EXIF bytes; where those are damaged, the orientation alone."""
    try:
        with open(path, "rb") as stream:
            tags = exif_entries.from_tiff(stream)
        return exif_entries.to_bytes(tags) if tags else None
    except exif_entries.DAMAGED:
        return exif_entries.only_orientation(orientation if orientation in range(1, 9) else 1)


def _directory(tags: dict[int, Any], icc: bytes | None) -> bytes | None:
    """A TIFF directory as bytes, to stand at offset 8; None where a value does not fit the type of its tag."""
    directory = ImageFileDirectory_v2()
    try:
        for tag, value in tags.items():
            directory[tag] = value
        if icc:
            directory.tagtype[ICC_PROFILE] = 7  # bytes that mean nothing to TIFF
            directory[ICC_PROFILE] = icc
        return directory.tobytes(8)
    except exif_entries.DAMAGED:
        return None
