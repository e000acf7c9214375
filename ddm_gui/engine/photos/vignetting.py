"""What a lens does to the brightness of a photo's corners, divided out. By lensfunpy, which need not be installed.

Lensfun's data tell by how much a known lens darkens each place at a focal length and an aperture. That holds in linear
light. Only RAW is touched: cameras correct their own JPEGs already, or may have.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddm_gui.engine.photos.photo import Photo, in_light
from ddm_gui.engine.photos.shot import Shot

DISTANCE = 1000.0  # m: files hardly ever say how far away things were, and far away it makes no difference
WHITE = 1.0 - 1e-6


def available() -> bool:
    """Whether lensfunpy is installed."""
    return importlib.util.find_spec("lensfunpy") is not None


def gain(shot: Shot, height: int, width: int) -> NDArray[np.float32] | None:
    """What linear light must be multiplied by at each pixel, H x W x 1; None where lensfun does not know the lens.

    It is 1 in the middle of the field. A camera, a lens, a focal length or an aperture that is not known, or a lens
    whose vignetting nobody has measured near these, gives None.
    """
    found = _lens(shot)
    if found is None or shot.aperture is None or shot.focal_length is None:
        return None
    camera, lens = found
    if lens.interpolate_vignetting(shot.focal_length, shot.aperture, DISTANCE) is None:
        return None
    lensfun = _lensfun()
    modifier = lensfun.Modifier(lens, camera.crop_factor, width, height)
    modifier.initialize(
        shot.focal_length,
        shot.aperture,
        DISTANCE,
        pixel_format=np.float32,
        flags=lensfun.ModifyFlags.VIGNETTING,
    )
    picture = np.ones((height, width, 3), dtype=np.float32)
    if not modifier.apply_color_modification(picture):
        return None
    result: NDArray[np.float32] = picture[..., :1].copy()
    # The models are polynomials, which go astray outside of what was measured.
    return result if np.isfinite(result).all() and result.min() > 0.0 else None


def divided_out(photo: Photo, shot: Shot) -> Photo | None:
    """The photo as it would be without vignetting, in its own light; None where that is not known, see `gain`.

    What was clipped stays clipped, and what would be brighter than white is white.
    """
    factor = gain(shot, *photo.pixels.shape[:2])
    if factor is None:
        return None
    brighter = np.minimum(in_light(photo, "linear").pixels * factor, np.float32(1.0))
    pixels = in_light(Photo(brighter, photo.depth, light="linear"), photo.light).pixels
    return photo.with_pixels(np.where(photo.pixels >= WHITE, np.float32(1.0), pixels))


@lru_cache(maxsize=1)
def _database() -> Any:
    """Lensfun's data, which come with lensfunpy."""
    return _lensfun().Database()


@lru_cache(maxsize=64)
def _lens(shot: Shot) -> tuple[Any, Any] | None:
    """The camera and the lens as lensfun knows them. A lens of another name than the file says is not taken for it."""
    if not available() or shot.make is None or shot.model is None or shot.lens is None:
        return None
    for model in dict.fromkeys((shot.model, shot.camera)):
        for camera in _database().find_cameras(shot.make, model):
            for lens in _database().find_lenses(camera, None, shot.lens):
                if _bare(lens.model, lens.maker) == _bare(shot.lens, lens.maker):
                    return camera, lens
    return None


def _bare(name: str, maker: str) -> str:
    """What two ways of writing a lens have in common: 'EF24-105mm f/4L', 'Canon EF 24-105mm F4L'."""
    first, rest = ("".join(letter for letter in text.casefold() if letter.isalnum()) for text in (maker, name))
    return rest.removeprefix(first)


def _lensfun() -> Any:
    """The module; imported by its name as a string, so that type checks do not depend on whether it is installed."""
    return importlib.import_module("lensfunpy")
