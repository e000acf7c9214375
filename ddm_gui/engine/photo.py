"""Photos: files to float32 pixels and back. PNG, JPEG (8 bit), TIFF (8 and 16 bit) and camera RAW. Never torch or Qt.

Pixels stay as the sensor recorded them; the EXIF orientation is kept beside them and applied only where a photo is
shown (`upright`). What cannot be read exactly is refused with a sentence, never approximated.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from ddm_gui.engine import exif as exif_entries
from ddm_gui.engine import raw, tiff, tone_curve
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside

PNG = frozenset({".png"})
JPEG = frozenset({".jpg", ".jpeg"})
TIFF = frozenset({".tif", ".tiff"})
RAW_NAMES = (
    *("3fr", "ari", "arw", "bay", "cap", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "gpr", "iiq", "k25", "kdc"),
    *("mef", "mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
)
RAW = frozenset(f".{name}" for name in RAW_NAMES)
EXTENSIONS = PNG | JPEG | TIFF | RAW

LARGEST_PIXELS = 400_000_000  # 4.8 GB as float32 colour; a larger claim is more likely a damaged or hostile header
LONGEST_JPEG_EXIF = 65533 - len(b"Exif\0\0")  # bytes: what one JPEG segment holds

# What the libraries raise on a file that is damaged or not what its name says.
BAD_FILE = (
    OSError,
    SyntaxError,  # Pillow: not a file of this format
    ValueError,  # tifffile.TiffFileError is one
    TypeError,
    KeyError,
    IndexError,
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


@dataclass(frozen=True, eq=False)
class Photo:
    """Pixels H x W x C, float32 in [0, 1], C 1 or 3 (R, G, B), read-only, in sensor orientation; and its metadata.

    `depth` is the bits per value of the file (8 or 16; RAW counts as 16), `orientation` the EXIF orientation (1 to 8),
    `source` the file it was read from, `exif` a TIFF structure without JPEG's 'Exif' prefix, `icc` a colour profile.
    `light` is 'display' (the file's own encoding, with a tone curve) or 'linear' (RAW without sRGB's).
    """

    pixels: NDArray[np.float32]
    depth: int
    orientation: int = 1
    source: Path | None = None
    exif: bytes | None = None
    icc: bytes | None = None
    light: str = "display"

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels, dtype=np.float32).view()
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or pixels.size == 0:
            raise ValueError(f"pixels must be height x width x (1 or 3), not {pixels.shape}")
        if self.depth not in (8, 16) or self.orientation not in range(1, 9):
            raise ValueError(f"depth {self.depth} must be 8 or 16, orientation {self.orientation} 1 to 8")
        pixels.flags.writeable = False
        object.__setattr__(self, "pixels", pixels)

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
    return exif_entries.turned(photo.pixels, photo.orientation)


def find_photos(sources: Sequence[Path]) -> list[Path]:
    """The photos in folders and among single files, sorted, each once; by extension, in any case.

    Hidden files, sub-folders and files of other kinds are left out.

    Raises:
        UserError: a source is missing or cannot be listed, a folder holds no photo, or nothing remains.
    """
    found: set[Path] = set()
    for source in sources:
        try:
            found.update(_photos_of(source))
        except OSError as error:
            raise UserError(f"{source} cannot be looked at.", f"{error}.", "Choose another.") from error
    if not found:
        raise UserError(
            "There is no photo among what was chosen.", "Photos are PNG, JPEG, TIFF or camera RAW.", "Choose others."
        )
    return sorted(found)


def read_header(path: Path) -> PhotoHeader:
    """Size, channels and depth, without decoding the pixels.

    Raises:
        UserError: the file cannot be read, naming it and the reason; the same as from `read` where the header tells.
    """
    kind = _kind(path)
    with _reading(path):
        if kind == "TIFF":
            about = tiff.layout(path)
            header = PhotoHeader(about.width, about.height, about.channels, about.bits)
        elif kind == "RAW":
            header = PhotoHeader(*raw.layout(path), 16)
        else:
            with _opened(path) as image:
                header = PhotoHeader(image.width, image.height, _channels(image), 8)
    if header.width * header.height > LARGEST_PIXELS:
        raise UserError(
            f"{path} cannot be read.",
            f"It is {header.width} x {header.height} pixels, more than {LARGEST_PIXELS // 10**6} megapixels.",
            "Cut it into smaller photos.",
        )
    return header


def is_raw(path: Path) -> bool:
    """Whether a file is camera RAW, by its name."""
    return path.suffix.lower() in RAW


def read_entries(path: Path) -> list[dict[int, Any]]:
    """The descriptive EXIF entries of a file, as `exif.entries` gives them, without decoding its pixels.

    Of RAW there may be two: the file's own, which come first, and those of its preview. What is damaged is left out.

    Raises:
        UserError: the file cannot be read, naming it and the reason.
    """
    readers = {"TIFF": (_tiff_entries,), "RAW": (_cr3_entries, _tiff_entries, _preview_entries)}
    found = []
    for reader in readers.get(_kind(path), (_image_entries,)):
        with _quiet(), suppress(*exif_entries.DAMAGED, rawpy.LibRawError, rawpy.NotSupportedError):
            found.append(reader(path))
    return found


def check_light(path: Path, light: str) -> None:
    """Refuses a file that does not hold this light.

    Raises:
        UserError: 'linear' is asked of a file that is no RAW.
    """
    if light == "linear" and not is_raw(path):
        raise UserError(
            f"{path} cannot be read in linear light.",
            "A tone curve was applied when it was saved; only camera RAW is without one.",
            "Choose RAW photos, or a kernel that was learned in display light.",
        )


def read(path: Path, light: str = "display") -> Photo:
    """Reads a photo; its size is checked before it is decoded.

    RAW is developed by LibRaw: the camera's white balance, no brightening, no sharpening, no noise taken away, sRGB's
    colours in 16 bits; with its tone curve, but for `light` 'linear'.

    Raises:
        UserError: the file cannot be read, naming it and the reason; 'linear' is asked of a file that is no RAW.
    """
    check_light(path, light)
    header = read_header(path)
    kind = _kind(path)
    with _reading(path):
        if kind == "TIFF":
            values, exif, icc = tiff.decode(path)
        elif kind == "RAW":
            values, orientation = raw.decode(path, light)
            exif, icc = exif_entries.only_orientation(orientation), None
        else:
            values, exif, icc = _decode(path)
        exif, orientation = exif_entries.checked(exif)
    pixels = _without_alpha(path, values).astype(np.float32)
    pixels /= np.float32((1 << header.depth) - 1)
    return Photo(pixels, header.depth, orientation, path, exif, icc, light)


def in_light(photo: Photo, light: str) -> Photo:
    """A photo of a RAW file in the other light, as `read` would give it but for rounding; any photo in its own.

    Raises:
        UserError: 'linear' is asked of a photo that is not from RAW.
    """
    if photo.light == light:
        return photo
    if light == "linear" and photo.source is not None:
        check_light(photo.source, light)
    convert = tone_curve.to_linear if light == "linear" else tone_curve.to_display
    return replace(photo, pixels=convert(photo.pixels), light=light)


def thumbnail(path: Path, size: int) -> NDArray[np.uint8]:
    """A small picture for the window: H x W x 3, upright, its longer side at most `size` pixels.

    Quick where the format allows: JPEG is decoded at a fraction of its size, RAW gives its embedded preview.

    Raises:
        UserError: the file cannot be read, naming it and the reason.
    """
    header = read_header(path)
    kind = _kind(path)
    if kind == "TIFF":
        photo = read(path)
        step = max(1, max(photo.pixels.shape[:2]) // (2 * size))  # a bit more than is shown: the rest is smoothed
        image, orientation = _as_image(_quantised(photo.pixels[::step, ::step], 8)), photo.orientation
    elif kind == "RAW":
        with _reading(path):
            image, orientation = raw.preview(path)
    else:
        with _reading(path), _opened(path) as opened:
            opened.draft("RGB" if header.channels == 3 else "L", (size, size))
            image = opened.convert("RGB")
            _, orientation = exif_entries.checked(opened.info.get("exif"))
    image.thumbnail((size, size))
    return np.ascontiguousarray(exif_entries.turned(np.asarray(image.convert("RGB")), orientation))


def write(photo: Photo, path: Path, file_format: str = "same", quality: int = 95) -> None:
    """Writes a photo with its EXIF and ICC; pixels are not turned, values are rounded to the depth and clipped.

    `file_format` is 'png' (8 bit), 'jpeg' (8 bit, `quality` up to 100, full colour resolution), 'tiff' (8 or 16 bit,
    as the photo is), 'tiff16', or 'same': as the suffix of `path` says. The file is complete or not there at all.

    Raises:
        UserError: a 16-bit photo as PNG (half of its depth would be lost), the photo's own source as target, a suffix
            that is not written, or a place that cannot be written.
        ValueError: the photo is in linear light, which every viewer would show too dark: see `in_light`.
    """
    if photo.light != "display":
        raise ValueError(f"a photo in {photo.light} light is not written")
    written = _format_of(path) if file_format == "same" else file_format
    if photo.source is not None and path.exists() and photo.source.exists() and path.samefile(photo.source):
        raise UserError(f"{path} is the photo itself.", "An original is never overwritten.", "Choose another folder.")
    if written == "png":
        if photo.depth == 16:
            raise UserError(
                f"{path.name} would lose half of its depth.",
                "The photo has 16 bits per value, and PNG is written with 8.",
                "Choose TIFF, which keeps them.",
            )
        content = _encode(photo, "PNG", compress_level=4)
    elif written == "jpeg":
        content = _encode(photo, "JPEG", quality=quality, subsampling=0)
    elif written in ("tiff", "tiff16"):
        values = _quantised(photo.pixels, 16 if written == "tiff16" else photo.depth)
        with _quiet():
            content = tiff.encode(values, _exif_to_write(photo), photo.icc)
    else:
        raise ValueError(f"there is no format called {file_format!r}")
    try:
        write_aside(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written.", f"{error}.", "Choose another folder.") from error


def suffix_for(source: Path, file_format: str) -> str:
    """The suffix of the file that `write` makes of this source: 'same' is PNG for PNG, TIFF for TIFF and RAW."""
    if file_format != "same":
        return {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "tiff16": ".tif", "dng": ".dng"}[file_format]
    kind = _kind_of_suffix(source)
    return {"PNG": ".png", "JPEG": source.suffix, "TIFF": ".tif", "RAW": ".tif"}[kind]


def targets(sources: Sequence[Path], output: Path, file_format: str) -> list[Path]:
    """Where `write` may put these photos: one path each, no two alike, also where upper and lower case are the same.

    A file keeps its photo's stem; where two photos would get the same name, the second becomes `name_2`.
    """
    wanted = [source.stem + suffix_for(source, file_format) for source in sources]
    kept_free = {name.casefold() for name in wanted}
    used: set[str] = set()
    result = []
    for source, name in zip(sources, wanted, strict=True):
        number = 1
        while name.casefold() in used or (number > 1 and name.casefold() in kept_free):
            number += 1
            name = f"{source.stem}_{number}{suffix_for(source, file_format)}"
        used.add(name.casefold())
        result.append(output / name)
    return result


def rounded(photo: Photo, depth: int) -> Photo:
    """The photo as a file of `depth` bits (8 or 16) gives it back."""
    pixels = _quantised(photo.pixels, depth).astype(np.float32)
    pixels /= np.float32((1 << depth) - 1)
    return replace(photo, pixels=pixels, depth=depth)


# Kinds of files


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()


def _photos_of(source: Path) -> list[Path]:
    """The photos of one folder, or the one file where it is a photo."""
    if not source.exists():
        raise UserError(f"{source} does not exist.", "", "Choose another folder or photo.")
    if not source.is_dir():
        return [source] if _is_photo(source) else []
    inside = [path for path in source.iterdir() if _is_photo(path)]
    if not inside:
        raise UserError(
            f"There is no photo in {source}.",
            "It holds no PNG, JPEG, TIFF or camera RAW file; folders inside it are not searched.",
            "Choose the folder in which the photos are.",
        )
    return inside


def _kind_of_suffix(path: Path) -> str:
    for kind, suffixes in (("PNG", PNG), ("JPEG", JPEG), ("TIFF", TIFF), ("RAW", RAW)):
        if path.suffix.lower() in suffixes:
            return kind
    raise UserError(f"{path} cannot be read.", f"'{path.suffix}' is not a kind of photo that this program knows.")


def _kind(path: Path) -> str:
    """'PNG', 'JPEG', 'TIFF' or 'RAW', of a file that is there and not empty."""
    kind = _kind_of_suffix(path)
    if not path.is_file():
        raise UserError(f"{path} cannot be read.", "It does not exist, or is not a file.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} cannot be read.", "It is empty.")
    return kind


def _format_of(path: Path) -> str:
    """The `file_format` that a target's suffix stands for."""
    suffix = path.suffix.lower()
    for name, suffixes in (("png", PNG), ("jpeg", JPEG), ("tiff", TIFF)):
        if suffix in suffixes:
            return name
    raise UserError(f"{path} cannot be written.", f"'{path.suffix}' is not written.", "Use .png, .jpg or .tif.")


