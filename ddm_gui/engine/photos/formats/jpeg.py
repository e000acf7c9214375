"""JPEG files (ITU-T T.81, T.871), 8 bits, and all of their segments of metadata. Pillow does the pixels."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats import ifd
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

START, SCAN, COMMENT = 0xD8, 0xDA, 0xFE
APP0 = 0xE0
JFIF, EXIF, XMP = b"JFIF\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
ICC, PHOTOSHOP, FURTHER_PICTURES, ADOBE = b"ICC_PROFILE\0", b"Photoshop 3.0\0", b"MPF\0", b"Adobe"
LONGEST = 65533  # bytes that a segment holds
FULL_COLOUR = 0  # Pillow's word for a chroma that is not subsampled


def layout(path: Path) -> Layout:
    """What the header says.

    Raises:
        UserError: it is in CMYK.
        SyntaxError, OSError: it is damaged.
    """
    with open(path, "rb") as stream, _opened(path, stream) as image:
        return Layout(image.width, image.height, 1 if image.mode == "L" else 3, False, 8)


def metadata(path: Path) -> Metadata:
    """What goes with the pixels.

    Raises:
        SyntaxError: it is no JPEG file.
    """
    with open(path, "rb") as stream:
        return _metadata(list(_segments(stream)))


def decode(path: Path) -> Decoded:
    """Pixels (uint8) and all segments.

    Raises:
        UserError: it is in CMYK.
        SyntaxError, OSError: it is damaged.
    """
    with open(path, "rb") as stream:
        about = _metadata(list(_segments(stream)))
        stream.seek(0)
        with _opened(path, stream) as image:
            values = np.asarray(image)
    return Decoded(values.reshape(*values.shape[:2], -1), None, about)


def thumbnail(path: Path, size: int, channels: int) -> Image.Image:
    """A smaller picture, quickly: decoded at a fraction of its size.

    Raises:
        UserError, SyntaxError, OSError: as from `decode`.
    """
    with open(path, "rb") as stream, _opened(path, stream) as image:
        image.draft("RGB" if channels == 3 else "L", (size, size))
        return image.convert("RGB")


def encode(picture: Decoded, quality: int) -> tuple[bytes, list[str]]:
    """A JPEG file of uint8 values, colours at full resolution; and what it does not hold."""
    values, about = picture.values, picture.metadata
    image = Image.fromarray(values.squeeze(axis=2) if values.shape[2] == 1 else values)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality, subsampling=FULL_COLOUR)
    pixels = content.getvalue()
    place = 2
    while pixels[place + 1] == APP0:  # Pillow's own JFIF segment, in whose place ours stand
        place += 2 + int.from_bytes(pixels[place + 2 : place + 4], "big")
    segments, missing = _made(about)
    return pixels[:2] + b"".join(segments) + pixels[place:], missing


def _opened(path: Path, stream: io.BufferedReader) -> JpegImageFile:
    """Pillow's image, its header read. Its class is called by name: nothing else is tried on a file that names itself
    JPEG, and Pillow's own limit on sizes, which is one for the whole process, stays as it is."""
    image = JpegImageFile(stream)
    if image.mode not in ("L", "RGB"):
        raise UserError(
            f"{path} cannot be read.",
            f"It is in {image.mode}, the colours of printing, which this program does not read.",
            "Save it as RGB or grey.",
        )
    return image


