"""The numbers at the end of a run whose truth is known: the demo."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QWidget

from ddm_gui.engine.events import Result
from ddm_gui.gui.parts import label
from ddm_gui.gui.words import duration


class ResultView(QFrame):
    """Start against end, in two lines; hidden where nothing is known."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(12, 8, 12, 8)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(0, 1)
        self.hide()

    def show_result(self, result: Result | None) -> None:
        """The scores; None takes them away."""
        for old in self.findChildren(QLabel):
            self._grid.removeWidget(old)
            old.deleteLater()
        rows = score_rows(result) if result is not None else []
        for row, (name, value, tip) in enumerate(rows):
            for column, text in enumerate((name, value)):
                cell = label(text, "muted" if column == 0 else "heading")
                cell.setToolTip(tip)
                side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
                self._grid.addWidget(cell, row, column, side)
        self.setVisible(bool(rows))


def score_rows(result: Result) -> list[tuple[str, str, str]]:
    """Name, value and explanation of each score that is known."""
    rows = []
    if result.ncc is not None:
        start = f"{result.ncc_start:.3f} → " if result.ncc_start is not None else ""
        tip = "From the start to the end; 1 is the true kernel"
        rows.append(("Kernel match (NCC)", f"{start}{result.ncc:.3f}", tip))
    if result.psnr_after is not None:
        before = f"{result.psnr_before:.1f} → " if result.psnr_before is not None else ""
        tip = "From degraded to restored; higher is better"
        rows.append(("Photos (PSNR)", f"{before}{result.psnr_after:.1f} dB", tip))
    if result.psnr_true_kernel is not None:
        tip = "What the same restoration reaches with the true kernel"
        rows.append(("With the true kernel", f"{result.psnr_true_kernel:.1f} dB", tip))
    if rows and result.seconds is not None:
        rows.append(("Time", duration(result.seconds), "From the beginning to these numbers"))
    return rows
