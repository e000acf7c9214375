"""PNG files (W3C PNG specification, third edition), 8 and 16 bits, all of their chunks.

Pillow inflates and unfilters the pixels, but gives 8 bits of colours that have 16: here their high and their low bytes
are asked for in turn. What Pillow writes has 8 bits too, so the encoder is our own.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # colour types
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # what says how pixels are stored
OF_COLOUR_TYPE = (b"sBIT", b"bKGD", b"hIST")  # which fit one colour type only
XMP_KEYWORD = b"XML:com.adobe.xmp"
RESOURCES_KEYWORD = b"Raw profile type 8bim"  # as ImageMagick and ExifTool write and read it
METRE = 0.0254  # an inch
LARGEST_UNPACKED = 64 << 20  # bytes that a compressed chunk may become
BAND = 256  # rows that are filtered at a time
PAETH = 4


def layout(path: Path) -> Layout:
    """What the chunks before the pixels say.

    Raises:
        UserError: it is a kind of PNG that is refused, with the reason.
        SyntaxError, ValueError: it is damaged.
    """
    with open(path, "rb") as stream:
        header, transparent = None, False
        for kind, data in _chunks(stream, pixels=False):
            if kind == b"IHDR":
                header = _header(path, data)
            elif kind == b"acTL":
                raise _refused(path, "It is an animation", "single pictures")
            transparent |= kind == b"tRNS"
            if kind == b"IDAT":
                break
        if header is None:
            raise SyntaxError("it has no header")
        width, height, depth, colour = header
        channels = 1 if colour in (GREY, GREY_ALPHA) else 3
        return Layout(width, height, channels, transparent or colour >= GREY_ALPHA, 16 if depth == 16 else 8)


def metadata(path: Path) -> Metadata:
    """What goes with the pixels.

    Raises:
        SyntaxError: it is no PNG file.
    """
    with open(path, "rb") as stream:
        chunks = [(kind, data) for kind, data in _chunks(stream, pixels=False) if kind not in PIXELS]
    return _metadata(chunks, True)


def decode(path: Path) -> Decoded:
    """Pixels (uint8, or uint16 of 16 bits), alpha, and all chunks. Palettes become RGB, a transparent colour alpha.

    Raises:
        UserError: it is a kind of PNG that is refused, with the reason.
        SyntaxError, ValueError, OSError, zlib.error: it is damaged.
    """
    with open(path, "rb") as stream:
        chunks = list(_chunks(stream))
    if not chunks or chunks[0][0] != b"IHDR":
        raise SyntaxError("it has no header")
    _, _, depth, colour = _header(path, chunks[0][1])
    if any(kind == b"acTL" for kind, _ in chunks):
        raise _refused(path, "It is an animation", "single pictures")
    key = next((data for kind, data in chunks if kind == b"tRNS"), None)
    if depth == 16:
        values = _sixteen_bits(chunks, colour)
        if key is not None and colour in (GREY, RGB):
            values = _with_key(values, key)
    else:
        values = _eight_bits(chunks, transparent=key is not None)
    channels = 1 if values.shape[2] <= 2 else 3
    alpha = values[..., -1] if values.shape[2] in (2, 4) else None
    same_type = colour != PALETTE and (key is None or colour >= GREY_ALPHA) and depth >= 8
    about = _metadata([(kind, data) for kind, data in chunks if kind not in PIXELS], same_type)
    return Decoded(values[..., :channels], alpha, about)


def encode(picture: Decoded) -> tuple[bytes, list[str]]:
    """A PNG file of uint8 or uint16 values, and what it does not hold."""
    values, about = picture.values, picture.metadata
    if picture.alpha is not None:
        values = np.concatenate([values, picture.alpha[..., None]], axis=2)
    height, width, samples = values.shape
    depth = 8 * values.dtype.itemsize
    colour = {1: GREY, 2: GREY_ALPHA, 3: RGB, 4: RGB_ALPHA}[samples]
    parts = [SIGNATURE, _chunk(b"IHDR", struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, 0))]
    own = [(name.encode("latin-1"), data) for name, data in about.own] if about.kind == "PNG" else []
    named = {kind for kind, _ in own}
    if about.icc:
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(about.icc)))
    parts += [_chunk(kind, data) for kind, data in own]
    if about.exif:
        parts.append(_chunk(b"eXIf", about.exif))
    if about.xmp:
        parts.append(_chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + about.xmp))
    if about.photoshop:
        parts.append(_chunk(b"zTXt", RESOURCES_KEYWORD + b"\0\0" + zlib.compress(_as_text(about.photoshop))))
    if about.dpi and b"pHYs" not in named:
        across, down = (round(dots / METRE) for dots in about.dpi)
        parts.append(_chunk(b"pHYs", struct.pack(">LLB", across, down, 1)))
    parts += [_chunk(b"IDAT", _packed(values)), _chunk(b"IEND", b"")]
    return b"".join(parts), []


def gamma(about: Metadata) -> float | None:
    """The exponent that a PNG's own chunk says light was encoded by (0.45455 for 1/2.2), None where none does."""
    data = dict(about.own).get("gAMA") if about.kind == "PNG" else None
    return struct.unpack(">L", data[:4])[0] / 100_000 if data is not None and len(data) >= 4 else None


