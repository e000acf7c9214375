"""A form made from the Settings: labels, help, bounds and choices are the engine's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, fields
from functools import partial
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.settings import PRESETS, Settings, preset_of, with_preset
from ddm_gui.gui.devices import Choice
from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.words import duration

CUSTOM = "custom"
_PRESET_WORDS = {
    "glance": "A glance",
    "quick": "Quick",
    "thorough": "Thorough",
    "lens": "A lens over the field",
    "paper-ffhq-motion": "The paper: camera shake",
    "paper-ffhq-gaussian": "The paper: Gaussian blur",
    CUSTOM: "My own",
}
# What a choice means, where its value alone does not say it.
_CHOICE_WORDS = {
    ("channels", None): "As the photos are",
    ("channels", 1): "One blur",
    ("channels", 3): "One per colour",
    ("start", "spectral"): "The photos' spectra",
    ("start", "flat"): "A flat kernel",
    ("start", "random"): "A random kernel",
    ("noise_sigma", "learn"): "Learn it",
    ("noise_model", "gaussian"): "As strong everywhere",
    ("noise_model", "poisson-gaussian"): "Grows with light",
    ("light", "display"): "As displayed",
    ("light", "linear"): "Linear, of RAW",
}
_INT_MAX = 2**31 - 1  # of a QSpinBox


class SettingsForm(QWidget):
    """Shows Settings and tells each change a person makes."""

    changed = Signal(object)  # Settings

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = Settings()
        self._showing = False
        self.rows: dict[str, _Row] = {}
        self._conditions: list[tuple[Callable[[Settings], bool], tuple[QWidget, QWidget]]] = []
        self._estimates: dict[Settings, float] = {}  # seconds
        self.preset_box = _PresetBox()
        self.preset_box.setAccessibleName("Preset")
        self.preset_box.setToolTip(
            "How much effort a run makes: more is finer, and slower. The times are measured on this machine."
        )
        for name in (*PRESETS, CUSTOM):
            self.preset_box.addItem(_PRESET_WORDS.get(name, name), name)
        self.preset_box.activated.connect(self._preset_chosen)
        self._time = label("", "muted")
        self._time.setMinimumHeight(self._time.fontMetrics().height())  # nothing moves when the time becomes known
        self.more_button = button("More settings", "link", checkable=True)
        self.more_button.toggled.connect(self._show_more)
        basic, self._more = QWidget(), QWidget()
        self._more.setVisible(False)
        forms = {False: _form(basic), True: _form(self._more)}
        preset_words = label("Preset")
        preset_words.setBuddy(self.preset_box)
        _add_row(forms[False], preset_words, self.preset_box)
        _add_row(forms[False], label(""), self._time)
        for item in fields(Settings):
            meta = item.metadata
            row = _row(item)
            words = label(meta["label"])
            words.setWordWrap(True)  # else the longest one makes the form wider than its column
            words.setToolTip(meta["help"])
            words.setBuddy(row.main)
            _add_row(forms[meta["advanced"]], words, row)
            row.changed.connect(partial(self._row_changed, item.name))
            self.rows[item.name] = row
            if meta["applies"] is not None:
                self._conditions.append((meta["applies"], (words, row)))
        self.refusal = label("", "muted")
        self.refusal.setWordWrap(True)
        self.refusal.hide()
        layout = vertical(4, self)
        layout.addWidget(label("Settings", "heading"))
        layout.addWidget(basic)
        layout.addWidget(self.more_button)
        layout.addWidget(self._more)
        layout.addWidget(self.refusal)
        layout.addStretch()
        self.show_settings(self._settings)

    def show_settings(self, settings: Settings) -> None:
        """Puts values into the rows; tells nothing."""
        self._showing = True
        self._settings = settings
        for name, row in self.rows.items():
            row.show_value(getattr(settings, name))
        for applies, widgets in self._conditions:
            for widget in widgets:
                widget.setVisible(applies(settings))
        chosen = self.preset_box.currentData()  # two presets may be the same numbers: what was chosen stays chosen
        if chosen not in PRESETS or with_preset(settings, chosen) != settings:
            self.preset_box.setCurrentIndex(self.preset_box.findData(preset_of(settings) or CUSTOM))
        self._name_presets()
        self._showing = False

    def show_estimate(self, settings: Settings, seconds: float) -> None:
        """How long a run with these settings takes on this machine: said wherever a preset would make them."""
        self._estimates[settings] = seconds
        self._name_presets()

    def show_devices(self, choices: tuple[Choice, ...]) -> None:
        """The devices that were found; one that failed its test is named with the reason, and cannot be chosen."""
        row = self.rows["device"]
        assert isinstance(row, _ChoiceRow)
        self._showing = True
        row.show_choices([("auto", "The best there is", ""), *((c.name, c.text, c.reason) for c in choices)])
        row.show_value(self._settings.device)
        self._showing = False

    def _row_changed(self, name: str) -> None:
        """Only this row's value is taken: what another shows may be rounded.

        One that does not go with the other settings is put back, and the reason said.
        """
        if self._showing:
            return
        try:
            changed = self._settings.with_changes({name: self.rows[name].value()})
        except UserError as error:
            self.refusal.setText(str(error))
            self.refusal.show()
            self.show_settings(self._settings)
            return
        self._take(changed)

    def _preset_chosen(self) -> None:
        name = self.preset_box.currentData()
        if name in PRESETS:
            self._take(with_preset(self._settings, name))

    def _take(self, settings: Settings) -> None:
        self.refusal.hide()
        if settings != self._settings:
            self.show_settings(settings)
            self.changed.emit(settings)

    def _name_presets(self) -> None:
        """Plain names, and the time that each takes where it is known; that of 'My own' while it is chosen."""
        for index in range(self.preset_box.count()):
            name = self.preset_box.itemData(index)
            settings = self._settings if name == CUSTOM else with_preset(self._settings, name)
            chosen = name != CUSTOM or index == self.preset_box.currentIndex()
            seconds = self._estimates.get(settings) if chosen else None
            words = _PRESET_WORDS.get(name, name)
            self.preset_box.setItemText(
                index, words if seconds is None else f"{words} — about {duration(seconds)} here"
            )
        known = self._estimates.get(self._settings)
        self._time.setText("" if known is None else f"About {duration(known)} on this machine")
        self.preset_box.fit_list()

    def _show_more(self, more: bool) -> None:
        self._more.setVisible(more)
        self.more_button.setText("Fewer settings" if more else "More settings")


class _PresetBox(QComboBox):
    """Its list says how long each preset takes here; closed, it shows the name alone: there is no room for both."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def fit_list(self) -> None:
        """Makes the list as wide as its longest line."""
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + 24)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draws the box as ever, with other words in it."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        name = self.currentData()
        option.currentText = _PRESET_WORDS.get(name, name)
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class _Row(QWidget):
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