# Reading

# Warnings are a setting of the whole process: two threads that changed it at once could leave it changed.
_warnings_lock = threading.Lock()


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
        with nullcontext() if _kind_of_suffix(path) == "RAW" else _quiet():
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


@contextmanager
def _opened(path: Path) -> Iterator[PngImageFile | JpegImageFile]:
    """A PNG or JPEG file, its header read and found to be of a kind that is read exactly.

    The classes are called by name, not through `Image.open`: nothing else is tried on a file that names itself PNG,
    and Pillow's own limit on sizes, which is one for the whole process, stays as it is.
    """
    with open(path, "rb") as stream:
        if path.suffix.lower() in PNG:
            depth = stream.read(25)[24:]  # of the IHDR chunk, which comes first (PNG, section 11.2.1)
            stream.seek(0)
            image: PngImageFile | JpegImageFile = PngImageFile(stream)
            if depth == b"\x10":
                raise _refused(path, "It is a PNG with 16 bits per value", "a TIFF with 16 bits")
            if getattr(image, "n_frames", 1) > 1:
                raise _refused(path, "It is an animation", "single pictures")
        else:
            image = JpegImageFile(stream)
        with image:
            if image.mode in ("1", "CMYK"):
                word = {"1": "in black and white only, without grey", "CMYK": "in CMYK, the colours of printing"}
                raise _refused(path, f"It is {word[image.mode]}", "RGB or grey")
            yield image


