"""Before and after: the list of degraded photos, and the one in view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QListView,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QWidget,
)

from ddm_gui.gui.canvas import Canvas
from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.picture import Picture
from ddm_gui.gui.theme import set_icon, sign
from ddm_gui.gui.words import left_out

THUMB = QSize(84, 56)
_PATH = Qt.ItemDataRole.UserRole


class Filmstrip(QListWidget):
    """All photos of a set in a row; asks for the small pictures of those in sight only."""

    picked = Signal(object)  # Path
    thumbnails_wanted = Signal(object)  # list of Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("filmstrip")
        self.setAccessibleName("Photos")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setIconSize(THUMB)
        self.setGridSize(QSize(THUMB.width() + 10, THUMB.height() + 8))
        self.setFixedHeight(THUMB.height() + 26)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self._items: dict[Path, QListWidgetItem] = {}
        self._asked: set[Path] = set()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(60)
        self._soon.timeout.connect(self._ask)
        self.horizontalScrollBar().valueChanged.connect(self._soon.start)
        self.currentItemChanged.connect(self._current_changed)

    def show_photos(self, paths: tuple[Path, ...]) -> None:
        """A new list; its first photo is picked."""
        self.clear()
        self._items.clear()
        self._asked.clear()
        blank = QPixmap(THUMB)
        blank.fill(Qt.GlobalColor.transparent)
        for path in paths:
            item = QListWidgetItem(QIcon(blank), "")
            item.setData(_PATH, path)
            item.setToolTip(path.name)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, path.name)
            self.addItem(item)
            self._items[path] = item
        if paths:
            self.setCurrentRow(0)
        self._soon.start()

    def show_thumbnail(self, path: Path, image: NDArray[np.uint8]) -> None:
        """The small picture of a photo, cut to the shape of the list's cells."""
        if path in self._items:
            pixels = np.ascontiguousarray(image)
            height, width = pixels.shape[:2]
            pixmap = QPixmap(QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)).scaled(
                THUMB,
                Qt.AspectRatioMode.KeepAspectRatioByExpanding,
                Qt.TransformationMode.SmoothTransformation,
            )
            left, top = (pixmap.width() - THUMB.width()) // 2, (pixmap.height() - THUMB.height()) // 2
            cut = pixmap.copy(left, top, THUMB.width(), THUMB.height())
            shown = QIcon(cut)
            shown.addPixmap(cut, QIcon.Mode.Selected)
            self._items[path].setIcon(shown)

    def show_no_thumbnail(self, path: Path) -> None:
        """A photo that cannot be opened."""
        if path in self._items:
            self._items[path].setIcon(sign("warning"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More may be in sight."""
        super().resizeEvent(event)
        self._soon.start()

    def _ask(self) -> None:
        sight = self.viewport().rect().adjusted(0, 0, self.gridSize().width(), 0)
        wanted = []
        for path, item in self._items.items():
            if path not in self._asked and self.visualItemRect(item).intersects(sight):
                wanted.append(path)
        if wanted:
            self._asked.update(wanted)
            self.thumbnails_wanted.emit(wanted)

    def _current_changed(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.picked.emit(item.data(_PATH))


class Compare(QFrame):
    """The viewer."""

    picked = Signal(object)  # Path, None where there is no photo
    thumbnails_wanted = Signal(object)  # list of Path

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._path: Path | None = None
        self._before: Picture | None = None
        self.canvas = Canvas()
        self.filmstrip = Filmstrip()
        self._name = label("", "heading")
        self._name.setTextFormat(Qt.TextFormat.PlainText)
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._note = label("", "muted")
        self._zoom = label("", "muted")
        self._zoom.setMinimumWidth(48)
        self._zoom.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.fit_button = button("Fit", "small")
        set_icon(self.fit_button, "fit")
        self.fit_button.setToolTip("Show the whole photo (F)")
        self.one_button = button("1:1", "small")
        self.one_button.setToolTip("Show single pixels (1)")
        self.one_button.setAccessibleName("Show single pixels")
        self.fit_button.clicked.connect(self.canvas.fit)
        self.one_button.clicked.connect(self.canvas.one_to_one)
        self.canvas.zoomed.connect(self._show_zoom)
        self.filmstrip.picked.connect(self._picked)
        self.filmstrip.thumbnails_wanted.connect(self.thumbnails_wanted)
        head = horizontal(8)
        head.addWidget(self._name, 1)
        head.addWidget(self._note)
        head.addWidget(self._zoom)
        head.addWidget(self.fit_button)
        head.addWidget(self.one_button)
        layout = vertical(6, self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.addLayout(head)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.filmstrip)
        self.show_photos(())

    def show_photos(self, paths: tuple[Path, ...]) -> None:
        """The photos to choose from."""
        self.filmstrip.show_photos(paths)
        if not paths:
            self._picked(None)
            self.canvas.show_words("Degraded photos are shown here, and beside them what they become.")

    def show_before(self, path: Path, shown: Picture) -> None:
        """A photo as it is; ignored where another was picked meanwhile."""
        if path == self._path:
            self._before = shown
            self._note.setText("")
            self._show_controls(True)
            self.canvas.show_pictures(shown, None)

    def show_after(self, path: Path, shown: Picture) -> None:
        """The same photo restored."""
        if path == self._path and self._before is not None:
            self.canvas.show_pictures(self._before, shown)

    def show_problem(self, path: Path, reason: str) -> None:
        """Why a photo cannot be shown."""
        if path == self._path:
            self._note.setText("")
            self._before = None
            self.canvas.show_pictures(None, None)
            self.canvas.show_words(left_out(path, reason))
            self._show_controls(False)

    def show_thumbnail(self, path: Path, image: NDArray[np.uint8]) -> None:
        """A small picture for the list."""
        self.filmstrip.show_thumbnail(path, image)

    def show_no_thumbnail(self, path: Path) -> None:
        """A photo of the list that cannot be opened."""
        self.filmstrip.show_no_thumbnail(path)

    def forget_after(self) -> None:
        """There is no kernel any more: only the photo as it is."""
        self.canvas.show_pictures(self._before, None)

    def _picked(self, path: Path | None) -> None:
        if path is not None and path == self._path and self._before is not None:
            return  # a list that was made anew begins with the photo in view
        self._path = path
        self._name.setText(path.name if path is not None else "Before and after")
        self._note.setText("Reading…" if path is not None else "")
        if path is None:
            self._before = None
            self.canvas.show_pictures(None, None)
        self._show_controls(False)  # until the photo is there
        self.filmstrip.setVisible(path is not None)
        self.picked.emit(path)

    def _show_controls(self, possible: bool) -> None:
        """What makes sense where there is a photo to see."""
        for control in (self.fit_button, self.one_button):
            control.setEnabled(possible)
        self._zoom.setVisible(possible)

    def _show_zoom(self, zoom: float) -> None:
        self._zoom.setText(f"{100 * zoom * self.devicePixelRatioF():.0f} %")
