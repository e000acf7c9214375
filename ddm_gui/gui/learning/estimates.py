"""How long runs would take on this machine: timed in a thread beside the window, never beside a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, Signal, Slot

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import Settings
from ddm_gui.gui.log import write_bug
from ddm_gui.gui.worker import STACK_BYTES

if TYPE_CHECKING:
    from ddm_gui.engine.pipeline import Paces


class Estimates(QObject):
    """One wish: `wish(settings)` replaces the one before it. What is known already is not told again."""

    estimated = Signal(object, float)  # Settings, seconds of both steps from their beginning

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._wished: list[Settings] = []
        self._asked: set[Settings] = set()
        self._paces: Paces = {}
        self._sparing = True
        self._timing: _Timing | None = None
        self._disturbed = False
        self._closed = False

    def wish(self, choices: Sequence[Settings]) -> None:
        """Asks for the times of runs with each of these settings, in this order."""
        self._wished = [settings for settings in dict.fromkeys(choices) if settings not in self._asked]
        self._go_on()

    def spare(self, sparing: bool) -> None:
        """Before torch is loaded, and while a run computes, nothing is timed: it would be slow, and slow the run.

        What is being timed when a run begins is timed again after it.
        """
        self._sparing = sparing
        self._disturbed = self._disturbed or (sparing and self._timing is not None)
        self._go_on()

    def close(self) -> None:
        """Waits for what is being timed; nothing arrives after this, and nothing is timed: devices that are found while
        the window closes are still told to it."""
        self._closed = True
        if self._timing is not None:
            self._timing.wait()

    def _go_on(self) -> None:
        if self._closed or self._timing is not None or self._sparing or not self._wished:
            return
        settings = self._wished.pop(0)
        self._asked.add(settings)
        self._timing = _Timing(settings, self._paces, self)
        self._timing.finished.connect(self._timed)
        self._timing.start()

    @Slot()
    def _timed(self) -> None:
        timing, self._timing = self._timing, None
        assert timing is not None
        timing.wait()
        timing.deleteLater()
        if self._disturbed:
            self._disturbed = False
            self._paces.clear()
            self._asked.discard(timing.settings)
            self._wished.insert(0, timing.settings)
        elif timing.seconds is not None:
            self.estimated.emit(timing.settings, timing.seconds)
        self._go_on()


class _Timing(QThread):
    """Times one run; `seconds` stays None where that cannot be done: a device that is not here, too little memory."""

    def __init__(self, settings: Settings, paces: Paces, parent: QObject) -> None:
        super().__init__(parent)
        self.settings = settings
        self.seconds: float | None = None
        self._paces = paces
        self.setStackSize(STACK_BYTES)

    def run(self) -> None:
        """The thread itself; called by Qt."""
        from ddm_gui.engine.devices import choose_device
        from ddm_gui.engine.pipeline import estimate

        try:
            self.seconds = estimate(self.settings, choose_device(self.settings.device), self._paces)
        except UserError:
            pass  # a run says it, in a sentence
        except Exception as error:
            write_bug(error)
