"""Photos: files to float32 pixels and back, with all that goes with them. Never torch or Qt.

PNG, JPEG, TIFF, FITS and camera RAW; `formats` has how each is laid out. Pixels stay as the sensor recorded them; the
EXIF orientation is kept beside them and applied only where a photo is shown (`upright`). What cannot be read exactly is
refused with a sentence, never approximated; and what is written is read again, and compared with what was promised.
"""

from __future__ import annotations

import math
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside
from ddm_gui.engine.photos import tone_curve
from ddm_gui.engine.photos.formats import encoding, fits, jpeg, png, privacy, promise, raw, tiff
from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats.metadata import Decoded, Layout, Metadata
from ddm_gui.engine.photos.photo_files import DEPTH_WORDS, DEPTHS, FLOAT, FORMATS, KINDS, kind_by_name, kind_of
from ddm_gui.engine.photos.photo_files import find_photos as find_photos  # by these names others know them
from ddm_gui.engine.photos.photo_files import is_raw as is_raw
from ddm_gui.engine.photos.photo_files import suffix_for as suffix_for
from ddm_gui.engine.photos.photo_files import targets as targets
from ddm_gui.engine.receipt import Receipt
from ddm_gui.engine.settings import Scope, check_values, setting

READERS: dict[str, Any] = {"PNG": png, "JPEG": jpeg, "TIFF": tiff, "FITS": fits, "RAW": raw}

LIMIT = "DDM_LARGEST_PHOTO"  # the environment variable that holds another limit, in megapixels: see `allow`
MEASURED = 1000  # px along the longer side that tones are measured on

# What the libraries raise on a file that is damaged or not what its name says.
BAD_FILE = (
    OSError,
    SyntaxError,  # Pillow: not a file of this format
    ValueError,  # tifffile.TiffFileError is one
    TypeError,
    KeyError,
    IndexError,
    AttributeError,  # tifffile: tags that must be there and are not
    EOFError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,  # a TIFF tile that claims to be huge
    rawpy.LibRawError,
    rawpy.NotSupportedError,
    MemoryError,
)


@dataclass(frozen=True)
class SizeLimit:
    """How large photos may be, as a person may set it for good.

    Raises:
        UserError: it is out of its bounds.
    """

    largest_photo: float = setting(
        400.0,  # 4.8 GB as float32 colour
        "Largest photo",
        "Photos of more pixels are refused by their headers, before they are decoded: such a claim is more likely that "
        "of a damaged or hostile file.",
        scope=Scope.RUN,
        low=1.0,
        high=10_000.0,
        unit="megapixels",
    )

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True, eq=False)
class Photo:
    """Pixels H x W x C, float32, C 1 or 3 (R, G, B), read-only, in sensor orientation; and all that goes with them.

    0 is black and 1 is white; of a file of floats `black` and `white` are what it had for them, which `write` gives
    back. `depth` is the bits per value of the file: 8 or 16 (RAW counts as 16), or 32 of floats, whose pixels may lie
    beyond [0, 1]. `orientation` is EXIF's (1 to 8), `source` the file it was read from. `light` is 'display' (the
    file's own encoding) or 'linear'. `alpha` is H x W as the file has it, None where it has none. `holes` (H x W x C)
    are where a file of floats has no number (NaN, or BLANK of FITS): pixels have the nearest number there.
    """

    pixels: NDArray[np.float32]
    depth: int
    orientation: int = 1
    source: Path | None = None
    light: str = "display"
    alpha: NDArray[Any] | None = None
    holes: NDArray[np.bool_] | None = None
    black: float = 0.0
    white: float = 1.0
    metadata: Metadata = field(default_factory=Metadata)

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels, dtype=np.float32).view()
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.size == 0:
            raise ValueError(f"pixels must be height x width x (1 or 3), not {pixels.shape}")
        if self.depth not in (8, 16, FLOAT) or self.orientation not in range(1, 9):
            raise ValueError(f"depth {self.depth} must be 8, 16 or 32, orientation {self.orientation} 1 to 8")
        pixels.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)

    @property
    def is_transparent(self) -> bool:
        """Whether one sees through it anywhere."""
        return self.alpha is not None and bool((self.alpha < _largest(self.alpha.dtype)).any())

    @property
    def bounds(self) -> tuple[float, float]:
        """What pixels can be: from black to white, or anything of floats."""
        return (-np.inf, np.inf) if self.depth == FLOAT else (0.0, 1.0)

    def with_pixels(self, pixels: NDArray[np.float32]) -> Photo:
        """The same photo with other pixels, for instance restored ones."""
        return replace(self, pixels=pixels)


