"""The two steps as cards, and the buttons that start and stop them."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from ddm_gui.engine.events import Stage
from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.state import CardState, Shown
from ddm_gui.gui.theme import set_icon
from ddm_gui.gui.words import duration

_TITLES = {
    Stage.FLOW: ("1", "Learn what the degraded photos look like"),
    Stage.KERNELS: ("2", "Find the blur"),
}
_TONES = {
    CardState.RUNNING: "active",
    CardState.PAUSING: "active",
    CardState.PAUSED: "warn",
    CardState.STOPPING: "active",
    CardState.PARTIAL: "warn",
    CardState.DONE: "good",
    CardState.STALE: "warn",
    CardState.FAILED: "bad",
}
_STEPS = 1000  # of a progress bar


class StageCard(QFrame):
    """One step: its state, how far it is, and how long it will take."""

    def __init__(self, stage: Stage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        number, title = _TITLES[stage]
        self.setObjectName("card")
        self.setAccessibleName(f"Step {number}: {title}")
        self._state = QLabel("")
        self._left = label("", "muted")
        self._left.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximum(_STEPS)
        self.bar.setAccessibleName(f"Progress of step {number}")
        badge = label(number, "number")
        words = label(title, "title")
        words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        words.setToolTip(title)
        status = horizontal(8)
        status.addWidget(self._state)
        status.addWidget(self._left, 1)
        text = vertical(4)
        text.addWidget(words)
        text.addLayout(status)
        text.addWidget(self.bar)
        layout = horizontal(10, self)
        layout.setContentsMargins(14, 8, 14, 10)
        layout.addWidget(badge)
        layout.addLayout(text, 1)
        self.show_state(CardState.NOT_STARTED)

    def show_state(self, state: CardState) -> None:
        """The state in words and colour; the bar is full when done and empty when there is nothing."""
        self._state.setText(state.value)
        tone = _TONES.get(state, "plain")
        self._restyle(self._state, "tone", tone)
        self._restyle(self, "state", {"active": "active", "good": "done"}.get(tone, "plain"))
        if state is CardState.DONE:
            self.bar.setValue(_STEPS)
        elif state in (CardState.NOT_STARTED, CardState.WAITING, CardState.STALE):
            self.bar.setValue(0)
        if state is not CardState.RUNNING:
            self._left.clear()

    def show_progress(self, seen: int, total: int, seconds_left: float | None) -> None:
        """How far the step is; None where the time is not known yet."""
        self.bar.setValue(round(_STEPS * seen / max(total, 1)))
        left = duration(seconds_left) if seconds_left is not None else ""
        self._left.setText(f"about {left} left" if left else "")

    def _restyle(self, widget: QWidget, name: str, value: str) -> None:
        if widget.property(name) != value:
            widget.setProperty(name, value)
            widget.style().unpolish(widget)
            widget.style().polish(widget)
            self.bar.style().polish(self.bar)  # its colour follows the card's state


class RunBar(QWidget):
    """Cards, buttons, and one sentence on what comes next."""

    start_wanted = Signal()
    pause_wanted = Signal()
    stop_wanted = Signal()
    again_wanted = Signal()
    export_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards = {stage: StageCard(stage) for stage in (Stage.FLOW, Stage.KERNELS)}
        self.start_button = button("Start", "primary")
        set_icon(self.start_button, "start")
        self.pause_button = _button("Pause", "pause", "Saves, and gives the memory back; go on whenever you like")
        self.stop_button = _button("Stop and keep", "stop", "Saves what is learned so far, and ends the run")
        self.again_button = _button(
            "Learn the kernel again", "again", "Throws step 2 away and does it anew on the step 1 that is there"
        )
        self.export_button = _button("Export…", "export", "")
        self.start_button.setMinimumWidth(110)
        self.hint = label("", "muted")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        cards = horizontal(10)
        for card, stretch in zip(self.cards.values(), (6, 5), strict=True):
            cards.addWidget(card, stretch)
        buttons = horizontal(8)
        for each, wanted in (
            (self.start_button, self.start_wanted),
            (self.pause_button, self.pause_wanted),
            (self.stop_button, self.stop_wanted),
            (self.again_button, self.again_wanted),
        ):
            each.clicked.connect(wanted)
            buttons.addWidget(each)
        buttons.addStretch()
        self.export_button.clicked.connect(self.export_wanted)
        buttons.addWidget(self.export_button)
        layout = vertical(8, self)
        layout.addLayout(cards)
        layout.addLayout(buttons)
        layout.addWidget(self.hint)

    def show_state(self, shown: Shown) -> None:
        """Everything here follows from the one state value."""
        self.cards[Stage.FLOW].show_state(shown.flow)
        self.cards[Stage.KERNELS].show_state(shown.kernels)
        self.start_button.setText(shown.start_text)
        self.start_button.setEnabled(shown.can_start)
        self.pause_button.setEnabled(shown.can_pause)
        self.stop_button.setEnabled(shown.can_stop)
        self.again_button.setEnabled(shown.can_learn_again)
        self.export_button.setEnabled(shown.can_export)
        self.export_button.setToolTip(shown.export_tip)
        self.export_button.setAccessibleDescription(shown.export_tip)
        self.hint.setText(shown.hint)
        self.hint.setToolTip(shown.hint)

    def show_progress(self, stage: Stage, seen: int, total: int, seconds_left: float | None) -> None:
        """How far a step is; stages without a card are not shown here."""
        if stage in self.cards:
            self.cards[stage].show_progress(seen, total, seconds_left)

    def show_note(self, text: str) -> None:
        """A sentence from the run, until the state changes."""
        self.hint.setText(text)
        self.hint.setToolTip(text)


def _button(text: str, picture: str, tip: str) -> QPushButton:
    result = button(text)
    set_icon(result, picture)
    result.setToolTip(tip)
    return result