class _ChoiceRow(_Row):
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


class _CheckRow(_Row):
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


class _TextRow(_Row):
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


class _NumberRow(_Row):
    """A number in bounds; beside it a check box where a word ('learn') can stand for it."""

    def __init__(self, item: Field[Any]) -> None:
        super().__init__(item)
        meta = item.metadata
        self._word = meta["choices"][0] if meta["choices"] else None
        whole = isinstance(item.default, int)
        self.number: QSpinBox | QDoubleSpinBox = QSpinBox() if whole else _Decimal()
        self.main = self.number
        if self._word is not None:
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
        if self._word is not None and self.word.isChecked():
            return self._word
        return self.number.value()

    def show_value(self, value: Any) -> None:
        if self._word is not None:
            self.word.setChecked(value == self._word)
            self.number.setVisible(value != self._word)
        if value != self._word:
            self.number.setValue(value)

    def _word_toggled(self, on: bool) -> None:
        self.number.setVisible(not on)
        self.changed.emit()


def _row(item: Field[Any]) -> _Row:
    """The control for a setting."""
    meta = item.metadata
    if item.name == "device":
        return _ChoiceRow(item, [("auto", "The best there is", "")])
    if meta["low"] is not None:
        return _NumberRow(item)
    if meta["choices"]:
        words = [(c, _CHOICE_WORDS.get((item.name, c), str(c)), "") for c in meta["choices"]]
        return _ChoiceRow(item, words)
    if isinstance(item.default, bool):
        return _CheckRow(item)
    if isinstance(item.default, str):
        return _TextRow(item)
    raise TypeError(f"no control for the setting {item.name}")


def _form(widget: QWidget) -> QGridLayout:
    form = QGridLayout(widget)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(5)
    form.setHorizontalSpacing(10)
    form.setColumnStretch(1, 1)
    return form


def _add_row(form: QGridLayout, words: QLabel, control: QWidget) -> None:
    row = form.rowCount()
    form.addWidget(words, row, 0)
    form.addWidget(control, row, 1)
