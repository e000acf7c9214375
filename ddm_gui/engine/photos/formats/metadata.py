"""What a file says of its photo beside the pixels; and a picture as its file holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Values = NDArray[Any]


@dataclass(frozen=True)
class Metadata:
    """What goes with a photo from file to file, as bytes that nobody here interprets.

    `exif` is a TIFF structure without JPEG's 'Exif' prefix, and holds all tags of a TIFF file that do not say how its
    pixels are stored; `icc` a colour profile; `xmp` a packet; `photoshop` the resources of Photoshop, IPTC among them;
    `dpi` pixels per inch, across and down. `own` is what only files of the kind `kind` can hold: chunks of PNG,
    segments of JPEG, further pages of TIFF, cards of FITS, by name. `left_out` tells what was not read, in words.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    dpi: tuple[float, float] | None = None
    kind: str = ""
    own: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """What a file holds: width and height in px, 1 or 3 channels, alpha or not, bits per value (32: floats)."""

    width: int
    height: int
    channels: int
    alpha: bool
    depth: int


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture as its file holds it: values H x W x (1 or 3), alpha H x W (None: there is none), and metadata."""

    values: Values
    alpha: Values | None
    metadata: Metadata
