"""Camera RAW files, developed by LibRaw: the camera's white balance, no brightening, sRGB's colours, 16 bits."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import rawpy
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats import ifd
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata

COLOUR_SPACE, SRGB_SPACE = 40961, 1
# Of the file's own tags those that tell of the shot and not of the sensor's values; resolution is not one of them.
DESCRIPTIVE = tuple(tag for tag in exif_tags.DESCRIPTIVE if tag not in (exif_tags.ORIENTATION, 282, 283, 296))

# What a flip of LibRaw (bit 0: mirrored left-right, bit 1: top-bottom, bit 2: transposed first) is called in EXIF.
EXIF_OF_FLIP = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}
# What LibRaw takes as power and slope: sRGB's tone curve (IEC 61966-2-1), or none.
GAMMA = {"display": (2.4, 12.92), "linear": (1.0, 1.0)}


def layout(path: Path) -> Layout:
    """Size and channels as developed: LibRaw stretches pixels that are not square.

    Raises:
        rawpy.LibRawError, OSError: it is damaged or of an unknown camera.
    """
    with rawpy.imread(str(path)) as raw:
        sizes = raw.sizes
        aspect = sizes.pixel_aspect
        width = int(sizes.iwidth * aspect + 0.5) if aspect > 1.0 else sizes.iwidth
        height = int(sizes.iheight / aspect + 0.5) if aspect < 1.0 else sizes.iheight
        return Layout(width, height, _channels(raw), False, 16)


def metadata(path: Path) -> Metadata:
    """What goes with the pixels, as they are developed; without how the picture is turned."""
    exif, left_out = _exif(path)
    return Metadata(exif, kind="RAW", left_out=left_out)


def decode(path: Path, light: str = "display") -> Decoded:
    """Pixels (uint16) in sensor orientation, and what the file tells of the shot.

    With sRGB's tone curve ('display') or without ('linear'): the same colours, the same white.

    Raises:
        rawpy.LibRawError, OSError: it is damaged or of an unknown camera.
    """
    with rawpy.imread(str(path)) as raw:
        orientation = EXIF_OF_FLIP[raw.sizes.flip & 7]
        channels = _channels(raw)
        values = _developed(raw, output_bps=16, gamma=GAMMA[light])[..., :channels]
    about = metadata(path)
    return Decoded(values, None, replace(about, exif=exif_tags.with_orientation(about.exif, orientation)))


def preview(path: Path, size: int) -> tuple[Image.Image, int]:
    """The embedded preview, decoded at a fraction of its size where that is larger than `size` px still, or else the
    development at half size; and the EXIF orientation of either.

    Raises:
        rawpy.LibRawError, OSError: it is damaged or of an unknown camera.
    """
    with rawpy.imread(str(path)) as raw:
        orientation = EXIF_OF_FLIP[raw.sizes.flip & 7]
        embedded = _embedded(raw)
        if embedded is None:
            pixels = _developed(raw, half_size=True, output_bps=8, gamma=GAMMA["display"])
            return Image.fromarray(pixels.squeeze()), orientation
        if isinstance(embedded.data, bytes):
            with JpegImageFile(io.BytesIO(embedded.data)) as image:
                image.draft("RGB", (size, size))  # which also bounds what a hostile preview can take
                return image.convert("RGB"), orientation
        return Image.fromarray(embedded.data), orientation


def preview_exif(path: Path) -> bytes | None:
    """EXIF bytes of the embedded preview, None where it is no JPEG or holds none.

    Where the camera wrote none there, LibRaw does: make, model, aperture, focal length. The pixels are not unpacked,
    as rawpy's own properties of these would do.

    Raises:
        rawpy.LibRawError, OSError, SyntaxError: it is damaged or of an unknown camera.
    """
    with rawpy.imread(str(path)) as raw:
        embedded = _embedded(raw)
        if embedded is None or not isinstance(embedded.data, bytes):
            return None
        with JpegImageFile(io.BytesIO(embedded.data)) as image:
            exif: bytes | None = image.info.get("exif")
            return exif


def _embedded(raw: Any) -> Any:
    """The embedded preview, None where there is none of a kind that LibRaw knows."""
    try:
        return raw.extract_thumb()
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        return None


def _exif(path: Path) -> tuple[bytes | None, tuple[str, ...]]:
    """EXIF of the developed picture: the file's own, or else its preview's; and what was left of it, in words."""
    with open(path, "rb") as stream:
        try:
            structure = ifd.read(stream)
        except ValueError:  # no TIFF inside, as most cameras have it
            structure = ifd.Structure("<", ())
    if structure.first.get(ifd.EXIF) is None:
        with suppress(rawpy.LibRawError, rawpy.NotSupportedError, *exif_tags.DAMAGED):
            of_preview, _ = exif_tags.structure_of((preview_exif(path) or b"").removeprefix(b"Exif\0\0"))
            structure = of_preview if of_preview.first.entries else structure
    order, first = structure.order, structure.first
    kept = [entry for entry in first.entries if entry.tag in DESCRIPTIVE or entry.tag in (ifd.EXIF, ifd.GPS)]
    if not kept:
        return None, ()
    inner = first.inside(ifd.EXIF)
    left_out = ("the maker note, which holds good in the RAW only",) if inner.get(ifd.MAKER_NOTE) is not None else ()
    developed = inner.without([ifd.MAKER_NOTE, ifd.INTEROPERABILITY]).with_entries(
        [ifd.number(COLOUR_SPACE, [SRGB_SPACE], order, 3)]
    )
    whole = ifd.Directory(tuple(kept)).with_entries([ifd.Entry(ifd.EXIF, ifd.LONG, 1, directories=(developed,))])
    return ifd.write(ifd.Structure(order, (whole,))), left_out


def _channels(raw: Any) -> int:
    return 1 if raw.num_colors == 1 else 3


def _developed(raw: Any, **options: Any) -> NDArray[Any]:
    """LibRaw's development, H x W x channels, in sensor orientation (`user_flip` 0).

    LibRaw sharpens nothing, and takes away noise only where it is asked to.
    """
    pixels: NDArray[Any] = raw.postprocess(
        use_camera_wb=True,
        no_auto_bright=True,
        adjust_maximum_thr=0.0,  # white is the camera's white, not the brightest value of this photo
        user_flip=0,
        **options,
    )
    return pixels.reshape(*pixels.shape[:2], -1)
