"""All kernels of a lens at their places over the field, and those of another lens beside them or in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from ddm_gui.engine.blur.kernel_numbers import TRUSTED, node_numbers
from ddm_gui.gui.lens.brightness import coloured, faintest
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.theme import colours
from ddm_gui.gui.words import widths

GAP, TITLE, BELOW = 14, 22, 6  # pixels between two grids, above each for its name, and below it
LEGIBLE = 24  # pixels: the side of a kernel below which two grids are not shown beside each other
MARK = 5  # pixels: the sign of a kernel that is not to be trusted
FLATTEST, STEEPEST = 0.4, 2.5  # width over height of a field that is shown
LEAST_RADIUS = 3  # px of a kernel that are shown around its middle
STEPS = {Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0)}


@dataclass(frozen=True)
class Mosaic:
    """Where a grid of kernels lies in its widget, in pixels: rows and columns share its height and width."""

    nodes: tuple[int, int]
    left: int
    top: int
    width: int
    height: int

    def cell(self, row: int, col: int) -> QRect:
        """The place of a kernel, less the line on its left and above it."""
        rows, cols = self.nodes
        left, right = (self.left + round(self.width * edge / cols) for edge in (col, col + 1))
        top, bottom = (self.top + round(self.height * edge / rows) for edge in (row, row + 1))
        return QRect(left + 1, top + 1, right - left - 1, bottom - top - 1)

    def node_at(self, place: QPoint) -> tuple[int, int] | None:
        """The row and column of the kernel at a place of the widget."""
        rows, cols = self.nodes
        down, right = (place.y() - self.top) / self.height, (place.x() - self.left) / self.width
        inside = 0.0 <= down < 1.0 and 0.0 <= right < 1.0
        return (int(down * rows), int(right * cols)) if inside else None

    @property
    def side(self) -> int:
        """How large a kernel is drawn, in pixels."""
        cell = self.cell(0, 0)
        return min(cell.width(), cell.height())


def mosaics(room: QSize, count: int, nodes: tuple[int, int], aspect: float) -> list[Mosaic]:
    """Places of one or two grids in a room of pixels; `aspect` is width over height of the photo.

    Two are beside or below each other, whichever makes them larger.
    """
    ways = [_shared(room, across, count // across, nodes, aspect) for across in {1, count}]
    return max(ways, key=lambda way: way[0].width)


def _shared(room: QSize, across: int, down: int, nodes: tuple[int, int], aspect: float) -> list[Mosaic]:
    """So many grids in a row and in a column."""
    wide = max((room.width() - GAP * (across - 1)) / across - 1, 1.0)
    high = max((room.height() - BELOW) / down - TITLE, 1.0)
    width = max(round(min(wide, high * aspect)), 1)
    height = max(round(width / aspect), 1)
    left = max(round((room.width() - across * width - GAP * (across - 1)) / 2), 0)
    top = TITLE + max(round((room.height() - BELOW - down * (height + TITLE)) / 2), 0)
    return [
        Mosaic(nodes, left + col * (width + GAP), top + row * (height + TITLE), width, height)
        for row in range(down)
        for col in range(across)
    ]


class FieldPictures(QWidget):
    """The grid of the lens in view; a kernel is chosen by a click, or by the arrows and Enter.

    Each kernel has the brightness of its own peak. What is dark around all kernels is cut off, from both lenses alike,
    so that one pixel of a kernel is as large in both. A kernel whose confidence is low has a mark in its corner.
    """

    node_chosen = Signal(int, int)  # row and column
    room_changed = Signal()  # ask `two_fit` again

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Kernels over the field")
        self.setAccessibleDescription("Arrows go from kernel to kernel, Enter enlarges one.")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._lenses: list[Lens] = []
        self._pictures: list[list[list[QImage]]] = []  # of each lens, row by row
        self._nodes = (1, 1)
        self._photo: float | None = None  # width over height
        self._beside = True
        self._flipped = False
        self._cursor = (0, 0)
        self._hovered: tuple[int, int] | None = None

    @property
    def aspect(self) -> float:
        """Width over height of the field: that of the photo in view; without a photo, of square places."""
        rows, cols = self._nodes
        return min(max(self._photo or cols / rows, FLATTEST), STEEPEST)

    def two_fit(self) -> bool:
        """Whether a kernel can be made out where two grids are beside each other."""
        return mosaics(self.size(), 2, self._nodes, self.aspect)[0].side >= LEGIBLE

    def show_lenses(self, lenses: Sequence[Lens], channel: int | None, *, gain: float, logarithmic: bool) -> None:
        """One lens, or two of as many nodes: all of their channels or one, `gain` times as bright."""
        self._lenses = list(lenses)
        self._nodes = lenses[0].psf.nodes
        self._cursor = (min(self._cursor[0], self._nodes[0] - 1), min(self._cursor[1], self._nodes[1] - 1))
        kernels = [in_view(lens.psf.kernels, channel) for lens in lenses]
        radius = max(lit_radius(grid, faintest(logarithmic=logarithmic) / gain) for grid in kernels)
        self._pictures = [
            [[_picture(cut(kernel, radius), gain, logarithmic=logarithmic) for kernel in line] for line in grid]
            for grid in kernels
        ]
        self.update()

    def show_photo(self, aspect: float) -> None:
        """The shape of the photos: width over height, as the sensor has them."""
        self._photo = aspect
        self.room_changed.emit()
        self.update()

    def show_manner(self, *, beside: bool, flipped: bool) -> None:
        """How a second lens is shown: beside the first where two fit, else in its place while `flipped`."""
        self._beside, self._flipped = beside, flipped
        self.update()

    def show_cursor(self, node: tuple[int, int]) -> None:
        """The kernel from which the arrows go on."""
        self._cursor = node
        self.update()

    def places(self) -> list[tuple[int, Mosaic]]:
        """Which lenses are drawn, and where."""
        if len(self._lenses) == 2 and self._beside and self.two_fit():
            return list(enumerate(mosaics(self.size(), 2, self._nodes, self.aspect)))
        shown = 1 if len(self._lenses) == 2 and self._flipped else 0
        return [(shown, mosaics(self.size(), 1, self._nodes, self.aspect)[0])]

    def node_at(self, place: QPoint) -> tuple[int, int] | None:
        """The row and column of the kernel at a place of the widget, in whichever grid."""
        found = (mosaic.node_at(place) for _, mosaic in self.places())
        return next((node for node in found if node is not None), None)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The grids with their names, what the mouse is over, and where the keyboard is."""
        if not self._lenses:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for index, mosaic in self.places():
            self._draw_grid(painter, index, mosaic)

    def _draw_grid(self, painter: QPainter, index: int, mosaic: Mosaic) -> None:
        chosen, lens = colours(), self._lenses[index]
        painter.setPen(QColor(chosen.accent if index == 1 and self._flipped else chosen.muted))
        above = QRect(mosaic.left, mosaic.top - TITLE, mosaic.width, TITLE - 3)
        name = painter.fontMetrics().elidedText(lens.name, Qt.TextElideMode.ElideMiddle, mosaic.width)
        painter.drawText(above, Qt.AlignmentFlag.AlignCenter, name)
        painter.fillRect(mosaic.left, mosaic.top, mosaic.width + 1, mosaic.height + 1, QColor(chosen.line))
        for row, line in enumerate(self._pictures[index]):
            for col, picture in enumerate(line):
                cell = mosaic.cell(row, col)
                painter.fillRect(cell, Qt.GlobalColor.black)
                side = min(cell.width(), cell.height())
                square = QRect(0, 0, side, side)
                square.moveCenter(cell.center())
                painter.drawImage(square, picture)
                if _doubtful(lens, row, col):
                    corner = QRect(0, 0, MARK, MARK)
                    corner.moveBottomRight(cell.bottomRight() - QPoint(2, 2))
                    painter.fillRect(corner, QColor(chosen.warn))
        if self._hovered is not None:
            self._draw_frame(painter, mosaic.cell(*self._hovered), chosen.muted)
        if self.hasFocus():
            self._draw_frame(painter, mosaic.cell(*self._cursor), chosen.accent)

    @staticmethod
    def _draw_frame(painter: QPainter, cell: QRect, colour: str) -> None:
        painter.setPen(QPen(QColor(colour), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(cell)

    def event(self, event: QEvent) -> bool:
        """What a kernel is, in words, where the mouse rests on it."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            node = self.node_at(event.pos())
            if node is not None and self._lenses:
                QToolTip.showText(event.globalPos(), self.told(node), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def told(self, node: tuple[int, int]) -> str:
        """The place of a kernel and its width, of each lens; its confidence where it is known."""
        row, col = node
        lines = [f"Row {row + 1}, column {col + 1}"]
        for lens in self._lenses:
            known = lens.psf.confidence
            found = node_numbers(lens.psf.kernels[row, col], None if known is None else known[row, col])
            sure = "" if found.confidence is None else f", confidence {found.confidence:.2f}"
            lines.append(f"{lens.name}: FWHM {widths(found.kernel)} px{sure}")
        return "\n".join(lines)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The kernel under the mouse is framed, in both grids."""
        hovered = self.node_at(event.position().toPoint())
        if hovered != self._hovered:
            self._hovered = hovered
            self.setCursor(Qt.CursorShape.PointingHandCursor if hovered else Qt.CursorShape.ArrowCursor)
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """The mouse went elsewhere."""
        self._hovered = None
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click enlarges."""
        node = self.node_at(event.position().toPoint())
        if node is not None and event.button() == Qt.MouseButton.LeftButton:
            self._cursor = node
            self.node_chosen.emit(*node)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows and Enter."""
        key = Qt.Key(event.key())
        if key in STEPS:
            self._cursor = stepped(self._cursor, STEPS[key], self._nodes)
            self.update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.node_chosen.emit(*self._cursor)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The frame of the keyboard comes."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """The frame of the keyboard goes."""
        super().focusOutEvent(event)
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another room for the grids."""
        super().resizeEvent(event)
        self.room_changed.emit()


def in_view(kernels: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """One channel of kernels ... x channels x k x k, or all (None); where there is but one it stands for each."""
    if channel is None or kernels.shape[-3] == 1:
        return kernels
    return kernels[..., channel : channel + 1, :, :]


def stepped(node: tuple[int, int], step: tuple[int, int], nodes: tuple[int, int]) -> tuple[int, int]:
    """The node a step further, as far as there are rows and columns."""
    row, col = (min(max(at + by, 0), count - 1) for at, by, count in zip(node, step, nodes, strict=True))
    return row, col


def lit_radius(kernels: NDArray[np.float32], floor: float) -> int:
    """Pixels around k//2 beyond which no kernel of ... x channels x k x k is brighter than `floor` of its own peak."""
    size = kernels.shape[-1]
    peaks = kernels.max(axis=(-3, -2, -1), keepdims=True)
    lit = (kernels > floor * np.maximum(peaks, 1e-12)).reshape(-1, size, size).any(axis=0)
    away = np.abs(np.arange(size) - size // 2)
    distances = np.maximum(away[:, None], away[None])[lit]
    return max(int(distances.max(initial=0)), LEAST_RADIUS)


def cut(kernel: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """What lies within `radius` pixels of the origin of a kernel C x k x k; dark where that is beyond its edge."""
    size = kernel.shape[-1]
    before, after = size // 2 - radius, size // 2 + radius + 1
    inside = kernel[:, max(before, 0) : after, max(before, 0) : after]
    around = (max(-before, 0), max(after - size, 0))
    return np.pad(inside, [(0, 0), around, around])


def _picture(kernel: NDArray[np.float32], gain: float, *, logarithmic: bool) -> QImage:
    """A kernel C x k x k in the brightness of its own peak."""
    pixels = np.rint(255 * coloured(kernel, float(kernel.max()) / gain, logarithmic=logarithmic)).astype(np.uint8)
    size = pixels.shape[0]
    return QImage(pixels.data, size, size, 3 * size, QImage.Format.Format_RGB888).copy()


def _doubtful(lens: Lens, row: int, col: int) -> bool:
    return lens.psf.confidence is not None and float(lens.psf.confidence[row, col].min()) < TRUSTED