# Chunks


def _chunks(stream: io.BufferedReader, pixels: bool = True) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk, to the end; a chunk that is damaged and not of the pixels is passed over.

    Without `pixels` those of the kind IDAT, which hold nearly all of a file, are not read: their content is empty.

    Raises:
        SyntaxError: the file is no PNG.
        OSError: it is cut off, or a chunk of its pixels is damaged.
    """
    end = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if stream.read(8) != SIGNATURE:
        raise SyntaxError("not a PNG file")
    kind = b""
    while kind != b"IEND":
        head = stream.read(8)
        if len(head) < 8:
            raise OSError("the file is cut off")
        length, kind = struct.unpack(">L4s", head)
        if kind == b"IDAT" and not pixels:
            yield kind, b""
            stream.seek(length + 4, io.SEEK_CUR)
            continue
        if length + 4 > end - stream.tell():
            raise OSError("the file is cut off")
        data, check = stream.read(length), stream.read(4)
        whole = zlib.crc32(kind + data) == int.from_bytes(check, "big")
        if not whole and kind in PIXELS:
            raise OSError(f"its chunk {kind.decode('latin-1')} is damaged")
        if whole:
            yield kind, data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def _header(path: Path, data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits per value, colour type.

    Raises:
        UserError: of a kind that is refused.
        SyntaxError: it is damaged.
    """
    if len(data) != 13:
        raise SyntaxError("its header is damaged")
    width, height, depth, colour = struct.unpack(">LLBB", data[:10])
    if colour not in SAMPLES or not width or not height:
        raise SyntaxError("its header is damaged")
    if colour == GREY and depth == 1:
        raise _refused(path, "It is in black and white only, without grey", "RGB or grey")
    return width, height, depth, colour


def _metadata(chunks: list[tuple[bytes, bytes]], same_type: bool) -> Metadata:
    """What chunks say; `same_type`: the photo will be written in the colour type that it has."""
    exif = icc = xmp = resources = None
    dpi: tuple[float, float] | None = None
    own: list[tuple[str, bytes]] = []
    for kind, data in chunks:
        if kind == b"eXIf":
            exif = data
        elif kind == b"iCCP":
            icc = _unpacked(data.partition(b"\0")[2][1:])
        elif kind == b"iTXt" and data.startswith(XMP_KEYWORD + b"\0"):
            xmp = _international(data)
        elif kind == b"zTXt" and data.startswith(RESOURCES_KEYWORD + b"\0"):
            resources = _of_text(_unpacked(data[len(RESOURCES_KEYWORD) + 2 :]))
        elif kind == b"pHYs" and len(data) == 9 and data[8] == 1:
            across, down = struct.unpack(">LL", data[:8])
            dpi = (across * METRE, down * METRE)
        elif same_type or kind not in OF_COLOUR_TYPE:
            own.append((kind.decode("latin-1"), data))
    return Metadata(exif, icc, xmp, resources, dpi, "PNG", tuple(own))


def _unpacked(data: bytes) -> bytes | None:
    """Inflated, None where it is damaged or larger than any of these things is."""
    inflate = zlib.decompressobj()
    try:
        result = inflate.decompress(data, LARGEST_UNPACKED)
    except zlib.error:
        return None
    return result if inflate.eof else None


def _international(data: bytes) -> bytes | None:
    """The text of an iTXt chunk."""
    packed = data[len(XMP_KEYWORD) + 1 : len(XMP_KEYWORD) + 2] == b"\1"
    text = data[len(XMP_KEYWORD) + 3 :].split(b"\0", 2)[-1]
    return _unpacked(text) if packed else text


def _as_text(resources: bytes) -> bytes:
    """As ImageMagick writes raw profiles: a name, a length, and lines of hexadecimal digits."""
    digits = resources.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n8bim\n{len(resources):8d}\n{lines}\n".encode()


def _of_text(text: bytes | None) -> bytes | None:
    """What `_as_text` was given; None where it is damaged."""
    try:
        return bytes.fromhex(b"".join((text or b"").split()[2:]).decode("ascii")) or None
    except ValueError:
        return None


