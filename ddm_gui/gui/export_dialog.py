"""All degraded photos, restored, into a folder: where, in which format, how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ddm_gui.engine.events import PhotoRestored, PhotoSkipped
from ddm_gui.gui.dialogs import plain
from ddm_gui.gui.parts import button, horizontal, vertical
from ddm_gui.gui.words import left_out, photos

FORMATS = {
    "same": "As each photo is",
    "png": "PNG",
    "tiff": "TIFF",
    "tiff16": "TIFF, 16 bits",
    "jpeg": "JPEG",
}
QUALITY = 95
LEARNED = "the learned kernel"


class ExportDialog(QDialog):
    """Asks, then shows the run, then its report. Closing it during the run stops the run."""

    export_wanted = Signal(object, str, int, bool)  # folder, format, JPEG quality, whether private data is left out
    stop_wanted = Signal()

    def __init__(
        self, originals: Sequence[Path], folder: Path, parent: QWidget | None = None, *, kernel: str = LEARNED
    ) -> None:
        """`kernel`: what photos are restored with, in words."""
        super().__init__(parent)
        self.setWindowTitle("Export restored photos")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(560)
        self._original_folders = {path.parent.resolve() for path in originals}
        self._running = False
        self._not_whole = 0  # files that could not keep all that the photo had
        self.folder_edit = QLineEdit(str(folder))
        self.folder_edit.setAccessibleName("Folder for restored photos")
        self.choose_button = QPushButton("Choose…")
        self.choose_button.setAccessibleName("Choose the folder for restored photos")
        self.format_box = QComboBox()
        self.format_box.setAccessibleName("File format")
        for name, text in FORMATS.items():
            self.format_box.addItem(text, name)
        self.quality_box = QSpinBox()
        self.quality_box.setRange(1, 100)
        self.quality_box.setValue(QUALITY)
        self.quality_box.setAccessibleName("JPEG quality")
        self.quality_box.lineEdit().setAccessibleName("JPEG quality")
        self.quality_box.lineEdit().setTextMargins(4, 0, 0, 0)
        self.private_box = QCheckBox("Leave out position, serial numbers, owner and thumbnails")
        self._warning = plain("", "warning")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the export")
        self._status = plain("", "muted")
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        self.report.setVisible(False)
        self.report.setAccessibleName("What each file holds; photos left out, and why")
        self.report.setMaximumHeight(160)
        self.open_button = QPushButton("Open folder")
        self.open_button.setVisible(False)
        self.close_button = QPushButton("Close")
        self.export_button = button("Export", "primary", default=True)
        self._form = QWidget()
        place = horizontal(8)
        place.addWidget(self.folder_edit, 1)
        place.addWidget(self.choose_button)
        kind = horizontal(8)
        kind.addWidget(self.format_box, 1)
        self._quality_label = QLabel("Quality")
        self._quality_label.setBuddy(self.quality_box)
        kind.addWidget(self._quality_label)
        kind.addWidget(self.quality_box)
        form = QGridLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(12)
        rows = (("Folder", self.folder_edit, place), ("Format", self.format_box, kind))
        for row, (name, control, line) in enumerate(rows):
            words = QLabel(name)
            words.setBuddy(control)
            form.addWidget(words, row, 0)
            form.addLayout(line, row, 1)
        form.addWidget(self.private_box, len(rows), 1)
        buttons = horizontal(8)
        buttons.addWidget(self.open_button)
        buttons.addStretch()
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.export_button)
        layout = vertical(10, self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.addWidget(plain(f"Restore {photos(len(originals))} with {kernel}", "what"))
        layout.addWidget(plain("Originals are never changed or written over.", "muted"))
        layout.addWidget(self._form)
        layout.addWidget(self._warning)
        layout.addWidget(self.bar)
        layout.addWidget(self._status)
        layout.addWidget(self.report)
        layout.addLayout(buttons)
        self.choose_button.clicked.connect(self._choose)
        self.folder_edit.textChanged.connect(self._check)
        self.format_box.currentIndexChanged.connect(self._check)
        self.export_button.clicked.connect(self._export)
        self.open_button.clicked.connect(self._open_folder)
        self.close_button.clicked.connect(self.reject)
        self.bar.hide()
        self._check()

    @property
    def folder(self) -> Path:
        """Where the photos go."""
        return Path(self.folder_edit.text()).expanduser()

    def show_started(self) -> None:
        """The run has begun: nothing can be changed now."""
        self._running = True
        self._form.setEnabled(False)
        self.export_button.setEnabled(False)
        self.report.clear()
        self.report.hide()
        self._not_whole = 0
        self.open_button.hide()
        self.close_button.setText("Stop")
        self.bar.setMaximum(0)
        self.bar.show()
        self._status.setText("Measuring the first photo…")

    def show_restored(self, event: PhotoRestored) -> None:
        """One more file is written: how many there are now, and what it holds."""
        self.bar.setMaximum(max(event.total, 1))
        self.bar.setValue(event.done)
        self._status.setText(f"{event.done} of {photos(event.total)}")
        words = [str(event.receipt or ""), event.warning, event.plan]
        self.report.appendPlainText(f"{Path(event.target).name}: {' '.join(word for word in words if word)}")
        self.report.show()
        self._not_whole += event.receipt is not None and not event.receipt.whole

    def show_end(self, written: int, skipped: Sequence[PhotoSkipped], *, stopped: bool, failed: bool) -> None:
        """The report: how many were written, how many of these could not keep all, and each photo that was not written,
        with its reason."""
        self._running = False
        self._form.setEnabled(True)
        self.close_button.setText("Close")
        self.bar.hide()
        ending = "Stopped: " if stopped else "Ended by an error: " if failed else "Done: "
        missing = f", {len(skipped)} left out" if skipped else ""
        short = f" {photos(self._not_whole)} could not keep everything: see below." if self._not_whole else ""
        self._status.setText(f"{ending}{photos(written)} written{missing}.{short}")
        for item in skipped:
            self.report.appendPlainText(left_out(Path(item.path), item.reason))
        self.report.setVisible(bool(self.report.toPlainText()))
        self.open_button.setVisible(written > 0)
        self._check()

    def reject(self) -> None:
        """Close; during the run: stop, and stay for the report."""
        if self._running:
            self.close_button.setEnabled(False)
            self._status.setText("Stopping after the photo at hand…")
            self.stop_wanted.emit()
        else:
            super().reject()

    def _check(self) -> None:
        """The one folder that may not be chosen is that of the originals."""
        text = self.folder_edit.text().strip()
        among_originals = bool(text) and self.folder.resolve() in self._original_folders
        words = "This is the folder of the originals. Choose another one." if among_originals else ""
        self._warning.setText(words)
        self._warning.setVisible(bool(words))
        self.export_button.setEnabled(bool(text) and not among_originals and not self._running)
        self.close_button.setEnabled(True)
        jpeg = self.format_box.currentData() == "jpeg"
        self.quality_box.setVisible(jpeg)
        self._quality_label.setVisible(jpeg)

    def _choose(self) -> None:
        dialog = QFileDialog(self, "Choose the folder for restored photos", str(self.folder.parent))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.folder_edit.setText)
        dialog.open()

    def _export(self) -> None:
        private = self.private_box.isChecked()
        self.export_wanted.emit(self.folder, self.format_box.currentData(), self.quality_box.value(), private)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder)))
