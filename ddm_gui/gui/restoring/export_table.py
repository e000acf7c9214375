"""The photos of an export as a table: what each becomes, how far it is, what its file holds, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from ddm_gui.engine.events import Event, PhotoKept, PhotoProgress, PhotoRestored, PhotoSkipped, PhotoStarted
from ddm_gui.engine.restore.output import Planned
from ddm_gui.gui.theme import colours
from ddm_gui.gui.words import reason_alone

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("Photo", "State", "File", "What it holds, or why there is none")
UNSORTED = -1  # the column by which rows are in the order of the plan
ASCENDING = Qt.SortOrder.AscendingOrder


class State(StrEnum):
    """Of a photo; the value is the text."""

    WAITING = "Waiting"
    AT_WORK = "At work"
    DONE = "Done"
    REMARKABLE = "Done, with a word"
    KEPT = "There already"
    LEFT_OUT = "Left out"

    @property
    def has_file(self) -> bool:
        """Whether its restored file is there."""
        return self in (State.DONE, State.REMARKABLE, State.KEPT)


@dataclass(frozen=True)
class Row:
    """One photo. `share` of its restoration is done; `words`: what there is to read of it, the most important first."""

    planned: Planned
    state: State = State.WAITING
    share: float = 0.0
    words: tuple[str, ...] = ()

    def after(self, event: Event) -> Row:
        """The same photo after something has happened to it."""
        match event:
            case PhotoStarted():
                return Row(self.planned, State.AT_WORK)
            case PhotoProgress(share=share):
                return replace(self, share=share)
            case PhotoKept():
                return Row(self.planned, State.KEPT, 1.0, ("An earlier run has restored it, and its file is whole.",))
            case PhotoSkipped(reason=reason):
                return Row(self.planned, State.LEFT_OUT, 1.0, (reason_alone(self.planned.source, reason),))
            case PhotoRestored(receipt=receipt, warning=warning, plan=plan):
                remarkable = bool(warning or plan) or (receipt is not None and not receipt.whole)
                words = [text for text in (warning, plan) if text] + [str(receipt or "")]
                return Row(self.planned, State.REMARKABLE if remarkable else State.DONE, 1.0, tuple(words))
        return self

    @property
    def texts(self) -> tuple[str, str, str, str]:
        """What the columns show."""
        at_work = f"{self.state}, {100 * self.share:.0f} %" if self.state is State.AT_WORK else str(self.state)
        return self.planned.source.name, at_work, self.planned.target.name, " ".join(self.words)


class ExportTable(QAbstractTableModel):
    """A row for each photo. What happens is taken in at once and shown by `flush`, a few times a second: a view that
    followed each event of hundreds of photos would have no time for the person. Nor do rows change places by what
    happens: they are sorted when somebody asks for it, and when a run begins and has ended."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []
        self._place: dict[str, int] = {}
        self._number: dict[Path, int] = {}  # in the plan
        self._sorting = (UNSORTED, ASCENDING)
        self._changed: set[int] = set()

    @property
    def rows(self) -> Sequence[Row]:
        """All of them, as they are now."""
        return self._rows

    def show_plan(self, plan: Sequence[Planned]) -> None:
        """Other photos, or other files for them; all of them wait."""
        self.beginResetModel()
        self._number = {item.source: number for number, item in enumerate(plan)}
        self._take_order([Row(item) for item in plan])
        self._changed.clear()
        self.endResetModel()

    def take(self, event: Event) -> None:
        """What has happened to a photo; of others nothing is known here."""
        source = event.path if isinstance(event, PhotoSkipped) else getattr(event, "source", "")
        row = self._place.get(source)
        if row is not None:
            self._rows[row] = self._rows[row].after(event)
            self._changed.add(row)

    def rest(self, again: Sequence[Planned] = ()) -> None:
        """What was at work when the run ended waits, and so do those that are to be tried again."""
        sources = {item.source for item in again}
        for place, row in enumerate(self._rows):
            if row.state is State.AT_WORK or row.planned.source in sources:
                self._rows[place] = Row(row.planned)
                self._changed.add(place)
        self.sort(*self._sorting)

    def sort(self, column: int, order: Qt.SortOrder = ASCENDING) -> None:
        """By what a column shows: names as people count ('2' before '10'), states in their course, and by how far they
        are; those that are alike in the order of the plan, as are all by the column UNSORTED."""
        self.flush()
        self._sorting = (column, order)
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        sources = [str(self._rows[index.row()].planned.source) for index in held]
        self._take_order(self._rows)
        moved = [self.index(self._place[source], index.column()) for source, index in zip(sources, held, strict=True)]
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def _take_order(self, rows: Sequence[Row]) -> None:
        """These rows, sorted."""
        column, order = self._sorting
        self._rows = sorted(rows, key=lambda row: self._number[row.planned.source])
        if column != UNSORTED:
            self._rows.sort(key=_ORDERS[column], reverse=order is not ASCENDING)
        self._place = {str(row.planned.source): place for place, row in enumerate(self._rows)}

    def flush(self) -> None:
        """Shows what has changed."""
        if self._changed:
            first, last = self.index(min(self._changed), 0), self.index(max(self._changed), len(COLUMNS) - 1)
            self._changed.clear()
            self.dataChanged.emit(first, last)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.texts[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            paths: dict[int, Path] = {0: row.planned.source, 2: row.planned.target}
            return str(paths.get(index.column(), "\n".join(row.words)))
        if role == Qt.ItemDataRole.ForegroundRole and COLUMNS[index.column()] == "State":
            return QColor(_colour(row.state))
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation is Qt.Orientation.Horizontal:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None


def _natural(name: str) -> list[str | int]:
    """A name, to be compared with others as people do: without upper and lower case, and numbers by what they are."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


_ORDERS: tuple[Callable[[Row], Any], ...] = (  # of the columns
    lambda row: _natural(row.planned.source.name),
    lambda row: (tuple(State).index(row.state), row.share),
    lambda row: _natural(row.planned.target.name),
    lambda row: " ".join(row.words).casefold(),
)


def _colour(state: State) -> str:
    chosen = colours()
    tones = {
        State.WAITING: chosen.muted,
        State.AT_WORK: chosen.accent,
        State.DONE: chosen.good,
        State.REMARKABLE: chosen.warn,
        State.KEPT: chosen.text,
        State.LEFT_OUT: chosen.bad,
    }
    return tones[state]