def _segments(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment before the pixels.

    Raises:
        SyntaxError: the file is no JPEG.
    """
    if stream.read(2) != bytes((0xFF, START)):
        raise SyntaxError("not a JPEG file")
    while True:
        lead = stream.read(1)
        if not lead:
            return
        if lead != b"\xff":
            continue  # what other programs pass over, too
        marker = lead[0]
        while marker == 0xFF:
            following = stream.read(1)
            if not following:
                return
            marker = following[0]
        if marker == SCAN:
            return
        if marker in (0, 1) or 0xD0 <= marker <= START:  # of no content
            continue
        length = int.from_bytes(stream.read(2), "big") - 2
        data = stream.read(max(length, 0))
        if len(data) < length:
            return
        yield marker, data


def _metadata(segments: list[tuple[int, bytes]]) -> Metadata:
    exif = xmp = None
    icc: list[tuple[int, bytes]] = []
    resources, own, left_out = b"", [], []
    dpi: tuple[float, float] | None = None
    for marker, data in segments:
        number = marker - APP0
        if number == 0 and data.startswith(JFIF):
            dpi = _density(data)
        elif number == 1 and data.startswith(EXIF):  # which may go on in a further segment
            exif = (exif or b"") + data.removeprefix(EXIF)
        elif number == 1 and data.startswith(XMP) and xmp is None:
            xmp = data.removeprefix(XMP)
        elif number == 2 and data.startswith(ICC):
            icc.append((data[len(ICC)] if len(data) > len(ICC) else 0, data[len(ICC) + 2 :]))
        elif number == 13 and data.startswith(PHOTOSHOP):
            resources += data.removeprefix(PHOTOSHOP)
        elif number == 2 and data.startswith(FURTHER_PICTURES):
            left_out.append("further pictures (a gain map, or a preview), which would not fit any more")
        elif (0 <= number < 16 and not (number == 14 and data.startswith(ADOBE))) or marker == COMMENT:
            own.append((f"{marker:02X}", data))
    profile = b"".join(data for _, data in sorted(icc)) or None
    if dpi is None and exif is not None:
        dpi = exif_tags.dpi(exif_tags.structure_of(exif)[0])
    return Metadata(exif, profile, xmp, resources or None, dpi, "JPEG", tuple(own), tuple(left_out))


def _density(data: bytes) -> tuple[float, float] | None:
    """Pixels per inch of a JFIF segment; None where it says the shape of pixels only."""
    if len(data) < 12 or data[7] not in (1, 2):
        return None
    across, down = struct.unpack(">HH", data[8:12])
    scale = 1.0 if data[7] == 1 else 2.54
    return (across * scale, down * scale) if across and down else None


def _made(about: Metadata) -> tuple[list[bytes], list[str]]:
    """Segments of metadata, and what does not fit into any."""
    exif, missing = _fitting(about.exif)
    segments = [_segment(APP0, _jfif(about.dpi))]
    if exif:
        segments.append(_segment(APP0 + 1, EXIF + exif))
    if about.xmp and len(XMP) + len(about.xmp) <= LONGEST:
        segments.append(_segment(APP0 + 1, XMP + about.xmp))
    elif about.xmp:
        missing.append("XMP, which is longer than JPEG allows")
    if about.icc:
        size = LONGEST - len(ICC) - 2
        pieces = [about.icc[at : at + size] for at in range(0, len(about.icc), size)]
        for index, piece in enumerate(pieces, start=1):
            segments.append(_segment(APP0 + 2, ICC + bytes((index, len(pieces))) + piece))
    if about.photoshop:
        size = LONGEST - len(PHOTOSHOP)
        pieces = [about.photoshop[at : at + size] for at in range(0, len(about.photoshop), size)]
        segments += [_segment(APP0 + 13, PHOTOSHOP + piece) for piece in pieces]
    own = about.own if about.kind == "JPEG" else ()
    return segments + [_segment(int(name, 16), data) for name, data in own], missing


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _jfif(dpi: tuple[float, float] | None) -> bytes:
    """Version 1.02; whole pixels per inch, or per centimetre where those are the whole ones."""
    unit, dots = 0, (1.0, 1.0)
    if dpi is not None and all(0.5 <= value < 65535 for value in dpi):
        metric = tuple(value / 2.54 for value in dpi)
        off = [max(abs(value - round(value)) for value in values) for values in (dpi, metric)]
        unit, dots = (2, (metric[0], metric[1])) if off[1] + 1e-6 < off[0] and min(metric) >= 1 else (1, dpi)
    return JFIF + struct.pack(">HBHHBB", 0x0102, unit, round(dots[0]), round(dots[1]), 0, 0)


def _fitting(exif: bytes | None) -> tuple[bytes | None, list[str]]:
    """EXIF as it is where it fits into a segment; or its maker note elsewhere; or less thumbnail and maker note; or the
    orientation alone."""
    longest = LONGEST - len(EXIF)
    if exif is None or len(exif) <= longest:
        return exif, []
    structure, damaged = exif_tags.structure_of(exif)
    if damaged or not structure.directories:
        return None, damaged
    loose = ifd.write(structure, padded=False)
    if len(loose) <= longest:
        return loose, []
    first = structure.first
    pointer = first.get(ifd.EXIF)
    if pointer is not None:
        inner = first.inside(ifd.EXIF).without([ifd.MAKER_NOTE])
        first = first.with_entries([ifd.Entry(ifd.EXIF, pointer.kind, 1, directories=(inner,))])
    shorter = ifd.write(ifd.Structure(structure.order, (first,)))
    if len(shorter) <= longest:
        return shorter, ["thumbnail and maker note: EXIF is longer than JPEG allows"]
    orientation = first.get(exif_tags.ORIENTATION)
    kept = ifd.Directory((orientation,) if orientation is not None else ())
    return ifd.write(ifd.Structure(structure.order, (kept,))), [
        "EXIF but for the orientation: it is longer than JPEG allows"
    ]
