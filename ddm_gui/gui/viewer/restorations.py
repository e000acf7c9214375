"""A photo or a part of it, restored and made ready for showing: what is computed beside the window, and its values."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import Photo, in_light, read, tones
from ddm_gui.engine.restore.part import part_of
from ddm_gui.engine.restore.plan import Budget, check_size
from ddm_gui.engine.restore.recipe import Corrected, correcting
from ddm_gui.engine.restore.restorer import Restorer, Steps
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.gui.viewer.areas import in_sensor
from ddm_gui.gui.viewer.evidence_map import evidence_pixels
from ddm_gui.gui.viewer.picture import Picture, Tones, overlay, picture, picture_of

PICTURES = 5  # of a photo at most: before, after, and evidence, and the last two of the restoration before
BYTES_OF_PICTURE = 16 / 3  # for each pixel: B, G, R and alpha, at all levels


@dataclass(frozen=True, eq=False)
class Before:
    """A photo as it is; `tones`: what of it is shown as black and as white."""

    path: Path
    photo: Photo
    picture: Picture
    tones: Tones = (0.0, 1.0)


@dataclass(frozen=True)
class Way:
    """All that a restoration at full strength depends on."""

    path: Path
    psf: PsfGrid
    restorer: Restorer
    device: str
    budget: Budget


@dataclass(frozen=True, eq=False)
class Full:
    """A photo restored at full strength, or its part `area`; and what that took.

    `evidence` lies over its picture. `rms` is the residual over what noise explains, and `warning` what there is to
    tell of it.
    """

    way: Way
    area: QRect | None
    corrected: Corrected
    evidence: Picture | None
    rms: float | None
    warning: str
    seconds: float
    tones: Tones = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class After:
    """What is shown of a restored photo at some strength: all of it, or its part `area`, in px of the photo as it is
    seen; and where that was taken from."""

    area: QRect | None
    picture: Picture
    strength: float
    full: Full

    @property
    def path(self) -> Path:
        """The photo's."""
        return self.full.way.path


@dataclass(frozen=True)
class Work:
    """A restoration that goes on: of which restorer, of what is seen or of all the photo, and its share done."""

    title: str
    part: bool
    share: float


@dataclass(frozen=True, eq=False)
class Refused:
    """What could not be done: a photo that cannot be read or restored, for a person; or a fault of the program."""

    path: Path
    error: Exception
    way: Way | None = None


def read_before(path: Path) -> Before | Refused:
    """A photo from its file."""
    try:
        photo = read(path)
    except UserError as error:
        return Refused(path, error)
    shown = tones(photo)
    return Before(path, photo, picture(photo.pixels, photo.orientation, shown), shown)


def too_large(before: Before, budget: Budget) -> UserError | None:
    """Why not all of a photo is restored in the window: with what the window shows of it, and with the restoration
    before, it needs more memory than an export may take."""
    shape = before.photo.pixels.shape
    try:
        check_size(shape, budget, (PICTURES * BYTES_OF_PICTURE + 4.0 * shape[2]) * shape[0] * shape[1])
    except UserError as error:
        todo = "Zoom in: what you see of it is restored. Or allow more, under File › Limits."
        return UserError(error.what, error.why, todo)
    return None


def restoring(before: Before, way: Way, area: QRect | None, strength: float) -> Steps[After | Refused]:
    """A photo, or a part of it, restored at full strength; and what it looks like at this one."""
    begun = time.monotonic()
    try:
        corrected = yield from correcting_area(before.photo, way, area)
    except Exception as error:  # also a fault: whoever asked has to be told
        return Refused(before.path, error, way)
    judged, photo = corrected.evidence, corrected.photo
    evidence, rms, warning = None, None, ""
    if judged is not None:
        evidence = overlay(evidence_pixels(judged), photo.orientation)
        rms, warning = judged.rms, judged.warning
    kept = Corrected(photo, corrected.pixels, None)  # the residual is as large as the photo
    full = Full(way, area, kept, evidence, rms, warning, time.monotonic() - begun, before.tones)
    return shown_after(full, area, strength)


def device_for(restorer: Restorer, name: str) -> str:
    """Where a restorer computes, the device's name being 'auto' or one of its own; a Wiener filter asks for none."""
    if isinstance(restorer, Wiener):
        return "cpu"
    # torch loads here: the window opens before it.
    from ddm_gui.engine.devices import choose_device

    return str(choose_device(name))


def correcting_area(photo: Photo, way: Way, area: QRect | None) -> Steps[Corrected]:
    """A photo, or a part of it as it is seen, at full strength."""
    device = device_for(way.restorer, way.device)
    if area is None:
        seen = in_light(photo, way.psf.light)
        return (yield from correcting(seen, way.psf, way.restorer, device, budget=way.budget))
    rows, cols = in_sensor(photo, area)
    part = part_of(photo, way.psf, rows, cols, way.restorer.halo(way.psf))
    seen = in_light(part.photo, way.psf.light)
    found = yield from correcting(seen, part.psf, way.restorer, device, budget=way.budget)
    evidence = found.evidence
    if evidence is not None:
        evidence = replace(evidence, residual=evidence.residual[part.inside])
    return Corrected(_cropped(found.photo, part.inside), found.pixels[part.inside], evidence)


def shown_after(full: Full, area: QRect | None, strength: float) -> After:
    """What a restoration, or a part of it, looks like at some strength."""
    corrected = full.corrected
    if area is not None and area != full.area:
        corner = full.area.topLeft() if full.area is not None else QPoint()
        inside = in_sensor(corrected.photo, area.translated(-corner))
        corrected = Corrected(_cropped(corrected.photo, inside), corrected.pixels[inside], None)
    return After(area, _shown(corrected, strength, full.tones), strength, full)


def _shown(corrected: Corrected, strength: float, tones: Tones) -> Picture:
    """A restored photo at some strength, ready for showing."""

    def band(rows: slice) -> NDArray[np.float32]:
        part = Corrected(corrected.photo.with_pixels(corrected.photo.pixels[rows]), corrected.pixels[rows], None)
        return in_light(part.at(strength), "display").pixels

    return picture_of(corrected.pixels.shape[:2], band, corrected.photo.orientation, tones)


def _cropped(photo: Photo, inside: tuple[slice, slice]) -> Photo:
    return photo.with_pixels(photo.pixels[inside])
