"""A photo before and after, divided by a line that is dragged; zoom with the wheel at the pointer, drag to pan."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddm_gui.gui.picture import Picture
from ddm_gui.gui.theme import colours

GRIP = 9  # pixels from the line within which it is taken
ZOOM_STEP = 1.25  # for one notch of the wheel
LARGEST_ZOOM = 16.0
MARGIN = 40  # pixels around words


class Canvas(QWidget):
    """Draws only what is in view, from the level of the photo that fits the zoom; so its size does not matter."""

    zoomed = Signal(float)  # screen pixels per photo pixel

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Before and after")
        self.setAccessibleDescription(
            "Left and right arrows move the line; 1 shows single pixels, F the whole photo, plus and minus zoom."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 160)
        self._before: Picture | None = None
        self._after: Picture | None = None
        self._words = ""
        self._zoom = 1.0  # screen pixels per photo pixel
        self._centre = QPointF()  # in photo pixels
        self._fitting = True
        self._split = 0.5  # of the canvas's width
        self._dragging_line = False
        self._last: QPoint | None = None

    @property
    def zoom(self) -> float:
        """Screen pixels per photo pixel."""
        return self._zoom

    @property
    def has_after(self) -> bool:
        """Whether there is a restored photo to compare with."""
        return self._after is not None

    @property
    def split(self) -> float:
        """Where the line is, as a share of the width."""
        return self._split

    @property
    def centre(self) -> QPointF:
        """The point of the photo in the middle of the canvas, in photo pixels."""
        return QPointF(self._centre)

    def sizeHint(self) -> QSize:
        """A photo wants room."""
        return QSize(720, 480)

    def show_pictures(self, before: Picture | None, after: Picture | None) -> None:
        """Both sides; the view stays where it is if the photo has the size of the one before."""
        old = self._before
        self._before, self._after = before, after
        if before is not None and (old is None or (old.width, old.height) != (before.width, before.height)):
            self.fit()
        self.update()

    def show_words(self, words: str) -> None:
        """A sentence where there is no photo to show."""
        self._words = words
        self.update()

    def fit(self) -> None:
        """The whole photo."""
        self._fitting = True
        if self._before is not None:
            room = min(self.width() / self._before.width, self.height() / self._before.height)
            self._zoom = max(min(room, LARGEST_ZOOM), 1e-3)
            self._centre = QPointF(self._before.width / 2, self._before.height / 2)
            self.zoomed.emit(self._zoom)
        self.update()

    def one_to_one(self) -> None:
        """One photo pixel per screen pixel."""
        self.zoom_to(1.0 / self.devicePixelRatioF(), QPointF(self.width() / 2, self.height() / 2))

    def zoom_to(self, zoom: float, at: QPointF) -> None:
        """Changes the zoom so that the photo's point under `at` (in the canvas) stays there."""
        if self._before is None:
            return
        point = self._photo_point(at)
        smallest = min(self.width() / self._before.width, self.height() / self._before.height, 1.0) / 2
        self._zoom = min(max(zoom, smallest), LARGEST_ZOOM)
        self._fitting = False
        middle = QPointF(self.width() / 2, self.height() / 2)
        self._move_to(point - (at - middle) / self._zoom)
        self.zoomed.emit(self._zoom)

    def move_line(self, split: float) -> None:
        """Puts the line at a share of the width."""
        self._split = min(max(split, 0.0), 1.0)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Before on the left of the line, after on its right."""
        chosen = colours()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(chosen.canvas))
        if self._before is None:
            painter.setPen(QColor(chosen.muted))
            room = self.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._words)
        else:
            self._draw_photos(painter)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QColor(chosen.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _draw_photos(self, painter: QPainter) -> None:
        """The photo as it is, or both sides of the line."""
        if self._before is None:
            return
        line = round(self._split * self.width())
        if self._after is None:
            self._draw(painter, self._before, QRectF(self.rect()))
            self._chip(painter, "As it is", left=True)
            return
        self._draw(painter, self._before, QRectF(0, 0, line, self.height()))
        self._draw(painter, self._after, QRectF(line, 0, self.width() - line, self.height()))
        self._draw_line(painter, line)
        self._chip(painter, "Before", left=True)
        self._chip(painter, "After", left=False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A photo that was fitted stays fitted."""
        if self._fitting:
            self.fit()
        else:
            self._move_to(self._centre)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zooms at the pointer."""
        notches = event.angleDelta().y() / 120
        self.zoom_to(self._zoom * ZOOM_STEP**notches, event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Takes the line, or the photo."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._last = event.position().toPoint()
            self._dragging_line = self._near_line(event.position().x())
            if not self._dragging_line:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drags what was taken."""
        here = event.position().toPoint()
        if self._last is None:
            near = self._near_line(here.x())
            self.setCursor(Qt.CursorShape.SplitHCursor if near else Qt.CursorShape.OpenHandCursor)
        elif self._dragging_line:
            self.move_line(here.x() / max(self.width(), 1))
        elif self._before is not None:
            self._fitting = False
            self._move_to(self._centre - QPointF(here - self._last) / self._zoom)
            self._last = here

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Lets go."""
        self._last = None
        self._dragging_line = False
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """1, F, plus, minus, and the arrows for the line."""
        middle = QPointF(self.width() / 2, self.height() / 2)
        match event.key():
            case Qt.Key.Key_1:
                self.one_to_one()
            case Qt.Key.Key_F | Qt.Key.Key_0:
                self.fit()
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal:
                self.zoom_to(self._zoom * ZOOM_STEP, middle)
            case Qt.Key.Key_Minus:
                self.zoom_to(self._zoom / ZOOM_STEP, middle)
            case Qt.Key.Key_Left:
                self.move_line(self._split - 0.02)
            case Qt.Key.Key_Right:
                self.move_line(self._split + 0.02)
            case _:
                super().keyPressEvent(event)

    def _near_line(self, x: float) -> bool:
        return self._after is not None and abs(x - self._split * self.width()) <= GRIP

    def _photo_point(self, at: QPointF) -> QPointF:
        return self._centre + (at - QPointF(self.width() / 2, self.height() / 2)) / self._zoom

    def _move_to(self, centre: QPointF) -> None:
        """Pans, but never so far that the photo leaves the canvas's middle."""
        if self._before is not None:
            x = min(max(centre.x(), 0.0), float(self._before.width))
            y = min(max(centre.y(), 0.0), float(self._before.height))
            self._centre = QPointF(x, y)
            self.update()

    def _draw(self, painter: QPainter, shown: Picture, part: QRectF) -> None:
        """Draws what of a photo lies in a part of the canvas."""
        corner = QPointF(self.width() / 2, self.height() / 2) - self._centre * self._zoom
        whole = QRectF(corner.x(), corner.y(), shown.width * self._zoom, shown.height * self._zoom)
        target = whole.intersected(part)
        if target.isEmpty():
            return
        level = shown.level_for(self._zoom * self.devicePixelRatioF())
        pixels = shown.levels[level]
        scale_x = pixels.shape[1] / whole.width()
        scale_y = pixels.shape[0] / whole.height()
        source = QRectF(
            (target.x() - whole.x()) * scale_x,
            (target.y() - whole.y()) * scale_y,
            target.width() * scale_x,
            target.height() * scale_y,
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._zoom < 3.0)
        painter.drawImage(target, _image(pixels), source)

    def _draw_line(self, painter: QPainter, x: int) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(0, 0, 0, 120), 3))
        painter.drawLine(x, 0, x, self.height())
        painter.setPen(QPen(QColor(255, 255, 255, 230), 1.4))
        painter.drawLine(x, 0, x, self.height())
        middle = QPointF(x, self.height() / 2)
        painter.setPen(QPen(QColor(0, 0, 0, 120), 1))
        painter.setBrush(QColor(255, 255, 255, 235))
        painter.drawEllipse(middle, 11, 11)
        painter.setPen(QPen(QColor(40, 40, 40), 1.6))
        for sign in (-1, 1):
            tip = middle + QPointF(sign * 6.5, 0)
            painter.drawLine(tip, tip + QPointF(-sign * 3, -3))
            painter.drawLine(tip, tip + QPointF(-sign * 3, 3))

    def _chip(self, painter: QPainter, words: str, *, left: bool) -> None:
        metrics = self.fontMetrics()
        width, height = metrics.horizontalAdvance(words) + 16, metrics.height() + 6
        x = 10 if left else self.width() - width - 10
        box = QRectF(x, 10, width, height)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(box, height / 2, height / 2)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


def _image(pixels: np.ndarray) -> QImage:
    """The same memory as a QImage; valid as long as the array is."""
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32)
