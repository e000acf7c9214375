"""The form is the settings, no more and no less."""

from __future__ import annotations

from dataclasses import fields

import pytest
from PySide6.QtWidgets import QComboBox, QSpinBox
from pytestqt.qtbot import QtBot

from ddm_gui.engine.settings import PRESETS, Settings, preset
from ddm_gui.gui.devices import Choice
from ddm_gui.gui.settings_form import NOT_YET, SettingsForm


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    made = SettingsForm()
    qtbot.addWidget(made)
    made.show()
    return made


def test_every_setting_has_a_row_with_its_help(form: SettingsForm) -> None:
    for item in fields(Settings):
        if item.name not in NOT_YET:
            assert form.rows[item.name].toolTip() == item.metadata["help"]
            assert form.rows[item.name].main.accessibleName() == item.metadata["label"]


def test_rows_say_what_they_were_told(form: SettingsForm) -> None:
    settings = Settings().with_changes({"kernel_size": 31, "channels": 1, "noise_sigma": 0.02, "mirror_clean": False})
    form.show_settings(settings)
    for item in fields(Settings):
        if item.name not in NOT_YET:
            assert form.rows[item.name].value() == getattr(settings, item.name), item.name


def test_showing_tells_nothing(form: SettingsForm, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(form.changed):
        form.show_settings(Settings().with_changes({"kernel_size": 31}))


def test_a_change_is_told_as_settings(form: SettingsForm, qtbot: QtBot) -> None:
    number = form.rows["kernel_size"].main
    assert isinstance(number, QSpinBox)
    with qtbot.waitSignal(form.changed) as told:
        number.setValue(31)
    assert told.args == [Settings().with_changes({"kernel_size": 31})]


def test_a_value_finer_than_the_form_shows_is_kept(form: SettingsForm, qtbot: QtBot) -> None:
    fine = Settings().with_changes({"kernel_rate": 0.0123456789012})
    form.show_settings(fine)
    with qtbot.waitSignal(form.changed) as told:
        form.rows["kernel_size"].main.setValue(31)  # type: ignore[attr-defined]
    assert told.args[0].kernel_rate == 0.0123456789012


def test_one_blur_or_one_per_colour(form: SettingsForm, qtbot: QtBot) -> None:
    box = form.rows["channels"].main
    assert isinstance(box, QComboBox)
    assert [box.itemText(index) for index in range(3)] == ["As the photos are", "One blur", "One per colour"]
    with qtbot.waitSignal(form.changed) as told:
        box.setCurrentIndex(1)
        box.activated.emit(1)
    assert told.args[0].channels == 1


def choose_preset(form: SettingsForm, name: str) -> None:
    index = form.preset_box.findData(name)
    form.preset_box.setCurrentIndex(index)
    form.preset_box.activated.emit(index)


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_changes_the_effort_and_nothing_else(form: SettingsForm, name: str) -> None:
    form.show_settings(Settings().with_changes({"kernel_size": 31, "images_flow": 640, "seed": 7}))
    assert form.preset_box.currentData() == "custom"
    told: list[Settings] = []
    form.changed.connect(told.append)
    choose_preset(form, name)
    kept = {"seed": 7} if "kernel_size" in PRESETS[name] else {"seed": 7, "kernel_size": 31}
    assert told[-1] == preset(name).with_changes(kept)
    assert form.preset_box.currentData() == name


@pytest.mark.parametrize("after", ["quick", "glance"])
def test_another_preset_puts_back_all_that_the_papers_has_set(form: SettingsForm, after: str) -> None:
    told: list[Settings] = []
    form.changed.connect(told.append)
    choose_preset(form, "paper-ffhq-gaussian")
    assert told[-1] == preset("paper-ffhq-gaussian")
    choose_preset(form, after)
    assert told[-1] == preset(after)


def test_a_choice_that_does_not_go_with_the_others_is_taken_back_and_the_reason_said(
    form: SettingsForm, qtbot: QtBot
) -> None:
    with qtbot.assertNotEmitted(form.changed):
        form.rows["whiten"].main.setChecked(False)  # type: ignore[attr-defined]
    assert form.rows["whiten"].value() is True
    assert "whiten" in form.refusal.text()
    assert form.refusal.isVisible()
    form.rows["kernel_size"].main.setValue(31)  # type: ignore[attr-defined]
    assert not form.refusal.isVisible()


def test_more_settings_are_hidden_at_first(form: SettingsForm) -> None:
    assert not form.rows["patch_size"].isVisible()
    form.more_button.click()
    assert form.rows["patch_size"].isVisible()


def test_a_device_that_failed_its_test_cannot_be_chosen(form: SettingsForm) -> None:
    form.show_devices(
        (Choice("cpu", "Processor (CPU)", True, ""), Choice("cuda:0", "Old card, 2 GB", False, "It has no kernels."))
    )
    box = form.rows["device"].main
    assert isinstance(box, QComboBox)
    assert box.currentText() == "The best there is"
    assert box.itemText(2) == "Old card, 2 GB (not usable)"
    assert not box.model().item(2).isEnabled()  # type: ignore[attr-defined]
