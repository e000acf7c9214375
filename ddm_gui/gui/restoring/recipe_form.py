"""How photos are restored: which restorer, how strongly, with which settings; each restorer's settings are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QSizePolicy, QSlider, QWidget

from ddm_gui.engine.restore.recipe import RESTORERS, Recipe
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.gui.dialogs import ask_weights
from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.setting_rows import NumberRow, SettingRow, setting_row

NONE, FILE = "Choose one…", "From a file…"
COLUMNS = 2  # settings beside each other


class RecipeForm(QWidget):
    """One line, and below it, where they are asked for, the settings of the restorer that is chosen."""

    changed = Signal(object)  # Recipe
    shoot_out_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recipe = Recipe()
        self._kept: dict[str, Restorer] = {name: kind() for name, kind in RESTORERS.items()}
        self._showing = False
        self.rows: dict[tuple[str, str], SettingRow] = {}  # by the names of restorer and setting
        self.restorer_box = QComboBox()
        self.restorer_box.setAccessibleName("How photos are restored")
        self.restorer_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.restorer_box.setMinimumContentsLength(14)
        for name, kind in RESTORERS.items():
            self.restorer_box.addItem(kind.title, name)
            tip = f"{(kind.__doc__ or '').splitlines()[0]} {kind.citation}."
            self.restorer_box.setItemData(self.restorer_box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.restorer_box.activated.connect(self._restorer_chosen)
        self.strength_slider = QSlider(Qt.Orientation.Horizontal)
        self.strength_slider.setRange(0, 100)
        self.strength_slider.setFixedWidth(70)
        self.strength_slider.setAccessibleName("Strength of the restoration, in percent")
        self.strength_slider.setToolTip("How much of the correction is taken: at 0 % the photo stays as it is")
        self.strength_slider.valueChanged.connect(self._strength_changed)
        self._strength = label("", "muted")
        self._strength.setFixedWidth(self._strength.fontMetrics().horizontalAdvance("100 %") + 2)
        self.more_button = button("Settings", "small", checkable=True)
        self.more_button.setAccessibleName("Settings of the restorer")
        self.more_button.setToolTip("The settings of the restorer that is chosen")
        self.more_button.toggled.connect(self._show_rows)
        self.shoot_out_button = button("Shoot-out…", "small")
        self.shoot_out_button.setToolTip("All restorers beside each other on what is seen of the photo")
        self.shoot_out_button.clicked.connect(self.shoot_out_wanted)
        words = label("Restore by")
        words.setBuddy(self.restorer_box)
        line = horizontal(8)
        line.addWidget(words)
        line.addWidget(self.restorer_box)
        line.addWidget(label("Strength", "muted"))
        line.addWidget(self.strength_slider)
        line.addWidget(self._strength)
        line.addStretch()
        line.addWidget(self.more_button)
        line.addWidget(self.shoot_out_button)
        layout = vertical(6, self)
        layout.addLayout(line)
        self._forms = {name: self._form(kind) for name, kind in RESTORERS.items()}
        for form, _ in self._forms.values():
            layout.addWidget(form)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.show_recipe(self._recipe)

    @property
    def restorers(self) -> tuple[Restorer, ...]:
        """All restorers, each with the settings that it had last."""
        return tuple(self._kept.values())

    def show_recipe(self, recipe: Recipe) -> None:
        """Puts values into the controls; tells nothing."""
        self._showing = True
        self._recipe = recipe
        name = recipe.restorer.name
        self._kept[name] = recipe.restorer
        self.restorer_box.setCurrentIndex(self.restorer_box.findData(name))
        self.restorer_box.setToolTip(self.restorer_box.currentData(Qt.ItemDataRole.ToolTipRole))
        self.strength_slider.setValue(round(recipe.strength))
        self._strength.setText(f"{recipe.strength:.0f} %")
        for (owner, setting), row in self.rows.items():
            row.show_value(getattr(self._kept[owner], setting))
        self._show_rows()
        self._showing = False

    def show_can_compare(self, possible: bool) -> None:
        """Whether there is a photo and a kernel for a shoot-out."""
        self.shoot_out_button.setEnabled(possible)

    def show_denoisers(self, known: Sequence[str]) -> None:
        """The denoisers that the program knows by name."""
        for row in self.rows.values():
            if isinstance(row, DenoiserRow):
                row.show_known(known)

    def suggest_noise(self, sigma: float) -> None:
        """The noise that the kernel was learned with: where a person begins who does not want it measured."""
        for (_, setting), row in self.rows.items():
            if setting == "noise_sigma" and isinstance(row, NumberRow):
                row.suggest(sigma)

    def _form(self, kind: type[Restorer]) -> tuple[QWidget, list[QWidget]]:
        """The settings of a restorer in columns, the important one over all of them; and those that can be hidden."""
        form, hidden = QWidget(), []
        grid = QGridLayout(form)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(5)
        grid.setHorizontalSpacing(10)
        basic = [item for item in fields(kind) if not item.metadata["advanced"]]
        advanced = [item for item in fields(kind) if item.metadata["advanced"]]
        for line, item in enumerate(basic):
            words, row = self._row(kind, item)
            grid.addWidget(words, line, 0)
            grid.addWidget(row, line, 1, 1, 2 * COLUMNS - 1)
        for place, item in enumerate(advanced):
            line, column = divmod(place, COLUMNS)
            for offset, widget in enumerate(self._row(kind, item)):
                grid.addWidget(widget, len(basic) + line, 2 * column + offset)
                hidden.append(widget)
        for column in range(COLUMNS):
            grid.setColumnStretch(2 * column + 1, 1)
        return form, hidden

    def _row(self, kind: type[Restorer], item: Field[Any]) -> tuple[QWidget, SettingRow]:
        row = DenoiserRow(item) if item.name == "denoiser" else setting_row(item)
        words = label(item.metadata["label"])
        words.setToolTip(item.metadata["help"])
        words.setBuddy(row.main)
        row.changed.connect(partial(self._row_changed, kind.name, item.name))
        self.rows[kind.name, item.name] = row
        return words, row

    def _show_rows(self) -> None:
        """The settings of the restorer that is chosen."""
        for name, (form, hidden) in self._forms.items():
            chosen = name == self._recipe.restorer.name
            for widget in hidden:
                widget.setVisible(self.more_button.isChecked())
            some = self.more_button.isChecked() or any(
                not item.metadata["advanced"] for item in fields(RESTORERS[name])
            )
            form.setVisible(chosen and some)

    # From the person

    def _restorer_chosen(self) -> None:
        self._take(replace(self._recipe, restorer=self._kept[self.restorer_box.currentData()]))

    def _strength_changed(self, percent: int) -> None:
        if not self._showing:
            self._take(replace(self._recipe, strength=float(percent)))

    def _row_changed(self, owner: str, setting: str) -> None:
        """Only this row's value is taken: what another shows may be rounded."""
        if not self._showing:
            value = self.rows[owner, setting].value()
            self._take(replace(self._recipe, restorer=replace(self._kept[owner], **{setting: value})))

    def _take(self, recipe: Recipe) -> None:
        if recipe != self._recipe:
            self.show_recipe(recipe)
            self.changed.emit(recipe)


