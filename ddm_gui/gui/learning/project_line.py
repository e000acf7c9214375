"""Where the project is kept, and a button to keep it elsewhere."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFileDialog, QSizePolicy, QWidget

from ddm_gui.gui.parts import button, horizontal, label, vertical


class ProjectLine(QWidget):
    """One line; the whole path is in its tool tip."""

    folder_chosen = Signal(object)  # Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._path = label("", "muted")
        self._path.setTextFormat(Qt.TextFormat.PlainText)
        self._path.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.change_button = button("Change…", "link")
        self.change_button.setAccessibleName("Change the project folder")
        self.change_button.setToolTip("Keep the project elsewhere; a folder that holds a project is opened")
        self.change_button.clicked.connect(self._choose)
        head = horizontal(6)
        head.addWidget(label("Project folder", "heading"))
        head.addStretch()
        head.addWidget(self.change_button)
        layout = vertical(0, self)
        layout.setContentsMargins(0, 0, 6, 0)  # as the column above it
        layout.addLayout(head)
        layout.addWidget(self._path)
        self.show_folder(None)

    def show_folder(self, folder: Path | None) -> None:
        """The place, shortened in its middle."""
        self._folder = folder
        self.setToolTip(str(folder) if folder is not None else "")
        self.change_button.setVisible(folder is not None)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More or less of the path fits."""
        self._elide()

    def _elide(self) -> None:
        text = str(self._folder) if self._folder is not None else "A folder is made when there are photos."
        width = max(self.width() - 10, 80)
        self._path.setText(self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, width))

    def _choose(self) -> None:
        start = str(self._folder.parent) if self._folder is not None else ""
        dialog = QFileDialog(self, "Choose the project folder", start)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._chosen)
        dialog.open()

    def _chosen(self, folder: str) -> None:
        self.folder_chosen.emit(Path(folder))
