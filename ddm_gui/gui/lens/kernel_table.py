"""The numbers of one kernel, and beside them those of another lens at the same place."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from ddm_gui.engine.blur.kernel_numbers import FRAME, TRUSTED, NodeNumbers
from ddm_gui.gui.parts import label
from ddm_gui.gui.words import ellipse, shift, widths

ROWS: tuple[tuple[str, str, Callable[[NodeNumbers], str]], ...] = (
    (
        "FWHM",
        "Full width at half maximum, along the long and along the short axis",
        lambda node: f"{widths(node.kernel)} px",
    ),
    (
        "Ellipticity",
        "1 - short / long axis: 0 is round. The direction of the long axis: 0° to the right, 90° downwards",
        lambda node: ellipse(node.kernel),
    ),
    (
        "Red shift",
        "Where the centre of red lies, seen from that of green",
        lambda node: shift(node.shift.red) if node.shift else "",
    ),
    (
        "Blue shift",
        "Where the centre of blue lies, seen from that of green",
        lambda node: shift(node.shift.blue) if node.shift else "",
    ),
    (
        "Light at edge",
        f"Share of the light within {FRAME} px of the kernel's edge: much of it means that more lies outside",
        lambda node: f"{100 * node.kernel.edge_light:.1f} %",
    ),
    (  # the last one: what is not to be trusted has a colour
        "Confidence",
        "How alike the kernel and the true one are expected to be: 1 is the same",
        lambda node: f"{node.confidence:.2f}" if node.confidence is not None else "",
    ),
)


class KernelTable(QWidget):
    """A line for each number that is known; widths and direction are those of green, or of the colour in view."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Numbers of the kernel")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 4, 0)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        self._heads = [label("", "muted") for _ in range(2)]
        self._cells: list[tuple[QLabel, list[QLabel]]] = []
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for column, head in enumerate(self._heads):
            grid.addWidget(head, 0, column + 1, right)
        for row, (name, tip, _) in enumerate(ROWS):
            title, values = label(name, "muted"), [label("", "heading"), label("")]
            for widget in (title, *values):
                widget.setToolTip(tip)
            grid.addWidget(title, row + 1, 0)
            for column, value in enumerate(values):
                grid.addWidget(value, row + 1, column + 1, right)
            self._cells.append((title, values))
        grid.setRowStretch(len(ROWS) + 1, 1)

    def show_numbers(self, nodes: list[tuple[str, NodeNumbers]]) -> None:
        """Of one lens or of two, each with its name."""
        for index, head in enumerate(self._heads):
            head.setText(nodes[index][0] if len(nodes) == 2 else "")
            head.setVisible(len(nodes) == 2)
        for (_, _, told), (title, values) in zip(ROWS, self._cells, strict=True):
            words = [told(node) for _, node in nodes]
            title.setVisible(any(words))
            for index, value in enumerate(values):
                value.setText(words[index] if index < len(words) else "")
                value.setVisible(any(words) and index < len(words))
        for value, (_, node) in zip(self._cells[-1][1], nodes, strict=False):
            doubtful = node.confidence is not None and node.confidence < TRUSTED
            value.setProperty("tone", "warn" if doubtful else None)
            value.style().unpolish(value)
            value.style().polish(value)

    def words(self) -> dict[str, list[str]]:
        """What can be read: by the name of each number, the value of each lens."""
        return {
            title.text(): [value.text() for value in values if not value.isHidden()]
            for title, values in self._cells
            if not title.isHidden()
        }