@dataclass(frozen=True)
class PhotoHeader:
    """What a file says of its photo, as `read` would give it, in sensor orientation; `depth` in bits."""

    width: int
    height: int
    channels: int
    depth: int


def upright(photo: Photo) -> NDArray[np.float32]:
    """The photo's pixels as they are to be shown: a read-only view."""
    return exif_tags.turned(photo.pixels, photo.orientation)


def allow(megapixels: float) -> None:
    """Another limit on sizes than the usual one, for this process and those that it starts."""
    os.environ[LIMIT] = str(megapixels)


def read_header(path: Path) -> PhotoHeader:
    """Size, channels and depth, without decoding the pixels.

    Raises:
        UserError: the file cannot be read, naming it and the reason; the same as from `read` where the header tells.
    """
    about = _layout(path)
    return PhotoHeader(about.width, about.height, about.channels, about.depth)


def read_entries(path: Path) -> list[dict[int, Any]]:
    """The descriptive EXIF entries of a file, as `exif.entries` gives them, without decoding its pixels.

    Of RAW there may be two: the file's own, which come first, and those of its preview. What is damaged is left out.

    Raises:
        UserError: the file cannot be read, naming it and the reason.
    """
    readers = {"RAW": (_cr3_entries, _tiff_entries, _preview_entries)}
    found = []
    for reader in readers.get(kind_of(path), (_image_entries,)):
        with _quiet(), suppress(*exif_tags.DAMAGED, rawpy.LibRawError, rawpy.NotSupportedError):
            found.append(reader(path))
    return found


def check_light(path: Path, light: str) -> None:
    """Refuses a file that does not hold this light, by its header.

    Raises:
        UserError: 'linear' is asked of a file that does not tell its tone curve, or the file cannot be read.
    """
    if light == "linear" and not is_raw(path):
        about = _layout(path)
        with _reading(path):
            metadata = READERS[kind_of(path)].metadata(path)
        _tone_curves(path, metadata, about.channels, about.depth)


def read(path: Path, light: str = "display") -> Photo:
    """Reads a photo; its size is checked before it is decoded.

    RAW is developed by LibRaw: the camera's white balance, no brightening, no sharpening, no noise taken away, sRGB's
    colours in 16 bits; with its tone curve, but for `light` 'linear'. Of other files `light` 'linear' undoes the tone
    curve that their colour profile tells.

    Raises:
        UserError: the file cannot be read, naming it and the reason; 'linear' is asked of a file that does not tell its
            tone curve.
    """
    about = _layout(path)
    check_light(path, light)
    kind = kind_of(path)
    with _reading(path):
        picture = raw.decode(path, light) if kind == "RAW" else READERS[kind].decode(path)
    metadata = picture.metadata
    exif, orientation = exif_tags.checked(metadata.exif)
    if metadata.exif and exif is None:
        metadata = replace(metadata, left_out=(*metadata.left_out, "EXIF, which was damaged"))
    values, holes = _filled(path, picture.values) if about.depth == FLOAT else (picture.values, None)
    pixels, black, white = _normalised(values, about.depth)
    photo = Photo(
        pixels,
        about.depth,
        fits.BOTTOM_UP if kind == "FITS" else orientation,
        path,
        light=light if kind == "RAW" else "display",
        alpha=picture.alpha,
        holes=holes,
        black=black,
        white=white,
        metadata=replace(metadata, exif=exif),
    )
    return in_light(photo, light)


