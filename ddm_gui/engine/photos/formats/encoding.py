"""By which tone curves a file holds light, as far as it says."""

from __future__ import annotations

from ddm_gui.engine.photos.formats import exif as exif_tags
from ddm_gui.engine.photos.formats import icc, ifd, png
from ddm_gui.engine.photos.formats.metadata import Metadata
from ddm_gui.engine.photos.tone_curve import LINEAR, SRGB, Curve, Parametric, is_exact

COLOUR_SPACE, SRGB_SPACE = 40961, 1  # of EXIF
INTEROPERABILITY_INDEX, ADOBE_RGB = 1, b"R03"  # of DCF 2.0: the optional colour space
ADOBE_RGB_CURVE = Parametric(563 / 256)
TRANSFERS: dict[int, Curve] = {8: LINEAR, 13: SRGB}  # of ITU-T H.273, in PNG's cICP chunk


def tone_curves(about: Metadata, channels: int, depth: int) -> tuple[Curve, ...]:
    """One curve, or one for each channel: what says most comes first, as PNG's third edition has it.

    Raises:
        ValueError: the file says nothing of it, or something that is not converted there and back exactly; why.
    """
    found = _told(about)
    if len(found) not in (1, channels):
        raise ValueError("its colour profile is of other colours than its pixels")
    if not all(is_exact(curve, depth) for curve in found):
        raise ValueError("its tone curve is so flat in places that it cannot be undone")
    return found


def _told(about: Metadata) -> tuple[Curve, ...]:
    if about.kind in ("", "RAW"):
        return (SRGB,)  # made by this program, or developed so
    if about.kind == "FITS":
        return (LINEAR,)
    chunks = dict(about.own) if about.kind == "PNG" else {}
    if "cICP" in chunks:
        transfer = chunks["cICP"][1] if len(chunks["cICP"]) == 4 else 0
        if transfer not in TRANSFERS:
            raise ValueError(f"its transfer function (number {transfer} of ITU-T H.273) is not known here")
        return (TRANSFERS[transfer],)
    if about.icc:
        return icc.curves(about.icc)
    if "sRGB" in chunks:
        return (SRGB,)
    gamma = png.gamma(about)
    if gamma:
        return (Parametric(1 / gamma),)
    return _by_exif(about.exif)


def _by_exif(exif: bytes | None) -> tuple[Curve, ...]:
    structure, _ = exif_tags.structure_of(exif)
    inside = structure.first.inside(ifd.EXIF)
    if ifd.numbers(inside.get(COLOUR_SPACE), structure.order) == (SRGB_SPACE,):
        return (SRGB,)
    index = inside.inside(ifd.INTEROPERABILITY).get(INTEROPERABILITY_INDEX)
    if index is not None and index.data.startswith(ADOBE_RGB):
        return (ADOBE_RGB_CURVE,)
    raise ValueError("it does not say by which tone curve it was saved: it has no colour profile")
