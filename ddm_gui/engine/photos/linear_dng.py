"""Photos in linear light as files that say so: DNG of the kind 'linear raw', 16 bits. For simulated sets.

A DNG (Adobe, "Digital Negative Specification 1.4") of a camera whose colours are sRGB's own and whose white balance is
neutral: what `photo.read` gives of it in linear light are the pixels that were written, to one in 65535.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import tifffile

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside
from ddm_gui.engine.photos.photo import Photo

WHITE = 65535
LINEAR_RAW = 34892
# CIE XYZ to linear sRGB (IEC 61966-2-1), which is what this camera sees.
COLOURS = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
D65 = 21  # of EXIF's light sources
SHARE = 10**7  # denominator of fractions


def write_linear(photo: Photo, path: Path) -> None:
    """Writes the pixels and how they are turned; no other tags. The file is complete or not there at all.

    Raises:
        UserError: the place cannot be written.
        ValueError: the photo is grey, or not in linear light.
    """
    if photo.light != "linear" or photo.pixels.shape[2] != 3:
        raise ValueError(f"a linear DNG cannot hold {photo.pixels.shape[2]} channels in {photo.light} light")
    values = np.rint(np.clip(photo.pixels, 0.0, 1.0) * np.float32(WHITE)).astype(np.uint16)
    matrix = [number for row in COLOURS for value in row for number in (round(value * SHARE), SHARE)]
    tags = [  # code, type, count, value
        (274, "H", 1, photo.orientation, True),  # Orientation
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, "s", 0, "ddm_gui simulation", True),  # UniqueCameraModel
        (50717, "H", 3, (WHITE,) * 3, True),  # WhiteLevel
        (50721, "2i", 9, matrix, True),  # ColorMatrix1
        (50728, "2I", 3, (1, 1) * 3, True),  # AsShotNeutral
        (50778, "H", 1, D65, True),  # CalibrationIlluminant1
    ]
    content = io.BytesIO()
    tifffile.imwrite(content, values, photometric=LINEAR_RAW, planarconfig="contig", metadata=None, extratags=tags)
    try:
        write_aside(path, content.getvalue())
    except OSError as error:
        raise UserError(f"{path} cannot be written.", f"{error}.", "Choose another folder.") from error
