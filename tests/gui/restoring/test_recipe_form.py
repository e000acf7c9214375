"""The form of the recipe: made from the restorers' own settings, each restorer keeping its own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.recipe import RESTORERS, Recipe
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.gui.restoring.recipe_form import DenoiserRow, RecipeForm


@pytest.fixture
def form(qtbot: QtBot) -> RecipeForm:
    made = RecipeForm()
    qtbot.addWidget(made)
    made.show()
    return made


def heard(form: RecipeForm) -> list[Recipe]:
    told: list[Recipe] = []
    form.changed.connect(told.append)
    return told


def choose(form: RecipeForm, name: str) -> None:
    form.restorer_box.setCurrentIndex(form.restorer_box.findData(name))
    form.restorer_box.activated.emit(form.restorer_box.currentIndex())


def test_there_is_a_row_for_every_setting_of_every_restorer_with_its_default(form: RecipeForm) -> None:
    wanted = {(name, item.name) for name, kind in RESTORERS.items() for item in fields(kind)}
    assert set(form.rows) == wanted
    assert all(
        row.value() == pytest.approx(getattr(RESTORERS[name](), item)) for (name, item), row in form.rows.items()
    )


def test_a_restorer_keeps_its_settings_while_another_is_tried(form: RecipeForm) -> None:
    told = heard(form)
    choose(form, "tv")
    form.rows["tv", "weight"].main.setValue(0.5)  # type: ignore[attr-defined]
    choose(form, "wiener")
    choose(form, "tv")
    weighted = TotalVariation(weight=0.5)
    assert [recipe.restorer for recipe in told] == [TotalVariation(), weighted, Wiener(), weighted]
    assert form.restorers == (Wiener(), weighted, Dpir())


def test_only_what_belongs_to_the_restorer_is_shown_and_what_matters_always(form: RecipeForm) -> None:
    rows = form.rows
    assert not any(row.isVisible() for row in rows.values())
    choose(form, "dpir")
    assert [name for name, row in rows.items() if row.isVisible()] == [("dpir", "denoiser")]
    form.more_button.click()
    assert {name for name, row in rows.items() if row.isVisible()} == {name for name in rows if name[0] == "dpir"}
    choose(form, "wiener")
    assert [name for name, row in rows.items() if row.isVisible()] == [("wiener", "noise_sigma")]


def test_strength_is_told_and_showing_tells_nothing(form: RecipeForm) -> None:
    told = heard(form)
    form.strength_slider.setValue(40)
    assert told == [Recipe(strength=40.0)]
    form.show_recipe(Recipe(TotalVariation(turns=7), 80.0))
    assert len(told) == 1
    assert form.rows["tv", "turns"].value() == 7
    assert form.restorer_box.currentData() == "tv"


def test_the_noise_is_measured_unless_a_number_is_given_which_begins_at_the_kernels(form: RecipeForm) -> None:
    told, row = heard(form), form.rows["wiener", "noise_sigma"]
    form.more_button.click()
    assert row.value() is None
    form.suggest_noise(0.02)
    assert row.value() is None
    assert told == []
    row.word.setChecked(False)  # type: ignore[attr-defined]
    assert told == [Recipe(Wiener(noise_sigma=0.02))]


def test_a_file_of_weights_is_asked_for_and_named(form: RecipeForm, tmp_path: Path) -> None:
    told = heard(form)
    choose(form, "dpir")
    row = form.rows["dpir", "denoiser"]
    assert isinstance(row, DenoiserRow)
    row.box.activated.emit(row.box.count() - 1)  # from a file
    dialog = row.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(tmp_path / "ffdnet.pth"))
    dialog.close()
    assert told[-1] == Recipe(Dpir(denoiser=str(tmp_path / "ffdnet.pth")))
    assert row.box.currentText() == "ffdnet.pth"


def test_known_denoisers_are_offered_by_name(qtbot: QtBot) -> None:
    (item,) = (item for item in fields(Dpir) if item.name == "denoiser")
    row = DenoiserRow(item)
    qtbot.addWidget(row)
    row.show_known(["our own"])
    with qtbot.waitSignal(row.changed):
        row.box.activated.emit(row.box.findData("our own"))
    assert row.value() == "our own"
