"""FITS files (standard 4.0): the primary image, all cards of its header, and what follows it.

Cards are kept as they stand, the world coordinates among them. Rows are stored from the bottom up, as FITS viewers show
them; here they stay in the order of the file.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

BLOCK, CARD = 2880, 80
MOST_BLOCKS = 10_000  # of a header; 360,000 cards
TYPES = {8: ">u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
BOTTOM_UP = 4  # the EXIF orientation of pictures whose first row is the lowest
OF_THE_OLD_PIXELS = ("CHECKSUM", "DATASUM", "DATAMIN", "DATAMAX")
LARGEST_CARRIED = 1 << 30  # bytes of further parts, which are carried along in memory

Value = str | int | float | bool


def layout(path: Path) -> Layout:
    """What the header says.

    Raises:
        UserError: it holds no picture of a kind that is read, with the reason.
        ValueError, OSError: it is damaged.
    """
    with open(path, "rb") as stream:
        cards = _header(stream)
    shape = _shape(path, cards)
    return Layout(shape[-1], shape[-2], shape[0] if len(shape) == 3 else 1, False, 32)


def metadata(path: Path) -> Metadata:
    """The cards.

    Raises:
        ValueError, OSError: it is damaged.
    """
    with open(path, "rb") as stream:
        return Metadata(kind="FITS", own=tuple(("card", card) for card in _header(stream)))


def decode(path: Path) -> Decoded:
    """Physical values (float64), H x W x (1 or 3): BZERO + BSCALE * what is stored; NaN where that is BLANK.

    Raises:
        UserError: it holds no picture of a kind that is read, with the reason.
        ValueError, OSError: it is damaged.
    """
    with open(path, "rb") as stream:
        cards = _header(stream)
        shape = _shape(path, cards)
        kind = np.dtype(TYPES[_whole(cards, "BITPIX")])
        size = math.prod(shape) * kind.itemsize
        if size > path.stat().st_size - stream.tell():
            raise OSError("the file is cut off")
        data = stream.read(size)
        stream.seek(-size % BLOCK, io.SEEK_CUR)
        rest = stream.read(LARGEST_CARRIED + 1)
    if len(rest) > LARGEST_CARRIED:
        raise UserError(
            f"{path} cannot be read.",
            f"Behind its picture it holds more than {LARGEST_CARRIED >> 20} MB.",
            "Save the picture as a file of its own.",
        )
    stored = np.frombuffer(data, kind).reshape(shape)
    values = _scale(cards)[0] + _scale(cards)[1] * stored.astype(np.float64)
    blank = _value(cards, "BLANK")
    if blank is not None and kind.kind in "iu":
        values[stored == blank] = np.nan
    own = [("card", card) for card in cards] + ([("rest", rest)] if rest else [])
    planes = values if values.ndim == 3 else values[None]
    return Decoded(np.moveaxis(planes, 0, -1), None, Metadata(kind="FITS", own=tuple(own)))


def encode(picture: Decoded) -> tuple[bytes, list[str]]:
    """The same file with other physical values, stored as they were; and which cards do not hold any more."""
    cards = [data for name, data in picture.metadata.own if name == "card"]
    kept = [card for card in cards if _key(card) not in OF_THE_OLD_PIXELS]
    kind = np.dtype(TYPES[_whole(cards, "BITPIX")])
    zero, scale = _scale(cards)
    stored = (picture.values.astype(np.float64) - zero) / scale
    if kind.kind in "iu":
        bounds, blank = np.iinfo(kind), _value(cards, "BLANK")
        stored = np.clip(np.rint(stored), bounds.min, bounds.max)
        stored = np.nan_to_num(stored, nan=0.0 if blank is None else blank)
    planes = np.moveaxis(stored, -1, 0).astype(kind)
    rest = b"".join(data for name, data in picture.metadata.own if name == "rest")
    gone = sorted({_key(card) for card in cards} & set(OF_THE_OLD_PIXELS))
    missing = [f"{', '.join(gone)}: said of the pixels as they were"] if gone else []
    return _padded(b"".join(kept), b" ") + _padded(planes.tobytes(), b"\0") + rest, missing


def precision(about: Metadata) -> int:
    """BITPIX: bits per stored value, negative of floats."""
    return _whole([data for name, data in about.own if name == "card"], "BITPIX")


def card(key: str, value: Value | None = None, comment: str = "") -> bytes:
    """One card of 80 bytes (section 4.1); without a value a comment, such as HISTORY.

    Raises:
        ValueError: it is longer than a card.
    """
    if value is None:
        text = f"{key:8}{comment}"
    else:
        written = _written(value)
        text = f"{key:8}= {written:>20}" if not isinstance(value, str) else f"{key:8}= {written:20}"
        text += f" / {comment}" if comment else ""
    if len(text) > CARD:
        raise ValueError(f"the card {key} is longer than {CARD} bytes")
    return text.ljust(CARD).encode("ascii")


def history(text: str) -> list[bytes]:
    """HISTORY cards that hold a text, one after the other."""
    width = CARD - 8
    return [card("HISTORY", comment=text[at : at + width]) for at in range(0, len(text), width)]


def hdu(values: NDArray[np.float32], cards: Iterable[bytes] = (), extension: str = "") -> bytes:
    """A primary image of float32, or an image extension of a name; the last axis of the array is FITS's first."""
    lengths = [card(f"NAXIS{axis}", length) for axis, length in enumerate(reversed(values.shape), start=1)]
    first = [card("XTENSION", "IMAGE   ")] if extension else [card("SIMPLE", True)]
    after = [card("PCOUNT", 0), card("GCOUNT", 1), card("EXTNAME", extension)] if extension else [card("EXTEND", True)]
    header = [*first, card("BITPIX", -32), card("NAXIS", values.ndim), *lengths, *after, *cards, b"END".ljust(CARD)]
    data = np.ascontiguousarray(values, TYPES[-32]).tobytes()
    return _padded(b"".join(header), b" ") + _padded(data, b"\0")


