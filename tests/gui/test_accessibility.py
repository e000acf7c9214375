"""Who uses the window by keyboard or by ear: every control has a name, an order, and a sign that it has the focus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QAction
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QProgressBar,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import PhotoSkipped
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.output import Output, Planned
from ddm_gui.engine.restore.recipe import Recipe
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.gui.dialogs import AboutDialog, CloseDialog, ListDialog, SavingDialog, TroubleDialog
from ddm_gui.gui.limits import Limits
from ddm_gui.gui.limits_dialog import LimitsDialog
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.restoring.denoiser_dialog import DenoiserDialog
from ddm_gui.gui.restoring.export_dialog import ExportDialog
from ddm_gui.gui.restoring.shoot_out import ShootOut
from ddm_gui.gui.viewer.panes import Mode

from .conftest import a_kernel, with_photos

CONTROLS = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QGraphicsView,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
)


def spoken(widget: QWidget) -> str:
    """What a screen reader calls a widget."""
    found = QAccessible.queryAccessibleInterface(widget)
    return found.text(QAccessible.Text.Name).strip() if found is not None else ""


def inside_combo(widget: QWidget) -> bool:
    """The list that a combo box opens, which bears the combo box's name."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QComboBox):
        parent = parent.parentWidget()
    return parent is not None


def reached_by_tab(widget: QWidget) -> bool:
    return bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.focusProxy() is None


def controls(top: QWidget) -> list[QWidget]:
    """All that a person can use or reach, shown or not, and all that shows a state without words."""
    return [
        widget
        for widget in top.findChildren(QWidget)
        if (isinstance(widget, CONTROLS) or reached_by_tab(widget))
        and not isinstance(widget, QScrollBar)
        and not inside_combo(widget)
    ]


def unnamed(top: QWidget) -> list[str]:
    """Controls that a screen reader would call nothing; or, for a combo box, only by the value that it has.

    (On Linux that value is a combo box's name to Qt, and its label is what it belongs to.)
    """
    labelled = {label.buddy() for label in top.findChildren(QLabel)}
    found = []
    for control in controls(top):
        named = bool(spoken(control))
        if isinstance(control, QComboBox):
            named = bool(control.accessibleName()) and control in labelled
        if not named:
            found.append(f"{type(control).__name__} {control.objectName()} in {type(control.parent()).__name__}")
    return found


@pytest.fixture
def full(window: MainWindow, qtbot: QtBot, clean_folder: Path, degraded_folder: Path) -> Iterator[MainWindow]:
    """The window with all that it can show: photos, one left out, a kernel with its history, all settings."""
    (clean_folder / "broken.png").write_bytes(b"this is no photo")
    with_photos(window, qtbot, clean_folder, degraded_folder)
    window.kernel_view.add_snapshot(64, a_kernel())
    window.kernel_view.add_snapshot(128, a_kernel())
    window.settings_form.more_button.click()
    window.recipe_form.show_recipe(Recipe(Dpir()))
    window.recipe_form.show_can_compare(True)
    window.recipe_form.more_button.click()
    window.compare._mode_wanted(Mode.DIFFERENCE)
    qtbot.waitUntil(window.compare.fit_button.isEnabled, timeout=10_000)
    qtbot.wait(50)  # until all is laid out
    return window


def test_every_control_of_the_window_has_a_name(full: MainWindow) -> None:
    assert len(controls(full)) > 50
    assert unnamed(full) == []


def test_a_control_without_a_name_would_be_found(window: MainWindow) -> None:
    bare = [QLineEdit(window), QComboBox(window), QProgressBar(window)]
    assert sorted(text.split()[0] for text in unnamed(window)) == ["QComboBox", "QLineEdit", "QProgressBar"]
    for widget in bare:
        widget.setParent(None)


DIALOGS: dict[str, Callable[[QWidget], QDialog]] = {
    "trouble": lambda parent: TroubleDialog("What.", "Why.", "What to do.", None, parent),
    "bug": lambda parent: TroubleDialog("What.", "Why.", "What to do.", Path("log"), parent),
    "list": lambda parent: ListDialog("Photos left out", "These.", ["a.png: It is damaged."], parent),
    "close": lambda parent: CloseDialog(parent),
    "saving": lambda parent: SavingDialog(parent),
    "about": lambda parent: AboutDialog("1", parent),
    "limits": lambda parent: LimitsDialog(Limits(), parent),
    "denoiser": lambda parent: DenoiserDialog(parent),
    "shoot-out": lambda parent: ShootOut((Wiener(), Dpir()), Wiener(), parent),
    "export": lambda parent: ExportDialog([Path("a.png")], Path("restored"), parent),
}


