"""The photo in view, before and after: read and restored beside the window; only the latest wish counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photo import Photo, in_light, read, upright
from ddm_gui.engine.psf import PsfGrid
from ddm_gui.engine.restore.recipe import restore_photo
from ddm_gui.gui.picture import Picture, picture
from ddm_gui.gui.reads import Reads

REST = 3.0  # during a run, rest this many times the time of the last restoration: the run needs the processor


@dataclass(frozen=True, eq=False)
class Before:
    """A photo as it is."""

    path: Path
    photo: Photo
    picture: Picture


@dataclass(frozen=True, eq=False)
class After:
    """A photo restored with a kernel; `seconds` is what that took."""

    path: Path
    psf: PsfGrid
    picture: Picture
    seconds: float


@dataclass(frozen=True)
class Unreadable:
    """A photo that could not be shown, and why."""

    path: Path
    reason: str


class Previews(QObject):
    """One slot: `show(path, psf)` replaces the wish before it, finished or not."""

    before_ready = Signal(object, object)  # Path, Picture
    size_known = Signal(int, int)  # height and width of the photo in view, as its sensor has them
    after_ready = Signal(object, object)  # Path, Picture
    failed = Signal(object, str)  # Path, reason

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = Reads("previews")
        self._path: Path | None = None
        self._psf: PsfGrid | None = None
        self._restored_with: PsfGrid | None = None
        self._read: Before | None = None
        self._busy = False
        self._sparing = False
        self._resting = QTimer(self)
        self._resting.setSingleShot(True)
        self._resting.timeout.connect(self._go_on)

    def show(self, path: Path | None, psf: PsfGrid | None) -> None:
        """What is to be seen: a photo (None: none), and the kernel to restore it with (None: it is not known yet)."""
        changed = path != self._path
        self._path, self._psf = path, psf
        if changed:
            self._restored_with = None
            self._resting.stop()
            if self._read is not None and self._read.path == path:  # whoever shows it has forgotten it meanwhile
                self._tell_before(self._read)
        self._go_on()

    def spare(self, sparing: bool) -> None:
        """While a run computes, restorations are spaced out."""
        self._sparing = sparing
        if not sparing and self._resting.isActive():
            self._resting.stop()
            self._go_on()

    def close(self) -> None:
        """Ends the thread; nothing arrives after this."""
        self._resting.stop()
        self._path = None
        self._reads.close()

    @Slot()
    def _go_on(self) -> None:
        if self._busy or self._path is None:
            return
        if self._read is None or self._read.path != self._path:
            self._busy = True
            self._reads.ask(self._before_arrived, _before, self._path)
        elif self._psf is not None and self._psf is not self._restored_with and not self._resting.isActive():
            self._busy = True
            self._reads.ask(self._after_arrived, _after, self._read, self._psf)

    def _before_arrived(self, answer: Before | Unreadable) -> None:
        self._busy = False
        if isinstance(answer, Unreadable):
            if answer.path == self._path:
                self._path = None
                self.failed.emit(answer.path, answer.reason)
        else:
            self._read = answer
            if answer.path == self._path:
                self._tell_before(answer)
        self._go_on()

    def _tell_before(self, before: Before) -> None:
        self.size_known.emit(*before.photo.pixels.shape[:2])
        self.before_ready.emit(before.path, before.picture)

    def _after_arrived(self, answer: After | Unreadable) -> None:
        self._busy = False
        if isinstance(answer, Unreadable):
            self._restored_with = self._psf
            self.failed.emit(answer.path, answer.reason)
        elif answer.path == self._path:
            self._restored_with = answer.psf
            self.after_ready.emit(answer.path, answer.picture)
            if self._sparing:
                self._resting.start(round(1000 * REST * answer.seconds))
        self._go_on()


def _before(path: Path) -> Before | Unreadable:
    try:
        photo = read(path)
    except UserError as error:
        return Unreadable(path, str(error))
    return Before(path, photo, picture(upright(photo)))


def _after(before: Before, psf: PsfGrid) -> After | Unreadable:
    begun = time.monotonic()
    try:
        restored = restore_photo(in_light(before.photo, psf.light), psf)
        result = picture(upright(in_light(restored, "display")))
    except UserError as error:
        return Unreadable(before.path, str(error))
    return After(before.path, psf, result, time.monotonic() - begun)
