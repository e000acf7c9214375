"""What may be exported where, and what the report says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import PhotoRestored, PhotoSkipped
from ddm_gui.engine.receipt import Receipt
from ddm_gui.gui.export_dialog import ExportDialog


@pytest.fixture
def dialog(qtbot: QtBot, degraded_folder: Path, tmp_path: Path) -> Iterator[ExportDialog]:
    made = ExportDialog(sorted(degraded_folder.iterdir()), tmp_path / "restored")
    made.show()
    yield made
    made.show_end(0, (), stopped=False, failed=False)
    made.close()


def test_the_folder_of_the_originals_is_refused(dialog: ExportDialog, degraded_folder: Path) -> None:
    assert dialog.export_button.isEnabled()
    dialog.folder_edit.setText(str(degraded_folder / ".." / degraded_folder.name))
    assert not dialog.export_button.isEnabled()
    dialog.folder_edit.setText("")
    assert not dialog.export_button.isEnabled()


def test_quality_is_asked_for_jpeg_only(dialog: ExportDialog) -> None:
    assert not dialog.quality_box.isVisible()
    dialog.format_box.setCurrentIndex(dialog.format_box.findData("jpeg"))
    assert dialog.quality_box.isVisible()


def test_export_tells_folder_format_and_quality(dialog: ExportDialog, qtbot: QtBot, tmp_path: Path) -> None:
    dialog.format_box.setCurrentIndex(dialog.format_box.findData("tiff16"))
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.export_button.click()
    assert told.args == [tmp_path / "restored", "tiff16", 95, False]
    dialog.private_box.setChecked(True)
    with qtbot.waitSignal(dialog.export_wanted) as told:
        dialog.export_button.click()
    assert told.args[-1] is True


def test_close_stops_a_run_and_waits_for_the_report(dialog: ExportDialog, qtbot: QtBot) -> None:
    dialog.show_started()
    assert not dialog.export_button.isEnabled()
    dialog.show_restored(PhotoRestored("/photos/a.png", "/out/a.png", 1, 2))
    with qtbot.waitSignal(dialog.stop_wanted):
        dialog.close_button.click()
    assert dialog.isVisible()
    dialog.show_end(1, (), stopped=True, failed=False)
    assert "Stopped: 1 photo written" in dialog._status.text()
    assert dialog.open_button.isVisible()


def test_each_file_s_receipt_is_shown_and_what_was_not_kept_is_told(dialog: ExportDialog) -> None:
    dialog.show_started()
    whole = Receipt("16-bit", tags=41, tags_kept=41, kept=("Adobe RGB (1998)",))
    lossy = Receipt("8-bit", lost=("alpha: JPEG has none",))
    for done, (name, receipt) in enumerate((("a.tif", whole), ("b.jpg", lossy)), start=1):
        dialog.show_restored(PhotoRestored(f"/photos/{name}", f"/out/{name}", done, 2, receipt=receipt))
    dialog.show_end(2, (), stopped=False, failed=False)
    assert dialog.report.toPlainText().splitlines() == [
        "a.tif: 16-bit, Adobe RGB (1998) kept, 41 of 41 tags",
        "b.jpg: 8-bit; not kept: alpha: JPEG has none",
    ]
    assert "1 photo could not keep everything" in dialog._status.text()


def test_the_report_names_each_photo_that_was_left_out(dialog: ExportDialog) -> None:
    dialog.show_started()
    dialog.show_end(1, (PhotoSkipped("/photos/b.png", "It is damaged."),), stopped=False, failed=False)
    assert "1 photo written, 1 left out" in dialog._status.text()
    assert dialog.report.toPlainText() == "b.png: It is damaged."
