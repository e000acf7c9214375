"""The model behind the table: what happened to photos is taken in at once, and shown in batches."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester, QSignalSpy
from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import Note, PhotoProgress, PhotoRestored, PhotoSkipped, PhotoStarted
from ddm_gui.engine.restore.output import Planned
from ddm_gui.gui.restoring.export_table import UNSORTED, ExportTable, State

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


def names(table: ExportTable) -> list[str]:
    return [row.planned.source.stem for row in table.rows]


def test_rows_are_sorted_by_what_a_column_shows() -> None:
    table = ExportTable()
    tester = QAbstractItemModelTester(table, QAbstractItemModelTester.FailureReportingMode.Fatal)
    plan = [
        Planned(Path(f"/in/{name}.png"), Path(f"/out/{other}.png")) for name, other in zip("cAb", "132", strict=True)
    ]
    plan += [Planned(Path(f"/in/x{number}y.png"), Path(f"/out/{number}.png")) for number in (10, 9, 100)]
    table.show_plan(plan)
    assert names(table) == ["c", "A", "b", "x10y", "x9y", "x100y"]
    table.sort(0)
    assert names(table) == ["A", "b", "c", "x9y", "x10y", "x100y"]
    table.sort(0, Qt.SortOrder.DescendingOrder)
    assert names(table) == ["x100y", "x10y", "x9y", "c", "b", "A"]
    table.sort(2)
    assert names(table) == ["c", "b", "A", "x9y", "x10y", "x100y"]
    for name, share in (("b", 0.7), ("A", 0.2)):
        table.take(PhotoStarted(f"/in/{name}.png", 6))
        table.take(PhotoProgress(f"/in/{name}.png", share))
    table.take(PhotoSkipped("/in/c.png", "It is damaged."))
    assert names(table) == ["c", "b", "A", "x9y", "x10y", "x100y"]
    table.sort(1)
    assert names(table) == ["x10y", "x9y", "x100y", "A", "b", "c"]
    table.sort(3, Qt.SortOrder.DescendingOrder)
    assert names(table) == ["c", "A", "b", "x10y", "x9y", "x100y"]
    table.sort(UNSORTED)
    assert names(table) == ["c", "A", "b", "x10y", "x9y", "x100y"]
    del tester


def test_what_happens_moves_no_row_and_finds_its_own() -> None:
    table = ExportTable()
    table.show_plan(PLAN[:4])
    table.sort(1)
    table.sort(0, Qt.SortOrder.DescendingOrder)
    held = QPersistentModelIndex(table.index(0, 0))
    table.take(PhotoSkipped("/in/0.png", "It is damaged."))
    table.flush()
    assert names(table) == ["3", "2", "1", "0"]
    assert [row.state for row in table.rows] == [*[State.WAITING] * 3, State.LEFT_OUT]
    table.sort(1, Qt.SortOrder.DescendingOrder)
    assert names(table) == ["0", "1", "2", "3"]
    assert held.row() == 3
    table.take(PhotoSkipped("/in/2.png", "It is damaged."))
    table.rest()  # the run has ended
    assert names(table) == ["0", "2", "1", "3"]
    table.show_plan(PLAN[:4])
    assert names(table) == ["0", "1", "2", "3"]


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