def in_light(photo: Photo, light: str) -> Photo:
    """A photo in the other light, as `read` would give it but for rounding.

    Raises:
        UserError: 'linear' is asked of a photo whose file does not tell its tone curve.
    """
    if photo.light == light:
        return photo
    curves = _tone_curves(photo.source, photo.metadata, photo.pixels.shape[2], photo.depth)
    white = float(curves[0].to_linear(np.array(photo.white)))  # black stays 0, where curves are steep and float32 fine
    if light == "linear":
        values = _widened(photo.pixels, photo.black, photo.white)
        pixels = _stretched(tone_curve.to_linear(values, curves), 0.0, white)
    else:
        values = tone_curve.to_display(_widened(photo.pixels, 0.0, white), curves)
        pixels = _stretched(values, photo.black, photo.white)
    return replace(photo, pixels=pixels, light=light)


def tones(photo: Photo) -> tuple[np.float32, np.float32]:
    """What is to be shown as black and as white: 0 and 1; of floats the darkest and the brightest value but for half a
    percent each, or a few stars would leave all else black."""
    if photo.depth != FLOAT:
        return np.float32(0.0), np.float32(1.0)
    step = max(1, max(photo.pixels.shape[:2]) // MEASURED)
    low, high = np.percentile(photo.pixels[::step, ::step], (0.5, 99.5))
    return np.float32(low), np.float32(max(high, low + 1e-9))


def thumbnail(path: Path, size: int) -> NDArray[np.uint8]:
    """A small picture for the window: H x W x 3, upright, its longer side at most `size` pixels.

    Quick where the format allows: JPEG is decoded at a fraction of its size, RAW gives its embedded preview. Floats are
    shown from their darkest to their brightest but for half a percent each.

    Raises:
        UserError: the file cannot be read, naming it and the reason.
    """
    header, kind = read_header(path), kind_of(path)
    if kind == "RAW":
        with _reading(path):
            image, orientation = raw.preview(path, size)
    elif kind == "JPEG":
        with _reading(path):
            image = jpeg.thumbnail(path, size, header.channels)
            _, orientation = exif_tags.checked(jpeg.metadata(path).exif)
    else:
        photo = read(path)
        step = max(1, max(photo.pixels.shape[:2]) // (2 * size))  # a bit more than is shown: the rest is smoothed
        black, white = tones(photo)
        pixels = (photo.pixels[::step, ::step] - black) / (white - black)
        image, orientation = _as_image(_quantised(pixels, 8)), photo.orientation
    image.thumbnail((size, size))
    return np.ascontiguousarray(exif_tags.turned(np.asarray(image.convert("RGB")), orientation))


def write(
    photo: Photo,
    path: Path,
    file_format: str = "same",
    quality: int = 95,
    strip_private: bool = False,
    depth: int | None = None,
) -> Receipt:
    """Writes a photo with all that goes with it, and reads it again; pixels are not turned.

    `file_format` is 'png', 'jpeg' (`quality` up to 100, full colour resolution), 'tiff', 'fits' (of a photo from FITS),
    or 'same': as the suffix of `path` says. `depth` is 8 or 16 bits or FLOAT; None: as the photo has it, of JPEG 8.
    Values are rounded to the depth, and clipped but for floats. The file is complete or not there at all. With
    `strip_private` position, serial numbers, owners and thumbnails are left out.

    Returns:
        What is in the file, and what is not. Metadata that cannot be written never cost the picture.

    Raises:
        UserError: the format cannot hold what the photo is (floats as PNG, transparency as JPEG) or the depth, the
            photo's own source as target, a suffix that is not written, or a place that cannot be written.
        ValueError: the photo is in linear light, which every viewer would show too dark: see `in_light`.
    """
    if photo.light != "display":
        raise ValueError(f"a photo in {photo.light} light is not written")
    kind, depth = written_as(photo, path, file_format, depth)
    if photo.source is not None and path.exists() and photo.source.exists() and path.samefile(photo.source):
        raise UserError(f"{path} is the photo itself.", "An original is never overwritten.", "Choose another folder.")
    about = photo.metadata
    if about.kind != "FITS":
        about = replace(about, exif=exif_tags.with_orientation(about.exif, photo.orientation))
    about, taken = privacy.stripped(about) if strip_private else (about, ())
    picture, lost = _to_write(photo, kind, depth, about)
    content, missing = _encoded(picture, kind, quality, photo.orientation)
    try:
        write_aside(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written.", f"{error}.", "Choose another folder.") from error
    again: Decoded | str
    try:
        with _reading(path):
            again = READERS[kind].decode(path)
    except UserError as error:
        again = error.why
    return promise.receipt(picture, again, kind, (*lost, *missing), taken)


def written_as(photo: Photo, path: Path, file_format: str, depth: int | None) -> tuple[str, int]:
    """Kind and depth of the file that `write` would make of a photo.

    Raises:
        UserError: such a file is not written, or cannot hold what the photo is, or the depth.
    """
    if file_format == "same":
        suffix = path.suffix.lower()
        kind = next((name for name in FORMATS.values() if suffix in KINDS[name]), "")
        if not kind:
            why = f"'{path.suffix}' is not written."
            raise UserError(f"{path} cannot be written.", why, "Use .png, .jpg, .tif or .fits.")
    elif file_format in FORMATS:
        kind = FORMATS[file_format]
    else:
        raise ValueError(f"there is no format called {file_format!r}")
    if kind == "PNG" and photo.depth == FLOAT and depth is None:
        why = "The photo's values are floats, and those of PNG whole numbers."
        raise UserError(f"{path.name} would lose part of its values.", why, "Choose TIFF, or a depth of 16 bits.")
    if kind == "JPEG" and photo.is_transparent:
        why = "The photo is transparent in places, and JPEG never is."
        raise UserError(f"{path.name} would lose its transparency.", why, "Choose PNG or TIFF.")
    if kind == "FITS" and photo.metadata.kind != "FITS":
        why = "FITS is written only of photos that were FITS."
        raise UserError(f"{path} cannot be written.", why, "Choose TIFF.")
    if depth is not None:
        check_depth(kind, depth)
        return kind, depth
    return kind, {"JPEG": 8, "FITS": FLOAT}.get(kind, photo.depth)


def rounded(photo: Photo, depth: int) -> Photo:
    """The photo as a file of `depth` bits (8 or 16) gives it back."""
    pixels = _quantised(photo.pixels, depth).astype(np.float32)
    pixels /= np.float32((1 << depth) - 1)
    return replace(photo, pixels=pixels, depth=depth, black=0.0, white=1.0)


def check_depth(kind: str, depth: int) -> None:
    """Refuses a depth that files of a kind ('PNG', say) do not hold.

    Raises:
        UserError: saying what they hold.
    """
    if depth in DEPTHS[kind]:
        return
    what = f"{kind} is not written with {DEPTH_WORDS[depth]}."
    if kind == "FITS":
        raise UserError(what, "It keeps the kind of values that it had.", "Choose no depth, or another format.")
    held = " or ".join(DEPTH_WORDS[each] for each in DEPTHS[kind])
    raise UserError(what, f"It holds {held}.", f"Choose {'PNG or TIFF' if depth == 16 else 'TIFF'}.")


def _layout(path: Path) -> Layout:
    """What a file's header says, within the limit on sizes.

    Raises:
        UserError: the file cannot be read, or is too large.
    """
    with _reading(path):
        about: Layout = READERS[kind_of(path)].layout(path)
    largest, size = largest_megapixels(), about.width * about.height / 1e6
    if size > largest:
        raise UserError(
            f"{path} cannot be read.",
            f"It is {about.width} x {about.height} pixels, more than {largest:g} megapixels.",
            f"Where it really is so large, allow {math.ceil(size)}: by --largest-photo {math.ceil(size)}, or in the "
            "window under File › Limits.",
        )
    return about


def largest_megapixels() -> float:
    """The limit on sizes, as a person set it.

    Raises:
        UserError: it is no number above 0.
    """
    said = os.environ.get(LIMIT, "")
    try:
        largest = float(said) if said else SizeLimit.largest_photo
    except ValueError:
        largest = math.nan
    if not 0 < largest < math.inf:
        raise UserError(
            f"The limit on the size of photos (--largest-photo, or {LIMIT}) cannot be '{said}'.",
            "It must be a number of megapixels above 0.",
            f"{SizeLimit.largest_photo:g} is usual.",
        )
    return largest


# Reading

# Warnings are a setting of the whole process: two threads that changed it at once could leave it changed.
_warnings_lock = threading.RLock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to itself what Pillow warns about (EXIF that it finds odd): the photo is read or refused all the same."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns what the libraries raise on a bad file into a UserError that names it. Holds nothing but their calls."""
    try:
        # LibRaw warns of nothing, and takes seconds: other threads shall not wait for it.
        with nullcontext() if kind_by_name(path) == "RAW" else _quiet():
            yield
    except BAD_FILE as error:
        if isinstance(error, MemoryError):
            why = "There is not enough memory for it."
        elif isinstance(error, PermissionError):
            why = "Reading it is not permitted."
        else:
            detail = error.args[0] if error.args else type(error).__name__
            words = detail.decode() if isinstance(detail, bytes) else str(error)  # LibRaw's words are bytes
            why = f"It is damaged, or not what its name says ({words})."
        raise UserError(f"{path} cannot be read.", why) from error


def _image_entries(path: Path) -> dict[int, Any]:
    return exif_tags.entries(READERS[kind_of(path)].metadata(path).exif or b"")


def _tiff_entries(path: Path) -> dict[int, Any]:
    with open(path, "rb") as stream:
        return exif_tags.from_tiff(stream)


def _cr3_entries(path: Path) -> dict[int, Any]:
    with open(path, "rb") as stream:
        return exif_tags.from_cr3(stream)


def _preview_entries(path: Path) -> dict[int, Any]:
    return exif_tags.entries(raw.preview_exif(path) or b"")


def _tone_curves(path: Path | None, about: Metadata, channels: int, depth: int) -> tuple[tone_curve.Curve, ...]:
    """How light is encoded.

    Raises:
        UserError: the file does not say, or says something that cannot be undone.
    """
    try:
        return encoding.tone_curves(about, channels, depth)
    except ValueError as error:
        why = str(error)
        raise UserError(
            f"{path or 'The photo'} cannot be read in linear light.",
            f"{why[0].upper()}{why[1:]}.",
            "Choose RAW photos, or such with a colour profile, or a kernel that was learned in display light.",
        ) from error


def _filled(path: Path, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Floats with the nearest number in the place of each NaN, and where these were; None: nowhere.

    Raises:
        UserError: a channel has no number at all, or some are infinite.
    """
    if np.isinf(values).any() or np.isnan(values).all(axis=(0, 1)).any():
        raise UserError(f"{path} cannot be read.", "Its values are infinite, or no numbers.", "Choose another photo.")
    holes = np.isnan(values)
    if not holes.any():
        return values, None
    from scipy.ndimage import distance_transform_edt  # seldom needed, and the window opens sooner without

    filled = values.copy()
    for channel in range(values.shape[2]):
        rows, cols = distance_transform_edt(holes[..., channel], return_distances=False, return_indices=True)
        filled[..., channel] = values[rows, cols, channel]
    return filled, holes


def _normalised(values: NDArray[Any], depth: int) -> tuple[NDArray[np.float32], float, float]:
    """Pixels with black as 0 and white as 1; and what these were.

    Of floats black is 0, or the least value where that is below it; white is 1, or the greatest where that is above.
    """
    if depth != FLOAT:
        pixels = values.astype(np.float32)
        pixels /= np.float32((1 << depth) - 1)
        return pixels, 0.0, 1.0
    black, white = min(0.0, float(values.min())), max(1.0, float(values.max()))
    return _stretched(values, black, white), black, white


def _stretched(values: NDArray[Any], black: float, white: float) -> NDArray[np.float32]:
    """Values from black to white as [0, 1]."""
    if (black, white) == (0.0, 1.0):
        return values.astype(np.float32, copy=False)
    return ((values - black) / (white - black)).astype(np.float32)


def _widened(pixels: NDArray[np.float32], black: float, white: float) -> NDArray[Any]:
    """What `_stretched` was given."""
    return pixels if (black, white) == (0.0, 1.0) else pixels.astype(np.float64) * (white - black) + black


# Writing


def _to_write(photo: Photo, kind: str, depth: int, about: Metadata) -> tuple[Decoded, list[str]]:
    """The picture as its file will hold it, and what it is not able to."""
    lost = list(about.left_out)
    if depth == FLOAT:
        values = _widened(photo.pixels, photo.black, photo.white)
        if kind == "TIFF":
            values = values.astype(np.float32, copy=False)
        if photo.holes is not None:
            values = np.where(photo.holes, values.dtype.type(np.nan), values)
    else:
        values = _quantised(photo.pixels, depth)
        if (photo.black, photo.white) != (0.0, 1.0):
            lost.append(f"the range of its values: {photo.black:.6g} to {photo.white:.6g} became 0 to 1")
        if photo.holes is not None:
            lost.append(f"{photo.holes.sum()} values that are no numbers, which were filled")
    alpha = None
    if photo.alpha is not None and kind == "JPEG":
        lost.append("alpha, which was opaque everywhere")
    elif photo.alpha is not None:
        alpha = _as_type(photo.alpha, values.dtype)
    return Decoded(values, alpha, about), lost


def _encoded(picture: Decoded, kind: str, quality: int, orientation: int) -> tuple[bytes, list[str]]:
    """A file as bytes, and what it does not hold; metadata that cannot be written are left out."""
    options = (quality,) if kind == "JPEG" else ()
    about = picture.metadata
    turned = Metadata(exif_tags.with_orientation(None, orientation), kind=kind, own=about.own if kind == "FITS" else ())
    with _quiet():
        try:
            content, missing = READERS[kind].encode(picture, *options)
            return content, missing
        except exif_tags.DAMAGED as error:
            content, missing = READERS[kind].encode(replace(picture, metadata=turned), *options)
            return content, [*missing, f"metadata, which cannot be written ({error})"]


def _quantised(pixels: NDArray[np.float32], depth: int) -> NDArray[Any]:
    """Values of [0, 1], clipped, as integers of 8 or 16 bits."""
    largest = (1 << depth) - 1
    scaled: NDArray[Any] = np.rint(np.clip(pixels, 0.0, 1.0) * np.float32(largest))
    return scaled.astype(np.uint8 if depth == 8 else np.uint16)


def _largest(kind: np.dtype[Any]) -> float:
    """What stands for opaque."""
    return 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)


def _as_type(alpha: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """Alpha as values of another type, opaque staying opaque; the same where it is of this type."""
    if alpha.dtype == kind:
        return alpha
    scaled = alpha.astype(np.float64) * (_largest(kind) / _largest(alpha.dtype))
    return (scaled if kind.kind == "f" else np.rint(scaled)).astype(kind)


def _as_image(values: NDArray[np.uint8]) -> Image.Image:
    """A Pillow image of H x W x (1 or 3) values."""
    return Image.fromarray(values.squeeze(axis=2) if values.shape[2] == 1 else values)
