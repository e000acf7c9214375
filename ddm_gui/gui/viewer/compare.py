"""Before and after: the list of degraded photos, and the one in view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QListView,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QWidget,
)

from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.theme import set_icon, sign
from ddm_gui.gui.viewer.canvas import GAINS, Canvas, Layer
from ddm_gui.gui.viewer.panes import Mode
from ddm_gui.gui.viewer.picture import Picture
from ddm_gui.gui.viewer.restoration_line import RestorationLine
from ddm_gui.gui.viewer.restorations import After, Work
from ddm_gui.gui.words import left_out

THUMB = QSize(84, 56)
NARROW, WIDE = 268, 500  # pixels of width at least, and from which all controls fit
TALL = 300  # pixels of height from which there is room for the list of photos
_PATH = Qt.ItemDataRole.UserRole
_MODE, _GAIN = "viewer/mode", "viewer/gain"  # where the way to compare is kept
_MODE_WORDS = {
    Mode.SPLIT: ("Split line", "Before on the left of a line, after on its right (S)"),
    Mode.BESIDE: ("Side by side", "The same part of the photo, before and after (B)"),
    Mode.BLINK: ("Blink", "Before and after in turns (L); Space flips by hand"),
    Mode.DIFFERENCE: ("Difference", "After less before, around grey (D); up and down arrows strengthen and weaken it"),
}


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
    looked_at = Signal(object)  # QRect: the part of the photo in view, in its px

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setMinimumWidth(NARROW)  # of all its controls together it would be wider
        self._path: Path | None = None
        self._before: Picture | None = None
        self._whole: After | None = None
        self._part: After | None = None
        self.canvas = Canvas()
        self.filmstrip = Filmstrip()
        self.line = RestorationLine()
        self._make_controls()
        self.canvas.zoomed.connect(self._show_zoom)
        self.canvas.moved.connect(self._tell_seen)
        self.canvas.mode_wanted.connect(self._mode_wanted)
        self.canvas.evidence_wanted.connect(self.evidence_button.click)
        self.filmstrip.picked.connect(self._picked)
        self.filmstrip.thumbnails_wanted.connect(self.thumbnails_wanted)
        head = horizontal(8)
        head.addWidget(self._name, 1)
        head.addWidget(self._note)
        for widget in (self._zoom, self.fit_button, self.one_button, self.mode_box, self.gain_button):
            head.addWidget(widget)
        head.addWidget(self.evidence_button)
        layout = vertical(6, self)
        layout.setContentsMargins(12, 8, 12, 10)
        layout.addLayout(head)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self.line)
        layout.addWidget(self.filmstrip)
        kept = QSettings("ddm_gui", "ddm_gui")
        mode, gain = str(kept.value(_MODE)), str(kept.value(_GAIN))
        self._show_mode(Mode(mode) if mode in list(Mode) else Mode.SPLIT)
        if gain in map(str, GAINS):
            self.canvas.show_gain(int(gain))
        self.show_photos(())

    def _make_controls(self) -> None:
        self._name = label("", "heading")
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
        self.mode_box = QComboBox()
        for mode, (text, tip) in _MODE_WORDS.items():
            self.mode_box.addItem(text, mode.value)
            self.mode_box.setItemData(self.mode_box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.mode_box.setAccessibleName("How before and after are compared")
        self.mode_box.setToolTip("How before and after are compared (S, B, L, D)")
        self.mode_box.activated.connect(lambda: self._mode_wanted(Mode(self.mode_box.currentData())))
        self._name.setBuddy(self.mode_box)  # on Linux a combo box is read by its label
        self.gain_button = button(f"× {self.canvas.gain}", "small")
        self.gain_button.setAccessibleName("How many times the difference is strengthened")
        self.gain_button.setToolTip("How many times the difference is strengthened (up and down arrows)")
        self.gain_button.clicked.connect(self._next_gain)
        self.canvas.gain_changed.connect(self._gain_changed)
        self.evidence_button = button("Evidence", "small", checkable=True)
        self.evidence_button.setToolTip(
            "Blurs the restored photo again and colours the places where it then differs from the photo by more than "
            "noise: there the result is not borne out (E)"
        )
        self.evidence_button.setAccessibleName("Evidence over the restored photo")
        self.evidence_button.toggled.connect(self._show_layers)

    # What is shown

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
            self._forget()
            self._tell_seen()

    def show_after(self, after: After) -> None:
        """The same photo restored, or what is seen of it."""
        if after.path != self._path or self._before is None:
            return
        if after.area is None:
            self._whole, self._part = after, None
        else:
            self._part = after
            if after.full.area is not None:  # all that is restored in this way
                self._whole = None
        self.line.show_after(after)
        self._show_layers()

    def show_work(self, work: Work | None) -> None:
        """How far the restoration of the photo in view is."""
        self.line.show_work(work)

    def show_not_restored(self, path: Path, reason: str) -> None:
        """Why a photo cannot be restored; it is shown as it is."""
        if path == self._path:
            self._forget()
            self.line.show_problem(reason)

    def show_problem(self, path: Path, reason: str) -> None:
        """Why a photo cannot be shown."""
        if path == self._path:
            self._note.setText("")
            self._before = None
            self._forget()
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
        self._forget()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where there is little room, what can be done by keys goes."""
        super().resizeEvent(event)
        self._arrange()

    # From the person

    def _picked(self, path: Path | None) -> None:
        if path is not None and path == self._path and self._before is not None:
            return  # a list that was made anew begins with the photo in view
        self._path = path
        self._name.setText(path.name if path is not None else "Before and after")
        self._note.setText("Reading…" if path is not None else "")
        if path is None:
            self._before = None
            self._forget()
        self._show_controls(False)  # until the photo is there
        self.picked.emit(path)

    def _mode_wanted(self, mode: Mode) -> None:
        """Another way to compare, kept for the next time."""
        QSettings("ddm_gui", "ddm_gui").setValue(_MODE, mode.value)
        self._show_mode(mode)

    def _next_gain(self) -> None:
        """The next larger gain, or after the largest the smallest."""
        self.canvas.show_gain(GAINS[(GAINS.index(self.canvas.gain) + 1) % len(GAINS)])

    def _gain_changed(self, gain: int) -> None:
        QSettings("ddm_gui", "ddm_gui").setValue(_GAIN, str(gain))
        self.gain_button.setText(f"× {gain}")

    # Inside

    def _show_mode(self, mode: Mode) -> None:
        self.mode_box.setCurrentIndex(self.mode_box.findData(mode.value))
        self.canvas.show_mode(mode)
        self._arrange()

    def _forget(self) -> None:
        """Only the photo as it is, or none."""
        self._whole = self._part = None
        self.line.clear()
        self._show_layers()

    def _show_layers(self) -> None:
        """The photo, what became of it, and over that the evidence where it is asked for."""
        part = Layer(self._part.picture, self._part.area) if self._part is not None else None
        self.canvas.show_pictures(self._before, self._whole.picture if self._whole is not None else None, part)
        fulls = [after.full for after in (self._whole, self._part) if after is not None]
        layers = [Layer(full.evidence, full.area) for full in fulls[:1] if full.evidence is not None]
        self.canvas.show_evidence(layers, shown=self.evidence_button.isChecked())

    def _tell_seen(self) -> None:
        if self._before is not None:
            self.looked_at.emit(self.canvas.seen)

    def _show_controls(self, possible: bool) -> None:
        """What makes sense where there is a photo to see."""
        for control in (self.fit_button, self.one_button, self.mode_box, self.gain_button, self.evidence_button):
            control.setEnabled(possible)
        self._zoom.setVisible(possible)
        self._arrange()

    def _arrange(self) -> None:
        wide = self.width() >= WIDE
        self.mode_box.setVisible(wide)
        self.gain_button.setVisible(wide and self.canvas.mode is Mode.DIFFERENCE)
        self.evidence_button.setVisible(wide)
        self.line.setVisible(wide)
        self.filmstrip.setVisible(self._path is not None and self.height() >= TALL)

    def _show_zoom(self, zoom: float) -> None:
        self._zoom.setText(f"{100 * zoom * self.devicePixelRatioF():.0f} %")
