"""A lens on one page: its kernels at their places over the field, and what they measure."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ddm_gui.engine.blur.kernel_numbers import ROUND, TRUSTED, NodeNumbers, numbers_over_the_field
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.files import write_aside

FORMATS = {".png": "PNG", ".pdf": "PDF"}
SIZE, DPI = (1754, 1240), 150  # px: A4, lying
MARGIN, FIELD = 70, 1000  # px: around all; width and height at most of the picture of the field
PAPER, INK, FAINT = "white", "black", "#666666"
GAMMA = 0.5  # of the kernels' brightness: their faint parts are what a lens is known by
TEXT, TITLE = 24, 44  # px
PLACES = ("middle", "edge, left", "edge, top", "corner")


def write_page(psf: PsfGrid, path: Path, title: str) -> None:
    """The page as a PNG or PDF file, by its suffix; a file that is there is replaced.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path.name} is not the name of a page.", "", f"Let it end in {' or '.join(FORMATS)}.")
    content = io.BytesIO()
    page(psf, title).save(content, kind, dpi=(DPI, DPI), resolution=DPI)
    try:
        write_aside(path, content.getvalue())
    except OSError as error:
        raise UserError(f"{path} cannot be written.", f"{error}.", "Choose another place.") from error


def page(psf: PsfGrid, title: str) -> Image.Image:
    """The page, RGB."""
    sheet = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - TITLE // 2), title, INK, ImageFont.load_default(TITLE))
    field = Image.fromarray(field_picture(psf))
    scale = math.ceil(FIELD / max(field.size))
    shown = field.resize((field.width * scale, field.height * scale), Image.Resampling.NEAREST)
    shown.thumbnail((FIELD, FIELD))
    top = MARGIN + 2 * TITLE
    sheet.paste(shown, (MARGIN, top))
    words = "\n".join(_lines(psf))
    draw.multiline_text((MARGIN + FIELD + 60, top), words, INK, ImageFont.load_default(TEXT), spacing=9)
    caption = "Each kernel scaled to its own brightest value, square root of brightness."
    draw.text((MARGIN, SIZE[1] - MARGIN), caption, FAINT, ImageFont.load_default(TEXT - 4))
    return sheet


def field_picture(psf: PsfGrid) -> NDArray[np.uint8]:
    """All kernels side by side, each at the place of its node, (rows*(k+1)) x (cols*(k+1)) x 3, a line between."""
    rows, cols = psf.nodes
    step = psf.size + 1
    picture = np.full((rows * step - 1, cols * step - 1, 3), 64, dtype=np.uint8)
    for row, col in np.ndindex(rows, cols):
        kernels = psf.kernels[row, col]
        bright = (kernels / max(float(kernels.max()), 1e-12)) ** GAMMA
        tile = np.moveaxis(np.broadcast_to(bright, (3, psf.size, psf.size)), 0, 2)
        picture[row * step : row * step + psf.size, col * step : col * step + psf.size] = np.rint(255 * tile)
    return picture


def _lines(psf: PsfGrid) -> list[str]:
    """What is written beside the picture."""
    table = numbers_over_the_field(psf)
    rows, cols = psf.nodes
    lines = [
        f"{rows} x {cols} kernels of {psf.size} px, {'in colour' if psf.channels == 3 else 'for all colours'}",
        *noise_words(psf),
        f"Light: {psf.light}",
        "",
    ]
    whole = len(table) == len(table[0]) == 1
    places = [(0, 0)] if whole else [(rows // 2, cols // 2), (rows // 2, 0), (0, cols // 2), (0, 0)]
    for name, (row, col) in zip(("everywhere",) if whole else PLACES, places, strict=True):
        lines += [name.capitalize(), *(f"   {line}" for line in described(table[row][col])), ""]
    nodes = [node for line in table for node in line]
    worst = max(node.kernel.edge_light for node in nodes)
    lines.append(f"Light at a kernel's edge: {100 * worst:.1f} % at most")
    sure = [node.confidence for node in nodes if node.confidence is not None]
    if sure:
        doubtful = sum(confidence < TRUSTED for confidence in sure)
        lines.append(f"Confidence: {np.mean(sure):.2f}, below {TRUSTED} in {doubtful} of {len(sure)} places")
    return lines


def noise_words(psf: PsfGrid) -> list[str]:
    """The noise of the photos that a lens was learned from, a line each."""
    if psf.noise_sigma is None:
        return ["Noise unknown"]
    percent = f"Noise {100 * psf.noise_sigma:.2f} % of white"
    if psf.photon_noise is None:
        return [percent]
    black, white = (100 * psf.photon_noise.sigma(value) for value in (0.0, 1.0))
    return [f"{percent} at middle grey,", f"   {black:.2f} % at black, {white:.2f} % at white"]


def described(node: NodeNumbers) -> list[str]:
    """The numbers of one place, a line each."""
    kernel = node.kernel
    widths = [f"{width:.1f}" if math.isfinite(width) else "?" for width in (kernel.fwhm_long, kernel.fwhm_short)]
    lines = [f"FWHM {' x '.join(widths)} px"]
    if kernel.ellipticity >= ROUND:
        lines.append(f"ellipticity {kernel.ellipticity:.2f} at {round(kernel.direction) % 180}°")
    if node.shift is not None:
        lines += [f"red {_arrow(node.shift.red)}", f"blue {_arrow(node.shift.blue)}"]
    if node.confidence is not None:
        lines.append(f"confidence {node.confidence:.2f}")
    return lines


def _arrow(shift: tuple[float, float]) -> str:
    """A shift (down, right) in px, in words."""
    down, right = shift
    sideways, upright = "right" if right >= 0 else "left", "down" if down >= 0 else "up"
    return f"{abs(right):.1f} px to the {sideways}, {abs(down):.1f} px {upright}"
