"""A form made from the Settings: labels, help, bounds and choices are the engine's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QComboBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.presets import PRESETS, preset_of, with_preset
from ddm_gui.engine.settings import Settings
from ddm_gui.gui.learning.devices import Choice
from ddm_gui.gui.parts import button, label, vertical
from ddm_gui.gui.setting_rows import ChoiceRow, SettingRow, add_row, form_grid, setting_row
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


class SettingsForm(QWidget):
    """Shows Settings and tells each change a person makes."""

    changed = Signal(object)  # Settings

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = Settings()
        self._showing = False
        self.rows: dict[str, SettingRow] = {}
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
        forms = {False: form_grid(basic), True: form_grid(self._more)}
        preset_words = label("Preset")
        preset_words.setBuddy(self.preset_box)
        add_row(forms[False], preset_words, self.preset_box)
        add_row(forms[False], label(""), self._time)
        for item in fields(Settings):
            meta = item.metadata
            row = setting_row(item)
            words = label(meta["label"])
            words.setWordWrap(True)  # else the longest one makes the form wider than its column
            words.setToolTip(meta["help"])
            words.setBuddy(row.main)
            add_row(forms[meta["advanced"]], words, row)
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
        assert isinstance(row, ChoiceRow)
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
