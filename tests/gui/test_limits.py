"""What photos may ask of the machine: chosen once, kept, and heeded wherever photos are read or restored."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QPushButton, QWidget
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import LIMIT, SizeLimit, largest_megapixels
from ddm_gui.engine.restore.output import Output, planned
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.gui import limits
from ddm_gui.gui.controller import Controller
from ddm_gui.gui.limits import Limits, keep_limits, kept_limits
from ddm_gui.gui.limits_dialog import LimitsDialog
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.runs import Export
from ddm_gui.gui.state import Task

from .conftest import a_kernel, with_photos

OTHER = Limits(Budget(3.5), SizeLimit(900.0))


def choose(window: MainWindow, parent: QWidget, memory: float, size: float) -> None:
    """In the dialog that is open over a widget."""
    dialog = parent.findChild(LimitsDialog)
    assert dialog is not None
    dialog.rows["memory_budget"].number.setValue(memory)
    dialog.rows["largest_photo"].number.setValue(size)
    next(each for each in dialog.findChildren(QPushButton) if each.isDefault()).click()


def test_what_is_chosen_is_kept_for_the_next_window(window: MainWindow, qtbot: QtBot) -> None:
    assert window.controller.limits == Limits()
    window._ask_limits()
    choose(window, window, 3.5, 900.0)
    assert window.controller.limits == OTHER
    assert largest_megapixels() == 900.0
    again = Controller()
    assert again.limits == OTHER
    again.shut_down()


def test_what_is_given_up_changes_nothing_and_the_usual_can_be_had_again(window: MainWindow, qtbot: QtBot) -> None:
    window.controller.set_limits(OTHER)
    window._ask_limits()
    dialog = window.findChild(LimitsDialog)
    assert dialog is not None
    assert dialog.rows["memory_budget"].number.text() == "3.5 GB"
    assert dialog.rows["largest_photo"].number.text() == "900 megapixels"
    next(each for each in dialog.findChildren(QPushButton) if each.text() == "As usual").click()
    assert dialog.rows["memory_budget"].value() == Budget.memory_budget
    assert dialog.rows["largest_photo"].value() == SizeLimit.largest_photo
    dialog.reject()
    assert window.controller.limits == OTHER


@pytest.mark.parametrize("kept", ["", "many", "nan", "-3", "1e9"])
def test_what_is_kept_and_cannot_be_is_as_usual(kept: str) -> None:
    keep_limits(OTHER)
    assert kept_limits() == OTHER
    store = QSettings("ddm_gui", "ddm_gui")
    store.setValue(limits._MEMORY, kept)
    assert kept_limits() == Limits(Budget(), OTHER.size)
    store.setValue(limits._SIZE, kept)
    assert kept_limits() == Limits()


def test_what_the_environment_says_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_limits(OTHER)
    monkeypatch.setenv(LIMIT, "700")
    made = Controller()
    assert largest_megapixels() == made.limits.size.largest_photo == 700.0
    made.set_limits(OTHER)
    assert largest_megapixels() == 900.0
    monkeypatch.setenv(LIMIT, "many")  # photos are refused, saying so; the dialog opens all the same
    assert made.limits == OTHER
    made.shut_down()


def test_a_photo_that_was_too_large_is_shown_once_it_may_be(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, clean_folder: Path, degraded_folder: Path
) -> None:
    monkeypatch.setenv(LIMIT, "0.001")  # the photos have .004
    control = window.controller
    for role, folder in ((Role.CLEAN, clean_folder), (Role.DEGRADED, degraded_folder)):
        control.set_sources(role, [folder])
    qtbot.waitUntil(lambda: len(control.sets[Role.DEGRADED].problems) == 2, timeout=10_000)
    assert "File › Limits" in control.sets[Role.DEGRADED].problems[0].reason
    assert control.previews.before is None
    control.set_limits(Limits())
    qtbot.waitUntil(lambda: control.previews.before is not None, timeout=10_000)
    qtbot.waitUntil(window.run_bar.start_button.isEnabled, timeout=10_000)


def test_previews_shoot_outs_and_exports_heed_the_memory(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    control = window.controller
    control._psf = PsfGrid(a_kernel(), 0.01)
    control._set(has_kernel=True)
    control.set_limits(OTHER)
    qtbot.waitUntil(lambda: control.previews.before is not None, timeout=10_000)
    assert control.previews._way is not None
    assert control.previews._way.budget == OTHER.budget
    ground = control.shoot_out((Wiener(),), window.compare.canvas.seen)
    assert ground is not None
    assert ground.budget == OTHER.budget
    control.contest.stop()
    begun: list[tuple[Task, object]] = []
    monkeypatch.setattr(control, "_run", lambda *run: begun.append(run))
    output = Output(degraded_folder.parent / "out")
    control.export(planned([degraded_folder], output), output)
    ((task, run),) = begun
    assert task is Task.EXPORT
    assert isinstance(run, Export)
    assert run.budget == OTHER.budget


def test_the_limits_are_at_hand_where_photos_are_exported(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path
) -> None:
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window._ask_export()
    dialog = window.export_dialog
    assert dialog is not None
    dialog.limits_button.click()
    choose(window, dialog, 5.0, 400.0)
    assert window.controller.limits.budget == Budget(5.0)
    dialog.reject()
