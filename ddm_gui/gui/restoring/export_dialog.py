"""All degraded photos, restored, into a folder: where and how, which files that gives, and what came of each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QModelIndex, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QHeaderView,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QTableView,
    QWidget,
)

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event
from ddm_gui.engine.restore.output import Existing, Output, Planned
from ddm_gui.gui.dialogs import plain
from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.restoring.export_form import ExportForm
from ddm_gui.gui.restoring.export_table import ASCENDING, UNSORTED, ExportTable, Row, State
from ddm_gui.gui.words import duration, photos

LEARNED = "the learned kernel"
REST = 200  # ms after the last key, before files are looked for
PACE = 250  # ms between two looks at the table while it works
STEPS = 1000  # of the progress bar
SIZE = (1000, 650)
WIDTHS = (190, 130, 190)  # px of the columns but the last
ROW = 26  # px
DETAILS = 78  # px
ODD = (State.LEFT_OUT, State.REMARKABLE)  # what a person should look at


class ExportDialog(QDialog):
    """Asks, shows which files come of that, then the run. Closing it during the run stops the run.

    Photos that a stop has left waiting go on by `export_button`, those that were left out by `again_button`; the names
    of their files stay those of the plan.
    """

    plan_wanted = Signal(object, object)  # the photos, and Output: `show_plan` answers
    export_wanted = Signal(object, object)  # tuple of Planned, Output
    stop_wanted = Signal()
    limits_wanted = Signal()  # how much memory photos may need, how large they may be

    def __init__(
        self, originals: Sequence[Path], folder: Path, parent: QWidget | None = None, *, kernel: str = LEARNED
    ) -> None:
        """`kernel`: what photos are restored with, in words."""
        super().__init__(parent)
        self.setWindowTitle("Export restored photos")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        self._originals = tuple(originals)
        self._original_folders = {path.parent.resolve() for path in originals}
        self._asked: Output | None = None  # that was asked for last
        self._output: Output | None = None  # that the table shows; None while none is known
        self._running = False
        self._began = 0.0
        self._to_do: set[Path] = set()  # the photos of the run
        self._rest = QTimer(self, interval=REST, singleShot=True)
        self._pace = QTimer(self, interval=PACE)
        self.form = ExportForm(originals, folder)
        self._warning = plain("", "warning")
        self.table = ExportTable(self)
        self.view = QTableView()
        self.details = QPlainTextEdit()
        self.bar = QProgressBar()
        self._status = label("", "muted")
        self.odd_box = QCheckBox("Show only these")
        self.odd_box.setAccessibleName("Show only photos that were left out, or of which there is something to read")
        self.open_button = QPushButton("Open folder")
        self.again_button = QPushButton("Try again")
        self.again_button.setToolTip("Those of the photos left out that are selected, or all, once they are mended")
        self.limits_button = QPushButton("Limits…")
        self.limits_button.setToolTip("How much memory photos may need, and how large they may be")
        self.close_button = QPushButton("Close")
        self.export_button = button("Export", "primary", default=True)
        self._lay_out(f"Restore {photos(len(originals))} with {kernel}")
        self.form.changed.connect(self._changed)
        self._rest.timeout.connect(self._ask)
        self._pace.timeout.connect(self._show_progress)
        self.view.selectionModel().currentRowChanged.connect(self._show_details)
        self.table.dataChanged.connect(self._show_details)
        self.table.modelReset.connect(self._show_details)
        self.table.layoutChanged.connect(self._hide_rows)
        self.view.doubleClicked.connect(self._open_row)  # the Enter key is the default button's, as in all dialogs
        self.export_button.clicked.connect(self._export)
        self.odd_box.toggled.connect(self._hide_rows)
        self.again_button.clicked.connect(self._try_again)
        self.open_button.clicked.connect(self._open_folder)
        self.limits_button.clicked.connect(self.limits_wanted)
        self.close_button.clicked.connect(self.reject)
        self._rest.start(0)  # once somebody listens
        self._offer()

    def _lay_out(self, title: str) -> None:
        self.view.setModel(self.table)
        self.view.setAccessibleName("Photos, and what comes of them")
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setTabKeyNavigation(False)
        for corner in self.view.findChildren(QAbstractButton):  # of the headings
            corner.setAccessibleName("Select all photos")
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.horizontalHeader().setAccessibleName("What the columns hold")
        self.view.verticalHeader().setAccessibleName("Numbers of the rows")
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(ROW)
        self.view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.view.horizontalHeader().setHighlightSections(False)
        self.view.horizontalHeader().setSortIndicator(UNSORTED, ASCENDING)
        self.view.horizontalHeader().setSortIndicatorClearable(True)  # by a third click
        self.view.setSortingEnabled(True)
        self.view.horizontalHeader().setStretchLastSection(True)
        for column, width in enumerate(WIDTHS):
            self.view.setColumnWidth(column, width)
        self.details.setReadOnly(True)
        self.details.setAccessibleName("All about the selected photo")
        self.details.setPlaceholderText("Select a photo to read all about it.")
        self.details.setFixedHeight(DETAILS)
        self.details.setTabChangesFocus(True)
        self.bar.setTextVisible(False)
        self.bar.setMaximum(STEPS)
        self.bar.setAccessibleName("Progress of the export")
        self.bar.hide()
        buttons = horizontal(8)
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.again_button)
        buttons.addStretch()
        buttons.addWidget(self.limits_button)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.export_button)
        layout = vertical(8, self)
        layout.setContentsMargins(20, 16, 20, 14)
        layout.addWidget(plain(title, "what"))
        layout.addWidget(plain("Originals are never changed or written over.", "muted"))
        layout.addWidget(self.form)
        layout.addWidget(self._warning)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.details)
        layout.addWidget(self.bar)
        below = horizontal(12)
        below.addWidget(self._status)
        below.addWidget(self.odd_box)
        below.addStretch()
        layout.addLayout(below)
        layout.addLayout(buttons)

    # What would come of it

    def show_plan(self, output: Output, answer: tuple[Planned, ...] | UserError) -> None:
        """Which files would be written, or why none; an answer to what was asked before the last change is left."""
        if output != self._asked or self._running:
            return
        plan = () if isinstance(answer, UserError) else answer
        self._output = None if isinstance(answer, UserError) else output
        self._warn(str(answer) if isinstance(answer, UserError) else "")
        self.table.show_plan(plan)
        self.form.show_plan(plan)
        self._status.clear()
        self._offer()

    @Slot()
    def _changed(self) -> None:
        """Nothing is written by a plan that is out of date."""
        self._output = None
        self._rest.start(REST)
        self._offer()

    @Slot()
    def _ask(self) -> None:
        folder = self.form.folder
        if folder is None or folder.resolve() in self._original_folders:
            self._refuse("This is the folder of the originals. Choose another one." if folder else "Choose a folder.")
            return
        try:
            self._asked = self.form.output(folder)
        except UserError as error:
            self._refuse(str(error))
            return
        self.plan_wanted.emit(self._originals, self._asked)

    def _refuse(self, words: str) -> None:
        """What is chosen gives no files; an answer that is on its way does not belong to it."""
        self._asked = None
        self._warn(words)
        self.table.show_plan(())
        self.form.show_plan(())

    def _warn(self, words: str) -> None:
        self._warning.setText(words)
        self._warning.setVisible(bool(words))

    # The run

    def take(self, event: Event) -> None:
        """Something has happened to a photo."""
        self.table.take(event)

    def show_end(self, *, stopped: bool, failed: bool) -> None:
        """How the run ended, and how many photos have a file, or have none."""
        self._running = False
        self._pace.stop()
        self.table.rest()
        self.form.setEnabled(True)
        self.close_button.setText("Close")
        self.close_button.setEnabled(True)
        self.bar.hide()
        ending = "Stopped: " if stopped else "Ended by an error: " if failed else "Done: "
        count = {state: sum(row.state is state for row in self.table.rows) for state in State}
        parts = [f"{photos(count[State.DONE] + count[State.REMARKABLE])} written"]
        for state, words in ((State.KEPT, "there already"), (State.LEFT_OUT, "left out"), (State.WAITING, "waiting")):
            parts += [f"{count[state]:,} {words}"] if count[state] else []
        word = f" Of {photos(count[State.REMARKABLE])} there is something to read." if count[State.REMARKABLE] else ""
        self._status.setText(f"{ending}{', '.join(parts)}.{word}")
        self._offer()
        self._show_first_of(State.LEFT_OUT)

    def reject(self) -> None:
        """Close; during the run: stop, and stay for what came of it."""
        if self._running:
            self.close_button.setEnabled(False)
            self._status.setText("Stopping…")
            self._pace.stop()
            self.stop_wanted.emit()
        else:
            super().reject()

    @Slot()
    def _export(self) -> None:
        self._begin([row.planned for row in self._of(State.WAITING)])

    @Slot()
    def _try_again(self) -> None:
        """Those left out that are selected, else all of them."""
        left_out = self._of(State.LEFT_OUT)
        selected = {self.table.rows[index.row()].planned for index in self.view.selectionModel().selectedRows()}
        chosen = [row.planned for row in left_out if row.planned in selected]
        self._begin(chosen or [row.planned for row in left_out])

    def _begin(self, plan: Sequence[Planned]) -> None:
        assert self._output is not None
        existing = self._output.existing
        if not any(row.planned.there for row in self.table.rows):
            existing = Existing.REFUSE
        if existing is not Existing.REPLACE and any(row.state is not State.WAITING for row in self.table.rows):
            existing = Existing.KEEP  # what this export has written before is among what is there
        self.table.rest(again=plan)
        self._to_do = {item.source for item in plan}
        self._began = time.monotonic()
        self._running = True
        self.form.setEnabled(False)
        self.close_button.setText("Stop")
        self.bar.setValue(0)
        self.bar.show()
        self._pace.start()
        self._show_progress()
        self._offer()
        self.export_wanted.emit(tuple(plan), replace(self._output, existing=existing))

    @Slot()
    def _show_progress(self) -> None:
        """How far the run is, by its photos; those that are there already take no time."""
        self.table.flush()
        rows = [row for row in self.table.rows if row.planned.source in self._to_do and row.state is not State.KEPT]
        share = sum(row.share for row in rows) / max(len(rows), 1)
        through = sum(row.state not in (State.WAITING, State.AT_WORK) for row in rows)
        self.bar.setValue(round(STEPS * share))
        seconds = time.monotonic() - self._began
        left = f", about {duration(seconds * (1 - share) / share)} left" if share > 0.0 else ""
        self._status.setText(f"{through:,} of {photos(len(rows))}{left}")
        if not self.view.selectionModel().hasSelection():
            self._show_first_of(State.AT_WORK, select=False)

    # Rows

    def _of(self, state: State) -> list[Row]:
        return [row for row in self.table.rows if row.state is state]

    def _show_first_of(self, state: State, *, select: bool = True) -> None:
        """Scrolls to the first row of this state, and selects it where nothing is selected."""
        place = next((place for place, row in enumerate(self.table.rows) if row.state is state), None)
        if place is None:
            return
        self.view.scrollTo(self.table.index(place, 0))
        if select and not self.view.selectionModel().hasSelection():
            self.view.selectRow(place)

    @Slot()
    def _hide_rows(self) -> None:
        """Where only the odd ones are wanted, all others."""
        for place, row in enumerate(self.table.rows):
            self.view.setRowHidden(place, self.odd_box.isChecked() and row.state not in ODD)

    @Slot()
    def _show_details(self) -> None:
        index = self.view.currentIndex()
        words = ""
        if index.isValid():
            row = self.table.rows[index.row()]
            words = "\n".join((f"{row.planned.source} → {row.planned.target}", *row.words))
        if words != self.details.toPlainText():
            self.details.setPlainText(words)

    @Slot(QModelIndex)
    def _open_row(self, index: QModelIndex) -> None:
        """The folder of the file, or of the photo that has none."""
        row = self.table.rows[index.row()]
        path = row.planned.target if row.state.has_file else row.planned.source
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))

    @Slot()
    def _open_folder(self) -> None:
        if self._output is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._output.folder)))

    def _offer(self) -> None:
        """What can be done now."""
        ready = self._output is not None and not self._running
        self.limits_button.setEnabled(not self._running)
        waiting, left_out = len(self._of(State.WAITING)), len(self._of(State.LEFT_OUT))
        self.export_button.setText("Continue" if waiting < self.table.rowCount() and waiting else "Export")
        self.export_button.setEnabled(ready and waiting > 0)
        self.again_button.setVisible(ready and left_out > 0)
        self.odd_box.setVisible(ready and any(row.state in ODD for row in self.table.rows))
        if not self.odd_box.isVisibleTo(self):
            self.odd_box.setChecked(False)
        self.open_button.setVisible(ready and any(row.state.has_file for row in self.table.rows))
