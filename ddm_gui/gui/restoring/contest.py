"""The shoot-out: one part of a photo, restored by one restorer after another, timed and judged beside the window."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QRect, Signal

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import Photo, in_light, read
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.engine.simulate.known_set import original_of
from ddm_gui.gui.reads import Followed, Reads
from ddm_gui.gui.viewer.areas import in_sensor
from ddm_gui.gui.viewer.picture import Picture, picture
from ddm_gui.gui.viewer.restorations import Before, Refused, Way, restoring


@dataclass(frozen=True, eq=False)
class Ground:
    """What restorers are compared on: a part of a photo in px as it is seen, by which kernels, how strongly, where, and
    within which memory."""

    before: Before
    area: QRect
    psf: PsfGrid
    strength: float
    device: str
    budget: Budget


@dataclass(frozen=True, eq=False)
class Opening:
    """The part as it is, and what it should be where that is known; and how far it is from that, in dB."""

    before: Picture
    sharp: Picture | None
    psnr: float | None


@dataclass(frozen=True)
class Going:
    """How far a restorer is, a share of 1."""

    restorer: Restorer
    share: float


@dataclass(frozen=True, eq=False)
class Entry:
    """What a restorer makes of the part, and in how many seconds; `rms` and `warning` as in `Full`, `psnr` in dB."""

    restorer: Restorer
    picture: Picture
    seconds: float
    rms: float | None
    warning: str
    psnr: float | None


@dataclass(frozen=True, eq=False)
class Failure:
    """Why a restorer makes nothing of it."""

    restorer: Restorer
    reason: str


News = Opening | Going | Entry | Failure


class Contest(QObject):
    """At most one; a new one ends that before it."""

    news = Signal(object)  # Opening, then Going and an Entry or a Failure of each restorer
    ended = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = Reads("shoot-out")
        self._going: Followed | None = None

    def begin(self, ground: Ground, restorers: Sequence[Restorer]) -> None:
        """Tells of all of these restorers, one after another."""
        self.stop()
        begun = self._reads.follow(
            self.news.emit, lambda fault: self._done(begun, fault), _contest, ground, tuple(restorers)
        )
        self._going = begun

    def stop(self) -> None:
        """Ends it before the next step of the restorer at hand."""
        if self._going is not None:
            self._going.stop()
            self._going = None
            self.ended.emit()

    def close(self) -> None:
        """Ends the thread."""
        self.stop()
        self._reads.close()

    def _done(self, which: Followed, fault: Exception | None) -> None:
        if which is self._going:
            self._going = None
            self.ended.emit()
        if fault is not None:
            raise fault  # of the program: it goes to the log


# In the thread


def _contest(ground: Ground, restorers: tuple[Restorer, ...]) -> Generator[News, None, Exception | None]:
    """What happens, and at its end the first fault of the program that there was."""
    path, fault = ground.before.path, None
    shown = in_light(ground.before.photo, "display")
    part = in_sensor(shown, ground.area)
    sharp = _sharp(ground, part)
    before = shown.with_pixels(shown.pixels[part])

    def ready(photo: Photo) -> Picture:
        return picture(photo.pixels, photo.orientation, ground.before.tones)

    yield Opening(ready(before), ready(sharp) if sharp is not None else None, _psnr(before, sharp))
    for restorer in restorers:
        begun = time.monotonic()
        way = Way(path, ground.psf, restorer, ground.device, ground.budget)
        steps = restoring(ground.before, way, ground.area, ground.strength)
        while True:
            try:
                yield Going(restorer, next(steps))
            except StopIteration as end:
                after = end.value
                break
        if isinstance(after, Refused):
            fault = fault or (None if isinstance(after.error, UserError) else after.error)
            yield Failure(restorer, str(after.error))
            continue
        full, seconds = after.full, time.monotonic() - begun
        restored = in_light(full.corrected.at(ground.strength), "display")
        psnr = _psnr(restored, sharp)
        yield Entry(restorer, after.picture, seconds, full.rms, full.warning, psnr)
    return fault


def _sharp(ground: Ground, part: tuple[slice, slice]) -> Photo | None:
    """The same part of the photo's sharp original, where the photo is one of a set that was simulated."""
    original = original_of(ground.before.path)
    if original is None:
        return None
    try:
        sharp = read(original)
    except UserError:  # what it would tell is left out, and the shoot-out goes on without
        return None
    if sharp.pixels.shape != ground.before.photo.pixels.shape:
        return None
    return replace(sharp, pixels=sharp.pixels[part])


def _psnr(photo: Photo, sharp: Photo | None) -> float | None:
    if sharp is None:
        return None
    from ddm_gui.engine.scores import photo_psnr

    return photo_psnr(photo.pixels, sharp.pixels, 0)
