"""Says which lens was opened and which one is compared with, for as long as they are."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget

from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.parts import button, horizontal, label

LONGEST_NAME = 24  # letters of a lens's name for which there is room


class LensLine(QFrame):
    """One line each, with a button that ends it; hidden while there is neither."""

    close_wanted = Signal()
    end_comparison_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self._words = label("")
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.end_button = button("End comparison", "small")
        self.end_button.clicked.connect(self.end_comparison_wanted)
        self.close_button = button("Close lens", "small")
        self.close_button.clicked.connect(self.close_wanted)
        layout = horizontal(8, self)
        layout.setContentsMargins(12, 6, 8, 6)
        layout.addWidget(self._words, 1)
        layout.addWidget(self.end_button)
        layout.addWidget(self.close_button)
        self._opened: Lens | None = None
        self._compared: Lens | None = None
        self._show()

    def show_opened(self, lens: Lens | None) -> None:
        """The lens with which photos are restored in place of what is learned."""
        self._opened = lens
        self._show()

    def show_compared(self, lens: Lens | None) -> None:
        """The lens that stands beside the one in view."""
        self._compared = lens
        self._show()

    def _show(self) -> None:
        words = []
        if self._opened is not None:
            words.append(f"Photos are restored with the opened lens “{_short(self._opened.name)}”.")
        if self._compared is not None:
            words.append(f"Beside {'it' if words else 'what is learned'}: “{_short(self._compared.name)}”.")
        self._words.setText(" ".join(words))
        self._words.setToolTip(self._words.text())
        self.close_button.setVisible(self._opened is not None)
        self.end_button.setVisible(self._compared is not None)
        self.setVisible(bool(words))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