def _refused(path: Path, why: str, wanted: str) -> UserError:
    """A kind of photo that is not read, and how to save it so that it is."""
    return UserError(f"{path} cannot be read.", f"{why}, which this program does not read.", f"Save it as {wanted}.")


def _channels(image: Image.Image) -> int:
    """1 for grey, 3 for RGB and palettes."""
    return 1 if image.mode in ("L", "LA") else 3


def _image_entries(path: Path) -> dict[int, Any]:
    with _opened(path) as image:
        return exif_entries.entries(image.info.get("exif", b""))


def _tiff_entries(path: Path) -> dict[int, Any]:
    with open(path, "rb") as stream:
        return exif_entries.from_tiff(stream)


def _cr3_entries(path: Path) -> dict[int, Any]:
    with open(path, "rb") as stream:
        return exif_entries.from_cr3(stream)


def _preview_entries(path: Path) -> dict[int, Any]:
    return exif_entries.entries(raw.preview_exif(path) or b"")


def _decode(path: Path) -> tuple[NDArray[Any], bytes | None, bytes | None]:
    """Pixels (H x W x channels, alpha last where there is one), EXIF and ICC bytes of a PNG or JPEG file."""
    with _opened(path) as image:
        image.load()
        transparent = image.mode in ("LA", "RGBA") or "transparency" in image.info
        mode = ("L" if _channels(image) == 1 else "RGB") + ("A" if transparent else "")
        if mode == "LA" and image.mode == "L":
            # A grey level that stands for transparent: Pillow converts that to RGBA only.
            values = np.asarray(image.convert("RGBA"))[..., 2:]
        else:
            values = np.asarray(image if image.mode == mode else image.convert(mode))
        exif = image.info.get("exif")
        icc = image.info.get("icc_profile")
    return values.reshape(*values.shape[:2], -1), exif, icc


