"""A photo before and after, compared in one of several ways; zoom with the wheel at the pointer, drag to pan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from ddm_gui.gui.theme import colours
from ddm_gui.gui.viewer.evidence_map import draw_legend
from ddm_gui.gui.viewer.panes import Mode, Pane, Side, panes
from ddm_gui.gui.viewer.picture import Picture, difference

GRIP = 9  # pixels from the line within which it is taken
ZOOM_STEP = 1.25  # for one notch of the wheel
LARGEST_ZOOM = 16.0
MARGIN = 40  # pixels around words
BLINKS = 700  # ms for each side: slow enough for everybody's eyes
GAINS = (1, 2, 4, 8, 16)  # of a difference
MODE_KEYS = {
    Qt.Key.Key_S: Mode.SPLIT,
    Qt.Key.Key_B: Mode.BESIDE,
    Qt.Key.Key_L: Mode.BLINK,
    Qt.Key.Key_D: Mode.DIFFERENCE,
}


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture of all of the photo (place None), or of a part of it, in px of the photo."""

    picture: Picture
    place: QRect | None = None


class Canvas(QWidget):
    """Draws only what is in view, from the level of the photo that fits the zoom; so its size does not matter."""

    zoomed = Signal(float)  # screen pixels per photo pixel
    moved = Signal()  # another part of the photo is in view, or at another zoom
    mode_wanted = Signal(object)  # Mode, by its key
    evidence_wanted = Signal()  # shown or hidden, by its key
    gain_changed = Signal(int)

    def __init__(self, parent: QWidget | None = None, alone: str = "As it is") -> None:
        """`alone` is what stands on a photo with which nothing is compared."""
        super().__init__(parent)
        self.setAccessibleName("Before and after")
        self.setAccessibleDescription(
            "1 shows single pixels, F the whole photo, plus and minus zoom. S: a line between before and after, which "
            "left and right arrows move; B: side by side; L: blinking, Space flips by hand; D: the difference, which "
            "up and down arrows strengthen and weaken. E: the evidence."
        )
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 120)
        self._alone = alone
        self._before: Picture | None = None
        self._after: list[Layer] = []  # from the lowest one up
        self._evidence: list[Layer] = []
        self._evidence_shown = False
        self._words = ""
        self._mode = Mode.SPLIT
        self._gain = 4
        self._flipped = False  # whether it is the turn of the photo after
        self._blinking = QTimer(self)
        self._blinking.setInterval(BLINKS)
        self._blinking.timeout.connect(self.flip)
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
        """Whether there is a restored photo, or a part of it, to compare with."""
        return bool(self._after)

    @property
    def split(self) -> float:
        """Where the line is, as a share of the width."""
        return self._split

    @property
    def mode(self) -> Mode:
        """How before and after are compared."""
        return self._mode

    @property
    def gain(self) -> int:
        """How many times a difference is strengthened."""
        return self._gain

    @property
    def centre(self) -> QPointF:
        """The point of the photo in the middle of each pane, in photo pixels."""
        return QPointF(self._centre)

    @property
    def seen(self) -> QRect:
        """The part of the photo in view, in photo pixels; empty without a photo."""
        if self._before is None:
            return QRect()
        frame = self._panes()[0].frame
        room = QRectF(0, 0, frame.width() / self._zoom, frame.height() / self._zoom)
        room.moveCenter(self._centre)
        return room.toAlignedRect().intersected(self._whole().toRect())

    def sizeHint(self) -> QSize:
        """A photo wants room."""
        return QSize(720, 480)

    # What is shown

    def show_pictures(self, before: Picture | None, after: Picture | None, part: Layer | None = None) -> None:
        """The photo before and after; `part` lies over that, or is all that is restored of it yet.

        The view stays where it is if the photo has the size of the one before.
        """
        old, compared = self._before, self.has_after
        self._before = before
        self._after = ([Layer(after)] if after is not None else []) + ([part] if part is not None else [])
        another = before is not None and (old is None or (old.width, old.height) != (before.width, before.height))
        if another or (self._fitting and compared != self.has_after):
            self.fit()
        self._blink()
        self.update()

    def show_evidence(self, layers: list[Layer], *, shown: bool) -> None:
        """What lies over the photo after, where it is asked for."""
        self._evidence, self._evidence_shown = layers, shown
        self.update()

    def show_words(self, words: str) -> None:
        """A sentence where there is no photo to show."""
        self._words = words
        self.update()

    def show_mode(self, mode: Mode) -> None:
        """Another way to compare."""
        self._mode = mode
        self._flipped = False
        if self._fitting:
            self.fit()
        self._blink()
        self._tell_moved()

    def show_gain(self, gain: int) -> None:
        """How many times a difference is strengthened; one of GAINS."""
        self._gain = gain
        self.gain_changed.emit(gain)
        self.update()

    def show_view(self, zoom: float, centre: QPointF) -> None:
        """The part of the photo that another canvas shows; told to nobody."""
        self._zoom, self._fitting = zoom, False
        self._centre = QPointF(centre)
        self.update()

    @property
    def fitting(self) -> bool:
        """Whether the whole photo is in view, and stays so."""
        return self._fitting

    def fit(self) -> None:
        """The whole photo."""
        self._fitting = True
        if self._before is not None:
            frame = self._panes()[0].frame
            room = min(frame.width() / self._before.width, frame.height() / self._before.height)
            self._zoom = max(min(room, LARGEST_ZOOM), 1e-3)
            self._centre = QPointF(self._before.width / 2, self._before.height / 2)
            self.zoomed.emit(self._zoom)
        self._tell_moved()

    def one_to_one(self) -> None:
        """One photo pixel per screen pixel."""
        self.zoom_to(1.0 / self.devicePixelRatioF(), self._panes()[0].frame.center())

    def zoom_to(self, zoom: float, at: QPointF) -> None:
        """Changes the zoom so that the photo's point under `at` (in the canvas) stays there."""
        if self._before is None:
            return
        point, frame = self._photo_point(at), self._frame_at(at)
        smallest = min(frame.width() / self._before.width, frame.height() / self._before.height, 1.0) / 2
        self._zoom = min(max(zoom, smallest), LARGEST_ZOOM)
        self._fitting = False
        self._move_to(point - (at - frame.center()) / self._zoom)
        self.zoomed.emit(self._zoom)

    def move_line(self, split: float) -> None:
        """Puts the line at a share of the width."""
        self._split = min(max(split, 0.0), 1.0)
        self.update()

    def flip(self) -> None:
        """The other one's turn, where they take turns."""
        self._flipped = not self._flipped
        self.update()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """The photo, compared with what became of it, or words."""
        chosen = colours()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(chosen.canvas))
        if self._before is None:
            painter.setPen(QColor(chosen.muted))
            room = self.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._words)
        elif not self._after:
            whole = QRectF(self.rect())
            self._draw(painter, Layer(self._before), Pane(Side.BEFORE, whole, whole))
            self._chip(painter, self._alone, 10, left=True)
        else:
            self._draw_panes(painter)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QColor(chosen.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _draw_panes(self, painter: QPainter) -> None:
        """Both sides, or what they differ by, and what is written on them."""
        if self._before is None:
            return
        shown = self._panes()
        for pane in shown:
            if pane.side is Side.DIFFERENCE:
                self._draw_difference(painter, pane)
            else:
                self._draw(painter, Layer(self._before), pane)
            if pane.side is Side.AFTER:
                for layer in self._after:
                    self._draw(painter, layer, pane)
            if pane.side is not Side.BEFORE and self._evidence_shown:
                for layer in self._evidence:
                    self._draw(painter, layer, pane)
        if self._mode is Mode.SPLIT:
            self._draw_line(painter, round(self._split * self.width()))
        for pane in shown:
            at_left = not (self._mode is Mode.SPLIT and pane.side is Side.AFTER)
            x = pane.frame.left() + 10 if at_left else self.width() - 10
            words = f"{pane.side} × {self._gain}" if pane.side is Side.DIFFERENCE else str(pane.side)
            self._chip(painter, words, x, left=at_left)
        if self._evidence_shown and self._evidence:
            draw_legend(painter, QPointF(10, self.height() - 10), self.font())

    def _draw(self, painter: QPainter, layer: Layer, pane: Pane) -> None:
        """Draws what of a layer lies in a pane."""
        place = self._on_canvas(layer, pane)
        target = place.intersected(pane.clip)
        if target.isEmpty():
            return
        pixels = layer.picture.levels[layer.picture.level_for(self._zoom * self.devicePixelRatioF())]
        scale_x, scale_y = pixels.shape[1] / place.width(), pixels.shape[0] / place.height()
        source = QRectF(
            (target.x() - place.x()) * scale_x,
            (target.y() - place.y()) * scale_y,
            target.width() * scale_x,
            target.height() * scale_y,
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._zoom < 3.0)
        painter.drawImage(target, _image(pixels, transparent=layer.picture.transparent), source)

    def _draw_difference(self, painter: QPainter, pane: Pane) -> None:
        """Draws what of the difference is in view, pixel by pixel of the level that is shown."""
        if self._before is None:
            return
        for layer in self._after:
            level = min(self._before.level_for(self._zoom * self.devicePixelRatioF()), len(layer.picture.levels) - 1)
            before, after = self._before.levels[level], layer.picture.levels[level]
            if layer.place is not None:  # its corner lies on a pixel of every level that it has
                before = before[layer.place.top() >> level :, layer.place.left() >> level :]
            height, width = (min(sizes) for sizes in zip(before.shape[:2], after.shape[:2], strict=True))
            place = self._on_canvas(layer, pane)
            step = QPointF(place.width() / after.shape[1], place.height() / after.shape[0])
            target = place.intersected(pane.clip)
            top, left = int((target.top() - place.top()) / step.y()), int((target.left() - place.left()) / step.x())
            rows = slice(max(top, 0), min(top + int(target.height() / step.y()) + 2, height))
            cols = slice(max(left, 0), min(left + int(target.width() / step.x()) + 2, width))
            if target.isEmpty() or rows.stop <= rows.start or cols.stop <= cols.start:
                continue
            apart = difference(before[rows, cols], after[rows, cols], self._gain)
            where = QRectF(
                place.left() + cols.start * step.x(),
                place.top() + rows.start * step.y(),
                (cols.stop - cols.start) * step.x(),
                (rows.stop - rows.start) * step.y(),
            )
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._zoom < 3.0)
            painter.drawImage(where, _image(apart))

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

    def _chip(self, painter: QPainter, words: str, x: float, *, left: bool) -> None:
        """Words on a dark ground, `x` being its left or its right end."""
        if not words:
            return
        metrics = self.fontMetrics()
        width, height = metrics.horizontalAdvance(words) + 16, metrics.height() + 6
        box = QRectF(x if left else x - width, 10, width, height)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 150))
        painter.drawRoundedRect(box, height / 2, height / 2)
        painter.setPen(QColor(255, 255, 255))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    # From the person

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
        """Those that the accessible description names."""
        middle = self._panes()[0].frame.center()
        key = Qt.Key(event.key())
        match key:
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
            case Qt.Key.Key_Up | Qt.Key.Key_Down:
                up = key == Qt.Key.Key_Up
                index = GAINS.index(self._gain) + (1 if up else -1)
                self.show_gain(GAINS[min(max(index, 0), len(GAINS) - 1)])
            case Qt.Key.Key_Space:
                self._blinking.stop()
                self.flip()
            case Qt.Key.Key_E:
                self.evidence_wanted.emit()
            case _ if key in MODE_KEYS:
                self.mode_wanted.emit(MODE_KEYS[key])
            case _:
                super().keyPressEvent(event)

    # Inside

    def _panes(self) -> tuple[Pane, ...]:
        """What the canvas is divided into; all of it where there is nothing to compare."""
        if not self._after and self._mode is Mode.BESIDE:
            whole = QRectF(self.rect())
            return (Pane(Side.BEFORE, whole, whole),)
        return panes(self._mode, self.width(), self.height(), self._split, flipped=self._flipped)

    def _frame_at(self, at: QPointF) -> QRectF:
        """The frame of the pane at a point of the canvas."""
        shown = self._panes()
        return next((pane.frame for pane in shown if pane.clip.contains(at)), shown[0].frame)

    def _photo_point(self, at: QPointF) -> QPointF:
        return self._centre + (at - self._frame_at(at).center()) / self._zoom

    def _whole(self) -> QRectF:
        """All of the photo, in its pixels."""
        return QRectF(0, 0, self._before.width, self._before.height) if self._before is not None else QRectF()

    def _on_canvas(self, layer: Layer, pane: Pane) -> QRectF:
        """Where a layer lies on the canvas, seen in a pane or not."""
        place = QRectF(layer.place) if layer.place is not None else self._whole()
        corner = pane.frame.center() + (place.topLeft() - self._centre) * self._zoom
        return QRectF(corner.x(), corner.y(), place.width() * self._zoom, place.height() * self._zoom)

    def _near_line(self, x: float) -> bool:
        return self._mode is Mode.SPLIT and bool(self._after) and abs(x - self._split * self.width()) <= GRIP

    def _move_to(self, centre: QPointF) -> None:
        """Pans, but never so far that the photo leaves the middle of a pane."""
        if self._before is not None:
            x = min(max(centre.x(), 0.0), float(self._before.width))
            y = min(max(centre.y(), 0.0), float(self._before.height))
            self._centre = QPointF(x, y)
            self._tell_moved()

    def _tell_moved(self) -> None:
        self.moved.emit()
        self.update()

    def _blink(self) -> None:
        """Turns are taken only where there are two."""
        if self._mode is Mode.BLINK and self._after:
            if not self._blinking.isActive():
                self._blinking.start()
        else:
            self._blinking.stop()


def _image(pixels: np.ndarray, *, transparent: bool = False) -> QImage:
    """The same memory as a QImage; valid as long as the array is."""
    height, width = pixels.shape[:2]
    kind = QImage.Format.Format_ARGB32_Premultiplied if transparent else QImage.Format.Format_RGB32
    return QImage(pixels.data, width, height, pixels.strides[0], kind)
