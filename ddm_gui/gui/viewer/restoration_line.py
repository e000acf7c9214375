"""One line on the restoration of the photo in view: how far it is, what it took, and how far it is borne out."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddm_gui.gui.parts import button, horizontal, label, show_look
from ddm_gui.gui.viewer.restorations import After, Work
from ddm_gui.gui.words import progress_words, residual_words

UNNOTICED = 0.4  # s: what takes no longer is not announced
TICK = 250  # ms


class RestorationLine(QWidget):
    """Words, and a button that ends the restoration or takes it up again."""

    give_up_wanted = Signal()
    take_up_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._work: Work | None = None
        self._begun = 0.0
        self._said = ("", "muted")  # while nothing goes on
        self._words = label("", "muted")
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop_button = button("Stop", "small")
        self.stop_button.setAccessibleName("Stop the restoration of the photo in view")
        self.stop_button.clicked.connect(self._give_up)
        self.again_button = button("Go on", "small")
        self.again_button.setAccessibleName("Go on with the restoration of the photo in view")
        self.again_button.clicked.connect(self._take_up)
        layout = horizontal(8, self)
        layout.addWidget(self._words, 1)
        layout.addWidget(self.stop_button)
        layout.addWidget(self.again_button)
        self.setMinimumHeight(self.stop_button.sizeHint().height())  # nothing moves when the button comes
        self._ticking = QTimer(self)
        self._ticking.setInterval(TICK)
        self._ticking.timeout.connect(self._show)
        self.clear()

    @property
    def text(self) -> str:
        """What it says."""
        return self._words.text()

    def clear(self) -> None:
        """Nothing is restored yet."""
        self._end()
        self._say("")

    def show_work(self, work: Work | None) -> None:
        """A restoration begins or goes on; None: it has ended."""
        if work is None:
            self._end()
        else:
            if self._work is None:
                self._begun = time.monotonic()
                self._ticking.start()
                self.again_button.hide()
            self._work = work
        self._show()

    def show_after(self, after: After) -> None:
        """What is shown now."""
        full = after.full
        words = f"{full.way.restorer.title}{'' if full.area is None else ', what is seen'}: {full.seconds:.1f} s"
        if full.rms is not None:
            words += f" · {residual_words(full.rms, full.warning)}"
        self._say(words, "warning" if full.warning else "muted")

    def show_problem(self, reason: str) -> None:
        """Why the photo cannot be restored."""
        self._say(reason, "warning")

    def _give_up(self) -> None:
        self._say("Stopped. What is not restored yet is shown as it is.")
        self.again_button.show()
        self.give_up_wanted.emit()

    def _take_up(self) -> None:
        self.again_button.hide()
        self.take_up_wanted.emit()

    def _end(self) -> None:
        self._work = None
        self._ticking.stop()
        self.stop_button.hide()

    def _say(self, words: str, look: str = "muted") -> None:
        self._said = (words, look)
        self.again_button.hide()
        self._show()

    def _show(self) -> None:
        words, look = self._said
        seconds = time.monotonic() - self._begun
        if self._work is not None and seconds > UNNOTICED:
            what = "what is seen" if self._work.part else "all of the photo"
            words, look = f"{self._work.title}, {what}: {progress_words(self._work.share, seconds)}", "muted"
            self.stop_button.show()
        self._words.setText(words)
        self._words.setToolTip(words)
        self._words.setWordWrap(look == "warning")  # what a person has to know is never cut off
        show_look(self._words, look)