def _refused(path: Path, why: str, wanted: str) -> UserError:
    """A PNG that is not read, and how to save it so that it is."""
    return UserError(f"{path} cannot be read.", f"{why}, which this program does not read.", f"Save it as {wanted}.")


# Pixels


def _eight_bits(chunks: list[tuple[bytes, bytes]], transparent: bool) -> NDArray[Any]:
    """Of 8 and fewer bits per value: H x W x (1 or 3, one more where the file is transparent)."""
    with _pillow(chunks) as image:
        image.load()
        grey = image.mode in ("L", "LA", "I")
        alpha = transparent or image.mode in ("LA", "RGBA")
        mode = ("L" if grey else "RGB") + ("A" if alpha else "")
        if mode == "LA" and image.mode == "L":  # a grey level that stands for transparent: Pillow makes RGBA of it only
            values = np.asarray(image.convert("RGBA"))[..., 2:]
        else:
            values = np.asarray(image if image.mode == mode else image.convert(mode))
    return values.reshape(*values.shape[:2], -1)


def _sixteen_bits(chunks: list[tuple[bytes, bytes]], colour: int) -> NDArray[np.uint16]:
    """H x W x samples. Rows of grey with 16 bits are, byte for byte, rows of grey and alpha with 8; and so on."""
    twice = {GREY: GREY_ALPHA, GREY_ALPHA: RGB_ALPHA}.get(colour)
    bare = [(kind, data) for kind, data in chunks if kind != b"tRNS"]
    if twice is not None:
        header = bare[0][1]
        with _pillow([(b"IHDR", header[:8] + bytes([8, twice]) + header[10:]), *bare[1:]]) as image:
            return np.ascontiguousarray(np.asarray(image)).view(">u2").astype(np.uint16)
    mode = "RGB" if colour == RGB else "RGBA"
    high, low = (_bytes_of(bare, f"{mode};16{letter}") for letter in ("B", "L"))
    return np.stack([high, low], axis=-1).view(">u2")[..., 0].astype(np.uint16)


def _bytes_of(chunks: list[tuple[bytes, bytes]], raw_mode: str) -> NDArray[np.uint8]:
    """One byte of each 16-bit value: ';16B' takes the first, which is the high one in PNG, ';16L' the second."""
    with _pillow(chunks) as image:
        image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
        return np.asarray(image)


def _pillow(chunks: list[tuple[bytes, bytes]]) -> PngImageFile:
    """Pillow's image of the chunks of the pixels, and of nothing else."""
    content = SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks if kind in PIXELS)
    return PngImageFile(io.BytesIO(content))


def _with_key(values: NDArray[np.uint16], key: bytes) -> NDArray[np.uint16]:
    """With alpha, 0 where a pixel has the colour that stands for transparent (section 11.3.1.1)."""
    hidden = (values == np.frombuffer(key, ">u2")).all(axis=2, keepdims=True)
    alpha = np.full(hidden.shape, 65535, np.uint16)
    alpha[hidden] = 0
    return np.concatenate([values, alpha], axis=2)


def _packed(values: NDArray[Any]) -> bytes:
    """Rows filtered by Paeth's predictor (section 9.4), which suits photos, and deflated."""
    rows = np.ascontiguousarray(values, values.dtype.newbyteorder(">")).view(np.uint8).reshape(len(values), -1)
    step = values.shape[2] * values.dtype.itemsize
    deflate = zlib.compressobj(4)
    parts = []
    for first in range(0, len(rows), BAND):
        band = rows[first : first + BAND]
        above = np.zeros_like(band)
        above[1:] = band[:-1]
        if first:
            above[0] = rows[first - 1]
        parts.append(deflate.compress(_filtered(band, above, step).tobytes()))
    return b"".join((*parts, deflate.flush()))


def _filtered(band: NDArray[np.uint8], above: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Rows less what Paeth's predictor expects, each with its filter type before it."""
    left, corner = (np.zeros(band.shape, np.int16) for _ in range(2))
    left[:, step:], corner[:, step:] = band[:, :-step], above[:, :-step]
    up = above.astype(np.int16)
    nearest = left + up - corner
    to_left, to_up, to_corner = np.abs(nearest - left), np.abs(nearest - up), np.abs(nearest - corner)
    by_up = np.where(to_up <= to_corner, up, corner)
    predicted = np.where((to_left <= to_up) & (to_left <= to_corner), left, by_up).astype(np.uint8)
    result = np.full((len(band), band.shape[1] + 1), PAETH, np.uint8)
    result[:, 1:] = band - predicted
    return result
