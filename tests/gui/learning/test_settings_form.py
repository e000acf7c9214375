"""The form is the settings, no more and no less."""

from __future__ import annotations

from dataclasses import fields

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QLineEdit, QSpinBox
from pytestqt.qtbot import QtBot

from ddm_gui.engine.presets import PRESETS, preset, with_preset
from ddm_gui.engine.settings import Settings
from ddm_gui.gui.learning.devices import Choice
from ddm_gui.gui.learning.settings_form import SettingsForm


@pytest.fixture
def form(qtbot: QtBot) -> SettingsForm:
    made = SettingsForm()
    qtbot.addWidget(made)
    made.show()
    return made


def test_every_setting_has_a_row_with_its_help(form: SettingsForm) -> None:
    for item in fields(Settings):
        assert form.rows[item.name].toolTip() == item.metadata["help"]
        assert form.rows[item.name].main.accessibleName() == item.metadata["label"]


def test_rows_say_what_they_were_told(form: SettingsForm) -> None:
    settings = Settings().with_changes({"kernel_size": 31, "channels": 1, "noise_sigma": 0.02, "mirror_clean": False})
    form.show_settings(settings)
    for item in fields(Settings):
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


def test_words_are_taken_when_they_are_finished_and_put_back_where_they_mean_nothing(
    form: SettingsForm, qtbot: QtBot
) -> None:
    form.more_button.click()
    edit = form.rows["degraded_aperture"].main
    assert isinstance(edit, QLineEdit)
    assert edit.text() == "any"
    for typed in ("11-16", "wide open"):
        edit.selectAll()
        qtbot.keyClicks(edit, typed)
        qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert form._settings.degraded_aperture == edit.text() == "11-16"
    assert "wide open" in form.refusal.text()
    assert form.refusal.isVisible()


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


# Presets and their times


def texts(form: SettingsForm) -> dict[str, str]:
    """What the box of presets offers, by the name that the engine has for it."""
    box = form.preset_box
    return {box.itemData(index): box.itemText(index) for index in range(box.count())}


def test_presets_have_plain_names_and_no_time_before_it_is_known(form: SettingsForm) -> None:
    assert list(texts(form)) == [*PRESETS, "custom"]
    assert (texts(form)["quick"], texts(form)["glance"], texts(form)["custom"]) == ("Quick", "A glance", "My own")


def test_a_preset_nobody_has_named_is_called_by_its_own_name(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "some-new-one", {"images_flow": 640})
    made = SettingsForm()
    qtbot.addWidget(made)
    assert texts(made)["some-new-one"] == "some-new-one"


def test_each_preset_says_how_long_it_takes_here(form: SettingsForm) -> None:
    form.show_estimate(preset("quick"), 480.0)
    form.show_estimate(preset("glance"), 250_000.0)
    assert texts(form)["quick"] == "Quick — about 8 min here"
    assert texts(form)["glance"] == "A glance — about 3 days here"
    assert texts(form)["custom"] == "My own"
    assert form._time.text() == "About 8 min on this machine"  # of the one that is chosen


def test_the_list_of_presets_is_wide_enough_for_the_longest_line(form: SettingsForm) -> None:
    form.show_estimate(preset("glance"), 250_000.0)
    form.preset_box.showPopup()
    longest = max(form.fontMetrics().horizontalAdvance(text) for text in texts(form).values())
    assert form.preset_box.view().viewport().width() >= longest
    form.preset_box.hidePopup()


def test_nothing_moves_when_a_time_becomes_known(form: SettingsForm, qtbot: QtBot) -> None:
    form.resize(280, 500)
    qtbot.wait(20)
    before = form.rows["kernel_size"].geometry()
    form.show_estimate(preset("quick"), 480.0)
    qtbot.wait(20)
    assert form.rows["kernel_size"].geometry() == before


def test_times_belong_to_the_settings_they_were_measured_for(form: SettingsForm) -> None:
    form.show_estimate(preset("quick"), 480.0)
    wide = Settings().with_changes({"kernel_size": 31})
    form.show_settings(wide)
    assert (texts(form)["quick"], form._time.text()) == ("Quick", "")
    form.show_estimate(with_preset(wide, "quick"), 1800.0)
    assert texts(form)["quick"] == "Quick — about 30 min here"
    form.show_settings(Settings())
    assert texts(form)["quick"] == "Quick — about 8 min here"


def test_my_own_settings_have_a_time_while_they_are_chosen(form: SettingsForm) -> None:
    own = Settings().with_changes({"images_flow": 48_000})
    form.show_settings(own)
    form.show_estimate(own, 300.0)
    assert form.preset_box.currentText() == "My own — about 5 min here"
    form.show_settings(preset("quick"))
    form.show_estimate(preset("quick"), 480.0)
    assert texts(form)["custom"] == "My own"


# Settings that do not apply


def shown(form: SettingsForm, name: str) -> tuple[bool, bool]:
    """Whether a setting's label and its control can be seen."""
    row = form.rows[name]
    words = next(label for label in form.findChildren(QLabel) if label.buddy() is row.main)
    return words.isVisible(), row.isVisible()


@pytest.fixture
def conditional(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> SettingsForm:
    """A form in which the start counts only with a known noise, and the centre prior only for small kernels."""
    conditions = {"start": lambda s: s.noise_sigma != "learn", "centre_weight": lambda s: s.kernel_size < 20}
    for item in fields(Settings):
        if item.name in conditions:
            monkeypatch.setattr(item, "metadata", {**item.metadata, "applies": conditions[item.name]})
    made = SettingsForm()
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_setting_that_does_not_apply_is_not_shown(conditional: SettingsForm) -> None:
    assert shown(conditional, "start") == (False, False)
    assert shown(conditional, "kernel_size") == (True, True)
    conditional.rows["noise_sigma"].word.click()  # type: ignore[attr-defined]
    assert shown(conditional, "start") == (True, True)
    conditional.rows["noise_sigma"].word.click()  # type: ignore[attr-defined]
    assert shown(conditional, "start") == (False, False)


def test_it_keeps_its_value_while_it_is_hidden(conditional: SettingsForm, qtbot: QtBot) -> None:
    conditional.show_settings(Settings().with_changes({"start": "flat"}))
    with qtbot.waitSignal(conditional.changed) as told:
        conditional.rows["noise_sigma"].word.click()  # type: ignore[attr-defined]
    assert told.args[0].start == "flat"


def test_a_setting_that_applies_is_still_one_of_the_further_settings(conditional: SettingsForm) -> None:
    conditional.show_settings(Settings().with_changes({"kernel_size": 11}))
    assert shown(conditional, "centre_weight") == (False, False)
    conditional.more_button.click()
    assert shown(conditional, "centre_weight") == (True, True)
    conditional.show_settings(Settings())
    assert shown(conditional, "centre_weight") == (False, False)