# Headers


def _header(stream: io.BufferedReader) -> list[bytes]:
    """The cards of the primary header, END included.

    Raises:
        ValueError: it is no FITS file, or its header has no end.
    """
    cards: list[bytes] = []
    for _ in range(MOST_BLOCKS):
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            break
        for at in range(0, BLOCK, CARD):
            cards.append(block[at : at + CARD])
            if len(cards) == 1 and not cards[0].startswith(b"SIMPLE  ="):
                raise ValueError("not a FITS file")
            if _key(cards[-1]) == "END":
                return cards
    raise ValueError("not a FITS file" if not cards else "its header has no end")


def _shape(path: Path, cards: Sequence[bytes]) -> tuple[int, ...]:
    """The lengths of the axes as numpy has them: H x W, or 3 x H x W.

    Raises:
        UserError: it is no picture of a kind that is read.
        ValueError: the header is damaged.
    """
    axes = _whole(cards, "NAXIS")
    if axes == 0:
        raise _refused(path, "Its picture is in an extension, not in front")
    if not 0 < axes < 1000:
        raise ValueError(f"NAXIS is {axes}")
    shape = [_whole(cards, f"NAXIS{axis}") for axis in range(axes, 0, -1)]
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] != 3):
        raise _refused(path, f"It is {' x '.join(map(str, reversed(shape)))} values, no grey or RGB picture")
    if min(shape) < 1 or _whole(cards, "BITPIX") not in TYPES:
        raise ValueError("its header is damaged")
    if _scale(cards)[1] == 0.0:
        raise ValueError("BSCALE is 0")
    return tuple(shape)


def _refused(path: Path, why: str) -> UserError:
    return UserError(
        f"{path} cannot be read.", f"{why}, which this program does not read.", "Save one picture as FITS."
    )


def _key(card: bytes) -> str:
    return card[:8].decode("latin-1").rstrip()


def _value(cards: Sequence[bytes], key: str) -> int | float | None:
    """The number of a card; None where there is none."""
    for one in cards:
        if _key(one) == key and one[8:10] == b"= ":
            text = one[10:].decode("latin-1").split("/")[0].strip()
            try:
                return int(text)
            except ValueError:
                try:
                    return float(text.upper().replace("D", "E"))
                except ValueError:
                    return None
    return None


def _whole(cards: Sequence[bytes], key: str) -> int:
    found = _value(cards, key)
    if not isinstance(found, int):
        raise ValueError(f"its header does not tell {key}")
    return found


def _scale(cards: Sequence[bytes]) -> tuple[float, float]:
    """BZERO and BSCALE."""
    zero, scale = _value(cards, "BZERO"), _value(cards, "BSCALE")
    return 0.0 if zero is None else float(zero), 1.0 if scale is None else float(scale)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"'{quoted:8}'"
    return str(value).upper()


def _padded(data: bytes, with_: bytes) -> bytes:
    return data + with_ * (-len(data) % BLOCK)
