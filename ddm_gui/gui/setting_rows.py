"""One control for each setting, made from what the engine says of it: label, help, bounds, choices."""

from __future__ import annotations

from dataclasses import Field
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from ddm_gui.gui.parts import horizontal

# What a choice means, where its value alone does not say it.
_CHOICE_WORDS = {
    ("channels", None): "As the photos are",
    ("channels", 1): "One blur",
    ("channels", 3): "One per colour",
    ("start", "spectral"): "The photos' spectra",
    ("start", "flat"): "A flat kernel",
    ("start", "random"): "A random kernel",
    ("noise_sigma", "learn"): "Learn it",
    ("noise_sigma", None): "Measure it",
    ("noise_model", "gaussian"): "As strong everywhere",
    ("noise_model", "poisson-gaussian"): "Grows with light",
    ("light", "display"): "As displayed",
    ("light", "linear"): "Linear",
}
_INT_MAX = 2**31 - 1  # of a QSpinBox


class SettingRow(QWidget):
    """One setting's control. `main` is what its label belongs to."""

    changed = Signal()
    main: QWidget

    def __init__(self, item: Field[Any]) -> None:
        super().__init__()
        self._item = item
        self._layout = horizontal(6, self)
        self.setToolTip(item.metadata["help"])

    def _add(self, control: QWidget, name: str = "") -> None:
        control.setAccessibleName(name or self._item.metadata["label"])
        control.setAccessibleDescription(self._item.metadata["help"])
        self._layout.addWidget(control)
        for edit in control.findChildren(QLineEdit):
            edit.setAccessibleName(control.accessibleName())

    def value(self) -> Any:
        """What the control says."""
        raise NotImplementedError

    def show_value(self, value: Any) -> None:
        """Makes the control say this."""
        raise NotImplementedError


class ChoiceRow(SettingRow):
    """One of a few values."""

    def __init__(self, item: Field[Any], choices: list[tuple[Any, str, str]]) -> None:
        super().__init__(item)
        self._values: list[Any] = []
        self.main = self.box = QComboBox()
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(10)
        self._add(self.box)
        self.show_choices(choices)
        self.box.activated.connect(self.changed)

    def show_choices(self, choices: list[tuple[Any, str, str]]) -> None:
        """Value, text, and why it cannot be chosen ('' where it can)."""
        self.box.clear()
        self._values = [value for value, _, _ in choices]
        for index, (_, text, reason) in enumerate(choices):
            self.box.addItem(f"{text} (not usable)" if reason else text)
            self.box.setItemData(index, reason or text, Qt.ItemDataRole.ToolTipRole)
            if reason:
                self.box.model().item(index).setEnabled(False)  # type: ignore[attr-defined]

    def value(self) -> Any:
        return self._values[self.box.currentIndex()]

    def show_value(self, value: Any) -> None:
        if value not in self._values:  # a device of another machine, from an opened project
            self._values.append(value)
            self.box.addItem(f"{value} (not found here)")
        self.box.setCurrentIndex(self._values.index(value))


class CheckRow(SettingRow):
    """Yes or no."""

    def __init__(self, item: Field[Any]) -> None:
        super().__init__(item)
        self.main = self.box = QCheckBox("Yes")
        self._add(self.box)
        self.box.toggled.connect(self.changed)

    def value(self) -> bool:
        return self.box.isChecked()

    def show_value(self, value: bool) -> None:
        self.box.setChecked(value)


class TextRow(SettingRow):
    """A few words, taken when the person is done with them."""

    def __init__(self, item: Field[Any]) -> None:
        super().__init__(item)
        self.main = self.edit = QLineEdit()
        self._add(self.edit)
        self.edit.editingFinished.connect(self.changed)

    def value(self) -> str:
        return self.edit.text().strip()

    def show_value(self, value: str) -> None:
        self.edit.setText(value)


class _Decimal(QDoubleSpinBox):
    """A number with as many digits as it needs."""

    def textFromValue(self, value: float) -> str:
        return f"{value:.8g}"


class NumberRow(SettingRow):
    """A number in bounds; beside it a check box where a word ('learn') or nothing can stand for it."""

    def __init__(self, item: Field[Any]) -> None:
        super().__init__(item)
        meta = item.metadata
        self._has_word = bool(meta["choices"])
        self._word = meta["choices"][0] if self._has_word else None
        whole = isinstance(item.default, int)
        self.number: QSpinBox | QDoubleSpinBox = QSpinBox() if whole else _Decimal()
        self.main = self.number
        if self._has_word:
            self.word = QCheckBox(_CHOICE_WORDS.get((item.name, self._word), str(self._word)))
            self._add(self.word, f"{meta['label']}: {self.word.text()}")
            self.word.toggled.connect(self._word_toggled)
        if isinstance(self.number, QSpinBox):
            self.number.setRange(int(meta["low"]), min(int(meta["high"]), _INT_MAX))
        else:
            self.number.setDecimals(8)
            self.number.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
            self.number.setRange(meta["low"], meta["high"])
        self.number.setGroupSeparatorShown(whole and meta["high"] > 9999 and item.name != "seed")
        self.number.setKeyboardTracking(False)
        self.number.setSuffix(f" {meta['unit']}" if meta["unit"] else "")
        self.number.setMinimumWidth(70)
        self.number.lineEdit().setTextMargins(4, 0, 0, 0)
        self._add(self.number)
        self.number.valueChanged.connect(self.changed)

    def value(self) -> Any:
        if self._has_word and self.word.isChecked():
            return self._word
        return self.number.value()

    def show_value(self, value: Any) -> None:
        is_word = self._has_word and value == self._word
        if self._has_word:
            self.word.setChecked(is_word)
            self.number.setVisible(not is_word)
        if not is_word:
            self.number.setValue(value)

    def suggest(self, value: float) -> None:
        """A number to begin with, once the person takes the word away."""
        if self._has_word and self.word.isChecked() and isinstance(self.number, QDoubleSpinBox):
            self.number.blockSignals(True)
            self.number.setValue(value)
            self.number.blockSignals(False)

    def _word_toggled(self, on: bool) -> None:
        self.number.setVisible(not on)
        self.changed.emit()


def setting_row(item: Field[Any]) -> SettingRow:
    """The control for a setting."""
    meta = item.metadata
    if item.name == "device":
        return ChoiceRow(item, [("auto", "The best there is", "")])
    if meta["low"] is not None:
        return NumberRow(item)
    if meta["choices"]:
        words = [(c, _CHOICE_WORDS.get((item.name, c), str(c)), "") for c in meta["choices"]]
        return ChoiceRow(item, words)
    if isinstance(item.default, bool):
        return CheckRow(item)
    if isinstance(item.default, str):
        return TextRow(item)
    raise TypeError(f"no control for the setting {item.name}")


def form_grid(widget: QWidget) -> QGridLayout:
    """An empty grid for labels and their rows."""
    form = QGridLayout(widget)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(5)
    form.setHorizontalSpacing(10)
    form.setColumnStretch(1, 1)
    return form


def add_row(form: QGridLayout, words: QLabel, control: QWidget) -> None:
    """One more line of a form."""
    row = form.rowCount()
    form.addWidget(words, row, 0)
    form.addWidget(control, row, 1)
