"""What an empty window says: the way in four lines, and the demo for those who have no photos at hand."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QWidget

from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.theme import app_icon

_STEPS = (
    ("Drop two folders", "Sharp photos of anything, and photos that all share one blur. They need not be pairs."),
    ("Press Start", "The program learns what the blurred photos look like, then which blur explains them."),
    ("Compare", "Watch the kernel appear, and drag the line between before and after."),
    ("Export", "Save the sharper photos. Originals are never changed."),
)


class Welcome(QFrame):
    """Shown until there are photos."""

    demo_wanted = Signal()
    open_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        sign = QLabel()
        sign.setPixmap(app_icon().pixmap(64, 64))
        words = vertical(2)
        words.addWidget(label("From two folders to sharper photos", "hero"))
        words.addWidget(label("It learns the blur of a lens from ordinary photos, and takes it away.", "lead"))
        head = horizontal(18)
        head.addWidget(sign)
        head.addLayout(words)
        head.addStretch()
        steps = QGridLayout()
        steps.setHorizontalSpacing(18)
        steps.setVerticalSpacing(16)
        for row, (title, text) in enumerate(_STEPS):
            number = label(str(row + 1), "number")
            number.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
            number.setFixedWidth(64)
            line = vertical(2)
            line.addWidget(label(title, "heading"))
            line.addWidget(label(text, "muted", wrap=True))
            steps.addWidget(number, row, 0)
            steps.addLayout(line, row, 1)
        steps.setColumnStretch(1, 1)
        self.demo_button = button("Try the demo", "primary")
        self.demo_button.setToolTip("Blurs photos that come with the program by a known lens, then finds that lens")
        self.demo_button.clicked.connect(self.demo_wanted)
        self.open_button = QPushButton("Open project…")
        self.open_button.clicked.connect(self.open_wanted)
        buttons = horizontal(8)
        buttons.addSpacing(82)
        buttons.addWidget(self.demo_button)
        buttons.addWidget(self.open_button)
        buttons.addWidget(label("No photos at hand? The demo takes a few minutes.", "muted"))
        buttons.addStretch()
        inner = QWidget()
        inner.setMaximumWidth(760)
        column = vertical(28, inner)
        column.addLayout(head)
        column.addLayout(steps)
        column.addLayout(buttons)
        middle = horizontal(6)
        middle.addStretch(1)
        middle.addWidget(inner, 6)
        middle.addStretch(1)
        layout = vertical(0, self)
        layout.addStretch(2)
        layout.addLayout(middle)
        layout.addStretch(3)

    def show_can_demo(self, possible: bool) -> None:
        """The demo needs to know what to compute on."""
        self.demo_button.setEnabled(possible)
