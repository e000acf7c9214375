"""The model behind the table: what happened to photos is taken in at once, and shown in batches."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtTest import QAbstractItemModelTester, QSignalSpy
from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import Note, PhotoProgress, PhotoRestored, PhotoSkipped, PhotoStarted
from ddm_gui.engine.restore.output import Planned
from ddm_gui.gui.restoring.export_table import ExportTable, State

PLAN = tuple(Planned(Path(f"/in/{index}.png"), Path(f"/out/{index}.png")) for index in range(500))


def test_hundreds_of_photos_are_told_in_one_change(qtbot: QtBot) -> None:
    table = ExportTable()
    tester = QAbstractItemModelTester(table, QAbstractItemModelTester.FailureReportingMode.Fatal)
    table.show_plan(PLAN)
    assert (table.rowCount(), table.columnCount()) == (500, 4)
    changes = QSignalSpy(table.dataChanged)
    for item in PLAN[100:400]:
        table.take(PhotoStarted(str(item.source), 500))
        table.take(PhotoProgress(str(item.source), 0.5))
        table.take(PhotoRestored(str(item.source), str(item.target), 1, 500))
    assert changes.count() == 0
    table.flush()
    table.flush()
    assert changes.count() == 1
    first, last = changes.at(0)[:2]
    assert (first.row(), last.row(), last.column()) == (100, 399, 3)
    assert sum(row.state is State.DONE for row in table.rows) == 300
    del tester


def test_what_is_of_no_photo_here_changes_nothing() -> None:
    table = ExportTable()
    table.show_plan(PLAN[:2])
    before = list(table.rows)
    for event in (Note("a word"), PhotoSkipped("/elsewhere/0.png", "It is damaged."), PhotoStarted("/in/7.png", 9)):
        table.take(event)
    assert list(table.rows) == before


def test_after_a_run_what_was_at_work_waits() -> None:
    table = ExportTable()
    table.show_plan(PLAN[:3])
    table.take(PhotoStarted("/in/0.png", 3))
    table.take(PhotoSkipped("/in/1.png", "It is damaged."))
    table.rest()
    assert [row.state for row in table.rows] == [State.WAITING, State.LEFT_OUT, State.WAITING]
    table.rest(again=PLAN[1:2])
    assert [row.state for row in table.rows] == [State.WAITING] * 3