def _without_alpha(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Drops an alpha channel that is opaque everywhere; any other is refused."""
    if values.shape[2] in (1, 3):
        return values
    if values[..., -1].min() < np.iinfo(values.dtype).max:
        raise _refused(path, "It is transparent in places", "a photo without transparency")
    return values[..., :-1]


# Writing


def _quantised(pixels: NDArray[np.float32], depth: int) -> NDArray[Any]:
    """Values of [0, 1], clipped, as integers of 8 or 16 bits."""
    largest = (1 << depth) - 1
    scaled: NDArray[Any] = np.rint(np.clip(pixels, 0.0, 1.0) * np.float32(largest))
    return scaled.astype(np.uint8 if depth == 8 else np.uint16)


def _encode(photo: Photo, file_format: str, **options: Any) -> bytes:
    """A PNG or JPEG file as bytes."""
    values = _quantised(photo.pixels, 8)
    image = _as_image(values)
    exif = _exif_to_write(photo)
    if exif is not None:
        if file_format == "JPEG" and len(exif) > LONGEST_JPEG_EXIF:  # from a TIFF with a preview or maker notes in it
            exif = exif_entries.to_bytes({exif_entries.ORIENTATION: photo.orientation})
        options["exif"] = b"Exif\0\0" + exif
    if photo.icc:
        options["icc_profile"] = photo.icc
    content = io.BytesIO()
    image.save(content, file_format, **options)
    return content.getvalue()


def _exif_to_write(photo: Photo) -> bytes | None:
    """The photo's EXIF, or the least that says how it is turned."""
    return photo.exif or exif_entries.only_orientation(photo.orientation)


def _as_image(values: NDArray[np.uint8]) -> Image.Image:
    """A Pillow image of H x W x (1 or 3) values."""
    return Image.fromarray(values.squeeze(axis=2) if values.shape[2] == 1 else values)