@pytest.mark.parametrize("name", DIALOGS)
def test_every_control_of_a_dialog_has_a_name(window: MainWindow, name: str) -> None:
    dialog = DIALOGS[name](window)
    dialog.open()
    if isinstance(dialog, ExportDialog):
        output = Output(Path("restored"))
        dialog._asked = output
        dialog.show_plan(output, (Planned(Path("a.png"), Path("restored/a.png"), there=True),))
        dialog.take(PhotoSkipped("a.png", "It is damaged."))
        dialog.show_end(stopped=False, failed=False)
        assert dialog.again_button.isVisible()
    assert unnamed(dialog) == []
    assert dialog.windowTitle()
    dialog.done(0)


def test_every_entry_of_the_menus_has_words(window: MainWindow) -> None:
    entries = [action for menu in window.findChildren(QMenu) for action in menu.actions() if not action.isSeparator()]
    assert len(entries) > 10
    assert all(isinstance(action, QAction) and action.text() for action in entries)


def tab_order(top: QWidget) -> list[QWidget]:
    """What the Tab key goes to, one after another, from the upper left on."""
    found = []
    widget = top.nextInFocusChain()
    while widget is not top:
        if widget.window() is top and widget.isVisible() and widget.isEnabled() and reached_by_tab(widget):
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found


def test_every_button_can_be_reached_by_the_keyboard(full: MainWindow) -> None:
    order = tab_order(full)
    buttons = [button for button in full.findChildren(QAbstractButton) if button.isVisible() and button.isEnabled()]
    assert [button.text() for button in buttons if button not in order] == []


def test_tab_goes_through_the_columns_from_left_to_right_and_down_each(full: MainWindow) -> None:
    columns = ((full.folders, full.settings_form, full.project_line), (full.run_bar, full.recipe_form, full.compare))
    columns += ((full.kernel_view, full.plots),)
    places = {room: (column, row) for column, rooms in enumerate(columns) for row, room in enumerate(rooms)}

    def place(widget: QWidget) -> tuple[int, int, int, int]:
        """Column, view, and within the view the row (those less than 12 pixels apart are one) and the place in it."""
        room = widget
        while room not in places:
            room = room.parentWidget()
        middle = widget.mapTo(room, widget.rect().center())
        return (*places[room], round(middle.y() / 12), middle.x())

    order = [place(widget) for widget in tab_order(full)]
    assert len(order) > 25
    assert order == sorted(order)


def test_tab_in_the_export_dialog_goes_down_and_ends_at_the_buttons(window: MainWindow) -> None:
    dialog = ExportDialog([Path("a.png")], Path("restored"), window)
    dialog.open()
    output = Output(Path("restored"))
    dialog._asked = output
    dialog.show_plan(output, (Planned(Path("a.png"), Path("restored/a.png"), there=True),))
    form = dialog.form
    form.format_box.setCurrentIndex(form.format_box.findData("jpeg"))
    dialog._output = output  # as after its plan has come
    dialog._offer()
    wanted = [form.folder_edit, form.choose_button, form.name_edit, form.format_box, form.quality_box]
    wanted += [form.private_box, form.existing_box, dialog.view, dialog.details, dialog.close_button]
    order = [widget for widget in tab_order(dialog) if not isinstance(widget, QLabel)]
    assert [widget for widget in order if widget in wanted] == wanted
    assert order[-1] is dialog.export_button
    dialog.done(0)


def test_what_has_the_focus_can_be_seen(full: MainWindow, qtbot: QtBot) -> None:
    full.kernel_view.log_button.setChecked(True)
    seen = (full.run_bar.start_button, full.kernel_view.log_button, full.compare.one_button, full.compare.canvas)
    for widget in (*seen, full.compare.filmstrip, full.settings_form.preset_box):
        full.activateWindow()
        full.settings_form.more_button.setFocus()
        qtbot.waitUntil(full.settings_form.more_button.hasFocus, timeout=5_000)
        before = widget.grab().toImage()
        widget.setFocus()
        qtbot.waitUntil(widget.hasFocus, timeout=5_000)
        after = widget.grab().toImage()
        edge = QPoint(widget.width() // 2, 0)
        assert before.pixelColor(edge) != after.pixelColor(edge), spoken(widget)
