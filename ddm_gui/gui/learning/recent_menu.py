"""The menu of the projects of late."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSettings, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from ddm_gui.engine.project import NAME

MOST = 6


class RecentMenu(QMenu):
    """Filled when it opens: of the projects that still exist, the newest first."""

    chosen = Signal(object)  # Path of a project

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Open &recent", parent)
        self.aboutToShow.connect(self._fill)

    def remember(self, folder: Path | None) -> None:
        """The newest from now on, if there is a project."""
        if folder is not None and (folder / NAME).is_file():
            recent = dict.fromkeys([str(folder), *map(str, _kept())])
            _store().setValue("recent", list(recent)[:MOST])

    @Slot()
    def _fill(self) -> None:
        self.clear()
        for path in _kept():
            action = QAction(str(path), self)
            action.setData(str(path))
            action.triggered.connect(self._choose)
            self.addAction(action)
        if self.isEmpty():
            self.addAction("Nothing yet").setEnabled(False)

    @Slot()
    def _choose(self) -> None:
        action = self.sender()
        assert isinstance(action, QAction)
        self.chosen.emit(Path(action.data()))


def _kept() -> list[Path]:
    kept = _store().value("recent", [], type=list)
    folders = [Path(text) for text in kept] if isinstance(kept, list) else []
    return [folder for folder in folders if (folder / NAME).is_file()]


def _store() -> QSettings:
    return QSettings("ddm_gui", "ddm_gui")
