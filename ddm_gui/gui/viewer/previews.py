"""The photo in view, before and after: read and restored beside the window; only the latest wish counts.

Where a photo is large, what is seen of it comes first, and the whole of it then. How strongly it is restored is a
mixture of what is there already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, QRect, QTimer, Signal, Slot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.recipe import Recipe
from ddm_gui.gui.reads import Followed, Reads
from ddm_gui.gui.viewer.areas import grown
from ddm_gui.gui.viewer.restorations import (
    After,
    Before,
    Full,
    Refused,
    Way,
    Work,
    read_before,
    restoring,
    shown_after,
    too_large,
)

REST = 3.0  # during a run, rest this many times the time of the last restoration: the run needs the processor
SETTLED = 150  # ms without a move, after which what is seen is restored
SMALLEST_PART = 256  # px: noise and spectrum of less cannot be measured well


@dataclass(frozen=True)
class _Working:
    """What the thread is restoring."""

    followed: Followed
    way: Way
    area: QRect | None


class Previews(QObject):
    """One slot: `show` replaces the wish before it, finished or not."""

    before_ready = Signal(object, object)  # Path, Picture
    size_known = Signal(int, int)  # height and width of the photo in view, as its sensor has them
    after_ready = Signal(object)  # After
    working = Signal(object)  # Work, None where nothing is restored (any more)
    failed = Signal(object, str)  # Path, why the photo cannot be read
    not_restored = Signal(object, str)  # Path, why it cannot be restored

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = Reads("previews")
        self._blends = Reads("blends")  # so that a strength is shown while something else is restored
        self._path: Path | None = None
        self._way: Way | None = None
        self._strength = 100.0
        self._seen: QRect | None = None  # None: all of the photo
        self._read: Before | None = None
        self._whole: Full | None = None
        self._part: Full | None = None
        self._told_whole: After | None = None
        self._told_part: After | None = None
        self._given_up: Way | None = None
        self._told_large: Way | None = None  # by which all of the photo is not restored, which was told
        self._reading = False
        self._blending = False
        self._work: _Working | None = None
        self._sparing = self._held = False
        self._resting, self._settling = QTimer(self), QTimer(self)
        for timer in (self._resting, self._settling):
            timer.setSingleShot(True)
            timer.timeout.connect(self._go_on)
        self._settling.setInterval(SETTLED)

    @property
    def before(self) -> Before | None:
        """The photo in view, once it is read."""
        return self._read if self._read is not None and self._read.path == self._path else None

    def show(
        self,
        path: Path | None,
        psf: PsfGrid | None,
        recipe: Recipe | None = None,
        device: str = "cpu",
        budget: Budget | None = None,
    ) -> None:
        """What is to be seen: a photo (None: none), and what to restore it with (no kernel: it is not known yet)."""
        recipe, budget = recipe or Recipe(), budget or Budget()
        changed = path != self._path
        self._path, self._strength = path, recipe.strength
        way = Way(path, psf, recipe.restorer, device, budget) if path is not None and psf is not None else None
        if way != self._way:
            kept = self._sparing and way is not None and _alike(self._given_up, way)
            self._way, self._given_up = way, way if kept else None
        if changed:
            self._seen = self._told_whole = self._told_part = None
            self._resting.stop()
            if self._read is not None and self._read.path == path:  # whoever shows it has forgotten it meanwhile
                self._tell_before(self._read)
        self._go_on()

    def look_at(self, seen: QRect) -> None:
        """Which part of the photo in view can be seen, in its px."""
        if seen != self._seen:
            self._seen = seen
            self._settling.start()

    def give_up(self) -> None:
        """Ends the restoration that goes on; what is there already stays."""
        self._given_up = self._way
        self._go_on()

    def take_up(self) -> None:
        """Goes on after `give_up`."""
        self._given_up = None
        self._go_on()

    def spare(self, sparing: bool) -> None:
        """While a run computes, restorations are spaced out, and of large photos only what is seen is restored."""
        self._sparing = sparing
        if not sparing:
            self._resting.stop()
            self._go_on()

    def hold(self, held: bool) -> None:
        """Restores nothing while something else is measured."""
        self._held = held
        self._go_on()

    def close(self) -> None:
        """Ends the threads; nothing arrives after this."""
        self._resting.stop()
        self._settling.stop()
        self._path = self._way = None
        self._reads.close()
        self._blends.close()

    # What comes next

    @Slot()
    def _go_on(self) -> None:
        before, way = self.before, self._way
        if self._work is not None and not self._is_needed(self._work):
            self._work.followed.stop()
        if before is None and self._path is not None and not self._reading:
            self._reading = True
            self._reads.ask(self._before_arrived, read_before, self._path)
        if before is not None and way is not None:
            first = self._first(before, way)
            if not self._blending:
                self._blend(way, first)
            if self._work is None and way != self._given_up:
                self._restore(before, way, first)

    def _restore(self, before: Before, way: Way, first: QRect | None) -> None:
        """What is seen, then all of the photo, where that is not there yet and there is memory for it."""
        waiting = self._held or self._resting.isActive() or self._settling.isActive()
        if waiting or _holds(self._whole, way, None):
            return
        if first is not None and not _holds(self._part, way, first):
            self._begin(before, way, first)
        elif first is None or not self._sparing:
            refusal = too_large(before, way.budget)
            if refusal is None:
                self._begin(before, way, None)
            elif first is None and way != self._told_large:
                self._told_large = way
                self.not_restored.emit(before.path, str(refusal))

    def _begin(self, before: Before, way: Way, area: QRect | None) -> None:
        told = Work(way.restorer.title, area is not None, 0.0)
        self.working.emit(told)
        followed = self._reads.follow(
            lambda share: self.working.emit(replace(told, share=share)),
            self._full_arrived,
            restoring,
            before,
            way,
            area,
            self._strength,
        )
        self._work = _Working(followed, way, area)

    def _blend(self, way: Way, first: QRect | None) -> None:
        """Shows what is there already at the strength of now; what is seen of it first."""
        whole, part = self._whole, self._part
        if whole is not None and _holds(whole, way, None):
            if not self._is_told(self._told_whole, way):
                seen = first is not None and not self._is_told(self._told_part, way, first)
                self._begin_blend(whole, first if seen else None)
        elif part is not None and part.way == way and not self._is_told(self._told_part, way, part.area):
            self._begin_blend(part, part.area)

    def _begin_blend(self, full: Full, area: QRect | None) -> None:
        self._blending = True
        self._blends.ask(self._blended, shown_after, full, area, self._strength)

    def _is_told(self, told: After | None, way: Way, area: QRect | None = None) -> bool:
        """Whether a part, or all of the photo, is shown at the strength of now."""
        if told is None or told.full.way != way or told.strength != self._strength:
            return False
        return told.area is None or (area is not None and told.area.contains(area))

    def _is_needed(self, work: _Working) -> bool:
        """Whether it is done with the means of now, and of what is seen of the photo by now."""
        # During a run kernels change faster than some restorers are: what is begun is brought to its end.
        wished = work.way == self._way or (self._sparing and _alike(work.way, self._way))
        if self._held or not wished or self._way == self._given_up:
            return False
        if self.before is None or self._settling.isActive():
            return True
        first = self._first(self.before, work.way)
        if work.area is not None:
            return first is not None and work.area.contains(first)
        return first is None or _holds(self._part, work.way, first)

    def _first(self, before: Before, way: Way) -> QRect | None:
        """The part of the photo that is restored first; None where all of it is done as soon."""
        if self._seen is None:
            return None
        whole = QRect(0, 0, before.picture.width, before.picture.height)
        area = grown(self._seen, SMALLEST_PART, whole)
        halo = way.restorer.halo(way.psf)
        around = area.adjusted(-halo, -halo, halo, halo).intersected(whole)
        return area if 2 * around.width() * around.height() < whole.width() * whole.height() else None

    # What arrives

    def _before_arrived(self, answer: Before | Refused) -> None:
        self._reading = False
        if isinstance(answer, Before):
            self._read = answer
            self._whole = self._part = None
            if answer.path == self._path:
                self._tell_before(answer)
        elif answer.path == self._path:
            self._path = self._way = None
            self.failed.emit(answer.path, str(answer.error))
        self._go_on()

    def _tell_before(self, before: Before) -> None:
        self.size_known.emit(*before.photo.pixels.shape[:2])
        self.before_ready.emit(before.path, before.picture)

    def _full_arrived(self, answer: After | Refused | None) -> None:
        """A new restoration: it is kept, for other strengths. None: it was stopped."""
        self._work = None
        self.working.emit(None)
        if isinstance(answer, After):
            if answer.area is None:
                self._whole = answer.full
            else:
                self._part = answer.full
            if self._sparing:
                self._resting.start(round(1000 * REST * answer.full.seconds))
            self._tell_after(answer)
        elif answer is not None and answer.way == self._way:
            self._given_up = answer.way
            self.not_restored.emit(answer.path, str(answer.error))
        self._go_on()
        if isinstance(answer, Refused) and not isinstance(answer.error, UserError):
            raise answer.error  # a fault of the program: it goes to the log

    def _blended(self, after: After) -> None:
        self._blending = False
        self._tell_after(after)
        self._go_on()

    def _tell_after(self, after: After) -> None:
        if after.path != self._path:
            return
        if after.area is None:
            self._told_whole = after
        else:
            self._told_part = after
        self.after_ready.emit(after)


def _alike(one: Way | None, other: Way | None) -> bool:
    """Whether two ways are the same but for their kernels."""
    return one is not None and other is not None and replace(one, psf=other.psf) == other


def _holds(full: Full | None, way: Way, area: QRect | None) -> bool:
    """Whether a restoration is one of this way, and of all of a part, or of the photo."""
    if full is None or full.way != way:
        return False
    return full.area is None or (area is not None and full.area.contains(area))
