"""What may be exported where, which files that gives, and what is told of each photo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QDesktopServices
from pytestqt.qtbot import QtBot

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import PhotoKept, PhotoProgress, PhotoRestored, PhotoSkipped, PhotoStarted
from ddm_gui.engine.photos.photo_files import FLOAT
from ddm_gui.engine.receipt import Receipt
from ddm_gui.engine.restore.output import Existing, Output, Planned, planned
from ddm_gui.gui.restoring.export_dialog import ExportDialog
from ddm_gui.gui.restoring.export_form import ExportForm
from ddm_gui.gui.restoring.export_table import State

from ..conftest import save_photos


def answer(dialog: ExportDialog) -> None:
    """What the window would tell, at once."""

    def tell(originals: tuple[Path, ...], output: Output) -> None:
        try:
            dialog.show_plan(output, planned(originals, output))
        except UserError as error:
            dialog.show_plan(output, error)

    dialog.plan_wanted.connect(tell)


@pytest.fixture
def dialog(qtbot: QtBot, own_folders: Path, tmp_path: Path) -> Iterator[ExportDialog]:
    """Of three photos, with a plan for them."""
    originals = sorted(save_photos(own_folders / "degraded", 3).iterdir())
    made = ExportDialog(originals, tmp_path / "restored")
    answer(made)
    made.show()
    qtbot.waitUntil(made.export_button.isEnabled)
    yield made
    made.show_end(stopped=False, failed=False)
    made.close()


def settled(qtbot: QtBot, dialog: ExportDialog) -> None:
    """Until the last change has its plan, or is refused."""
    qtbot.waitUntil(lambda: not dialog._rest.isActive())


def restored(dialog: ExportDialog, place: int, receipt: Receipt | None = None, warning: str = "") -> None:
    item = dialog.table.rows[place].planned
    dialog.take(PhotoStarted(str(item.source), 3))
    dialog.take(PhotoRestored(str(item.source), str(item.target), 1, 3, receipt=receipt, warning=warning))


def skipped(dialog: ExportDialog, place: int, reason: str) -> None:
    dialog.take(PhotoSkipped(str(dialog.table.rows[place].planned.source), reason))


def states(dialog: ExportDialog) -> list[State]:
    return [row.state for row in dialog.table.rows]


def shown(dialog: ExportDialog, row: int) -> list[str]:
    model = dialog.view.model()
    return [model.data(model.index(row, column)) for column in range(model.columnCount())]


# What would come of it


def test_the_folder_of_the_originals_is_refused(dialog: ExportDialog, qtbot: QtBot, own_folders: Path) -> None:
    dialog.form.folder_edit.setText(str(own_folders / "degraded" / ".." / "degraded"))
    assert not dialog.export_button.isEnabled()
    qtbot.waitUntil(lambda: "folder of the originals" in dialog._warning.text())
    dialog.form.folder_edit.setText("")
    qtbot.waitUntil(lambda: "Choose a folder" in dialog._warning.text())
    assert not dialog.export_button.isEnabled()


def test_names_are_shown_as_they_are_typed(dialog: ExportDialog, qtbot: QtBot) -> None:
    assert dialog.form.example.text() == "photo0.png becomes photo0.png"
    dialog.form.name_edit.setText("{stem} sharp {n}")
    assert not dialog.export_button.isEnabled()
    qtbot.waitUntil(dialog.export_button.isEnabled)
    assert dialog.form.example.text() == "photo0.png becomes photo0 sharp 1.png"
    assert shown(dialog, 2) == ["photo2.png", "Waiting", "photo2 sharp 3.png", ""]
    dialog.form.name_edit.setText("{title}")
    settled(qtbot, dialog)
    assert "no field {title}" in dialog._warning.text()
    assert not dialog.export_button.isEnabled()


def test_what_does_not_apply_is_hidden(dialog: ExportDialog, qtbot: QtBot) -> None:
    form = dialog.form

    def choose(file_format: str) -> tuple[list[object], bool]:
        form.format_box.setCurrentIndex(form.format_box.findData(file_format))
        depths = [form.depth_box.itemData(index) for index in range(form.depth_box.count())]
        return depths if form.depth_box.isVisible() else [], form.quality_box.isVisible()

    assert choose("png") == ([None, 8, 16], False)
    assert choose("tiff") == ([None, 8, 16, FLOAT], False)
    assert choose("jpeg") == ([], True)
    assert choose("same") == ([], False)
    assert not form.existing_box.isVisible()
    with_jpeg = ExportForm([Path("a.jpg")], Path("restored"))
    assert not with_jpeg.quality_box.isHidden()
    qtbot.addWidget(with_jpeg)


def test_export_tells_the_plan_and_all_that_was_chosen(dialog: ExportDialog, qtbot: QtBot, tmp_path: Path) -> None:
    form = dialog.form
    form.name_edit.setText("{n}")
    form.format_box.setCurrentIndex(form.format_box.findData("tiff"))
    form.depth_box.setCurrentIndex(form.depth_box.findData(16))
    form.private_box.setChecked(True)
    settled(qtbot, dialog)
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.export_button.click()
    plan, output = told.args
    assert [item.target.name for item in plan] == ["1.tif", "2.tif", "3.tif"]
    assert output == Output(tmp_path / "restored", "{n}", "tiff", 16, 95, True, Existing.REFUSE)


def test_files_that_are_there_are_told_and_the_person_says_what_becomes_of_them(
    dialog: ExportDialog, qtbot: QtBot, tmp_path: Path
) -> None:
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "photo1.png").write_bytes(b"old")
    dialog.form.quality_box.setValue(80)  # a change: the folder is looked at again
    qtbot.waitUntil(dialog.form.existing_box.isVisible)
    assert dialog.form._existing_label.text() == "1 of 3 photos is there already"
    for choice, name in (
        (Existing.KEEP, "photo1.png"),
        (Existing.NUMBER, "photo1_2.png"),
        (Existing.REPLACE, "photo1.png"),
    ):
        dialog.form.existing_box.setCurrentIndex(dialog.form.existing_box.findData(choice))
        settled(qtbot, dialog)
        assert dialog.form.existing_box.isVisible()
        assert dialog.table.rows[1].planned.target.name == name
        with qtbot.waitSignal(dialog.export_wanted) as told:
            dialog.export_button.click()
        assert told.args[1].existing is choice
        dialog.show_end(stopped=True, failed=False)


def test_an_answer_to_what_was_asked_before_is_not_taken(dialog: ExportDialog, qtbot: QtBot) -> None:
    old = dialog._asked
    assert old is not None
    dialog.form.name_edit.setText("{n}")
    settled(qtbot, dialog)
    dialog.show_plan(old, (Planned(Path("a.png"), Path("b.png")),))
    assert [row.planned.target.name for row in dialog.table.rows] == ["1.png", "2.png", "3.png"]


# The run


def test_each_photo_s_state_and_receipt_is_shown(dialog: ExportDialog) -> None:
    dialog.export_button.click()
    first = str(dialog.table.rows[0].planned.source)
    dialog.take(PhotoStarted(first, 3))
    dialog.take(PhotoProgress(first, 0.4))
    assert shown(dialog, 0)[1] == "At work, 40 %"
    restored(dialog, 0, Receipt("16-bit", tags=41, tags_kept=41, kept=("Adobe RGB (1998)",)))
    restored(dialog, 1, Receipt("8-bit", lost=("alpha: JPEG has none",)))
    item = dialog.table.rows[2].planned
    dialog.take(PhotoKept(str(item.source), str(item.target), 3, 3))
    dialog.show_end(stopped=False, failed=False)
    assert shown(dialog, 0) == ["photo0.png", "Done", "photo0.png", "16-bit, Adobe RGB (1998) kept, 41 of 41 tags"]
    assert shown(dialog, 1)[1::2] == ["Done, with a word", "8-bit; not kept: alpha: JPEG has none"]
    assert shown(dialog, 2)[1] == "There already"
    assert dialog._status.text() == "Done: 2 photos written, 1 there already. Of 1 photo there is something to read."
    assert dialog.open_button.isVisible()
    assert not dialog.export_button.isEnabled()
    assert not dialog.again_button.isVisible()


def test_a_warning_is_read_first(dialog: ExportDialog) -> None:
    dialog.export_button.click()
    restored(dialog, 1, Receipt("8-bit"), "This blur may not be the photo's own.")
    dialog.view.selectRow(1)
    assert dialog.details.toPlainText().splitlines()[1:] == ["This blur may not be the photo's own.", "8-bit"]
    assert states(dialog)[1] is State.REMARKABLE


def test_close_stops_a_run_and_continue_does_what_is_left(dialog: ExportDialog, qtbot: QtBot) -> None:
    dialog.export_button.click()
    assert not dialog.form.isEnabled()
    assert not dialog.export_button.isEnabled()
    restored(dialog, 0)
    dialog.take(PhotoStarted(str(dialog.table.rows[1].planned.source), 3))
    with qtbot.waitSignal(dialog.stop_wanted):
        dialog.close_button.click()
    assert dialog.isVisible()
    dialog.show_end(stopped=True, failed=False)
    assert states(dialog) == [State.DONE, State.WAITING, State.WAITING]
    assert dialog._status.text() == "Stopped: 1 photo written, 2 waiting."
    assert dialog.export_button.text() == "Continue"
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.export_button.click()
    plan, output = told.args
    assert [item.source.name for item in plan] == ["photo1.png", "photo2.png"]
    assert output.existing is Existing.KEEP  # one of them may have been written while it stopped
    restored(dialog, 1)
    restored(dialog, 2)
    dialog.show_end(stopped=False, failed=False)
    assert dialog._status.text() == "Done: 3 photos written."
    dialog.form.name_edit.setText("{n}")  # other files: all begins anew
    qtbot.waitUntil(dialog.export_button.isEnabled)
    assert dialog.export_button.text() == "Export"
    assert states(dialog) == [State.WAITING] * 3


def test_photos_left_out_are_told_and_tried_again(dialog: ExportDialog, qtbot: QtBot) -> None:
    dialog.export_button.click()
    source = dialog.table.rows[1].planned.source
    skipped(dialog, 0, "It is too large.")
    skipped(dialog, 1, f"{source} cannot be read. It is damaged.")
    restored(dialog, 2)
    dialog.show_end(stopped=False, failed=False)
    assert dialog._status.text() == "Done: 1 photo written, 2 left out."
    assert shown(dialog, 1)[1::2] == ["Left out", "It is damaged."]
    assert "It is too large." in dialog.details.toPlainText()  # the first one is selected
    dialog.view.selectRow(1)
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.again_button.click()
    assert [item.source for item in told.args[0]] == [source]
    assert states(dialog) == [State.LEFT_OUT, State.WAITING, State.DONE]
    restored(dialog, 1)
    dialog.show_end(stopped=False, failed=False)
    dialog.view.clearSelection()
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.again_button.click()
    assert [item.source.name for item in told.args[0]] == ["photo0.png"]


def test_the_odd_ones_can_be_shown_alone(dialog: ExportDialog, qtbot: QtBot) -> None:
    dialog.export_button.click()
    restored(dialog, 0)
    skipped(dialog, 1, "It is damaged.")
    restored(dialog, 2, warning="This blur may not be the photo's own.")
    dialog.show_end(stopped=False, failed=False)
    assert [dialog.view.isRowHidden(row) for row in range(3)] == [False, False, False]
    dialog.odd_box.click()
    assert [dialog.view.isRowHidden(row) for row in range(3)] == [True, False, False]
    dialog.again_button.click()  # while it works all are shown
    assert [dialog.view.isRowHidden(row) for row in range(3)] == [False, False, False]
    assert not dialog.odd_box.isVisible()


def click_heading(dialog: ExportDialog, qtbot: QtBot, column: int) -> None:
    header = dialog.view.horizontalHeader()
    place = QPoint(header.sectionViewportPosition(column) + 20, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_a_heading_sorts_also_while_a_run_works_and_the_odd_ones_stay_alone(dialog: ExportDialog, qtbot: QtBot) -> None:
    def column(number: int) -> list[str]:
        hidden = [dialog.view.isRowHidden(row) for row in range(3)]
        return [shown(dialog, row)[number] for row in range(3) if not hidden[row]]

    assert column(0) == ["photo0.png", "photo1.png", "photo2.png"]
    dialog.export_button.click()
    click_heading(dialog, qtbot, 0)
    click_heading(dialog, qtbot, 0)
    assert column(0) == ["photo2.png", "photo1.png", "photo0.png"]
    dialog.view.selectRow(0)
    skipped(dialog, 0, "It is damaged.")
    restored(dialog, 1)
    click_heading(dialog, qtbot, 1)
    assert column(1) == ["Waiting", "Done", "Left out"]
    assert [index.row() for index in dialog.view.selectionModel().selectedRows()] == [2]
    assert dialog.details.toPlainText().splitlines()[1:] == ["It is damaged."]
    restored(dialog, 0, warning="This blur may not be the photo's own.")
    dialog.show_end(stopped=False, failed=False)
    assert column(0) == ["photo1.png", "photo0.png", "photo2.png"]
    dialog.odd_box.click()
    assert column(0) == ["photo0.png", "photo2.png"]
    click_heading(dialog, qtbot, 1)
    assert column(0) == ["photo2.png", "photo0.png"]
    click_heading(dialog, qtbot, 1)  # a third time: as before
    assert column(0) == ["photo0.png", "photo2.png"]
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.again_button.click()
    assert [item.source.name for item in told.args[0]] == ["photo2.png"]


def test_progress_counts_the_photos_of_the_run(dialog: ExportDialog) -> None:
    dialog.export_button.click()
    restored(dialog, 0)
    dialog.take(PhotoStarted(str(dialog.table.rows[1].planned.source), 3))
    dialog.take(PhotoProgress(str(dialog.table.rows[1].planned.source), 0.5))
    dialog._show_progress()
    assert dialog.bar.value() == 500
    assert dialog._status.text().startswith("1 of 3 photos, about ")
    item = dialog.table.rows[2].planned
    dialog.take(PhotoKept(str(item.source), str(item.target), 2, 3))  # takes no time, so it does not count
    dialog._show_progress()
    assert dialog.bar.value() == 750


def test_a_double_click_opens_the_file_s_folder(
    dialog: ExportDialog, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_folders: Path
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(Path(url.toLocalFile())))
    dialog.export_button.click()
    restored(dialog, 0)
    skipped(dialog, 1, "It is damaged.")
    dialog.show_end(stopped=False, failed=False)
    for row in (0, 1):
        place = dialog.view.visualRect(dialog.table.index(row, 0)).center()
        qtbot.mouseClick(dialog.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
        qtbot.mouseDClick(dialog.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    dialog.open_button.click()
    assert opened == [tmp_path / "restored", own_folders / "degraded", tmp_path / "restored"]
