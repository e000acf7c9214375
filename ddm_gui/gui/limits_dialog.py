"""The dialog in which a person says what photos may ask of this machine."""

from __future__ import annotations

from dataclasses import fields

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from ddm_gui.engine.photos.photo import SizeLimit
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.gui.dialogs import Dialog, plain
from ddm_gui.gui.limits import Limits
from ddm_gui.gui.parts import button, label
from ddm_gui.gui.setting_rows import NumberRow, add_row, form_grid


class LimitsDialog(Dialog):
    """Shows the limits of now; `chosen` tells others, once, when it is closed by its button."""

    chosen = Signal(object)  # Limits

    def __init__(self, limits: Limits, parent: QWidget | None = None) -> None:
        super().__init__("Limits", parent)
        self.rows: dict[str, NumberRow] = {}
        usual, cancel = QPushButton("As usual"), QPushButton("Cancel")
        usual.setToolTip("Puts the numbers back with which the program comes")
        use = button("Use these", "primary", default=True)
        usual.clicked.connect(self._show_usual)
        cancel.clicked.connect(self.reject)
        use.clicked.connect(self._use)
        self._layout.addWidget(plain("What photos may ask of this machine", "what"))
        self._layout.addWidget(self._form())
        self._add_buttons(usual, cancel, use)
        self._show(limits)

    def _form(self) -> QWidget:
        form = QWidget()
        grid = form_grid(form)
        for item in (*fields(Budget), *fields(SizeLimit)):
            row = self.rows[item.name] = NumberRow(item)
            words = label(item.metadata["label"])
            words.setBuddy(row.main)
            add_row(grid, words, row)
            add_row(grid, label(), plain(item.metadata["help"], "muted"))
        return form

    def _show(self, limits: Limits) -> None:
        self.rows["memory_budget"].show_value(limits.budget.memory_budget)
        self.rows["largest_photo"].show_value(limits.size.largest_photo)

    def _show_usual(self) -> None:
        self._show(Limits())

    def _use(self) -> None:
        values = {name: row.value() for name, row in self.rows.items()}
        self.chosen.emit(Limits(Budget(values["memory_budget"]), SizeLimit(values["largest_photo"])))
        self.accept()