class DenoiserRow(SettingRow):
    """A denoiser: one of those that the program knows by name, or a file of weights."""

    def __init__(self, item: Field[Any]) -> None:
        super().__init__(item)
        self._known: tuple[str, ...] = ()
        self._value = str(item.default)
        self.main = self.box = QComboBox()
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(20)
        self._add(self.box)
        self.box.activated.connect(self._chosen)
        self.show_value(self._value)

    def value(self) -> str:
        return self._value

    def show_value(self, value: str) -> None:
        self._value = value
        self.box.clear()
        if not value:
            self.box.addItem(NONE, "")
        for each in dict.fromkeys((*self._known, *((value,) if value else ()))):
            self.box.addItem(each if each in self._known else Path(each).name, each)
            self.box.setItemData(self.box.count() - 1, each, Qt.ItemDataRole.ToolTipRole)
        self.box.addItem(FILE)
        self.box.setCurrentIndex(self.box.findData(value))

    def show_known(self, known: Sequence[str]) -> None:
        """Those that have a name, beside files."""
        self._known = tuple(known)
        self.show_value(self._value)

    def _chosen(self, index: int) -> None:
        value = self.box.itemData(index)
        if value is None:
            self.box.setCurrentIndex(self.box.findData(self._value))  # until a file is chosen
            ask_weights(self, self._value, self.take)
        elif value != self._value:
            self.take(value)

    def take(self, value: str) -> None:
        """The person's choice."""
        self.show_value(value)
        self.changed.emit()
