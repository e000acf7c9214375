"""One kernel as a picture of a point of light, and beside it that of another lens."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from ddm_gui.gui.lens.brightness import TENTHS, coloured, pixel_ticks
from ddm_gui.gui.theme import colours

AXIS_WIDTH, AXIS_HEIGHT, LABELLED, TITLE_HEIGHT, BAR_WIDTH = 28, 20, 34, 20, 66  # pixels around a kernel
LONGEST_NAME = 14  # letters above a picture


class KernelPictures(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """A kernel with its origin at 0, row 0 on top; beside it that of another lens at the same place."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Blur kernel")
        self.setAccessibleDescription("Arrows go to the kernels around it, Escape leads back to the field.")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.ci.layout.setHorizontalSpacing(8)
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self._plots = [self.addPlot(row=0, col=column) for column in range(2)]
        self._images = [pg.ImageItem(axisOrder="row-major") for _ in self._plots]
        for plot, image in zip(self._plots, self._images, strict=True):
            plot.addItem(image)
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.setMouseEnabled(False, False)
            plot.invertY(True)
        self._plots[0].getAxis("left").setWidth(AXIS_WIDTH)
        self._plots[1].hideAxis("left")
        self._bar = pg.ColorBarItem(values=(0, 1), width=9, colorMap=_grey(), interactive=False)
        self._bar.axis.setWidth(52)  # of 1/1000
        self._bar.axis.tickStrings = _shares
        self.addItem(self._bar, row=0, col=2)
        self._two = False
        self._names: tuple[str, ...] = ("", "")
        self._below = LABELLED
        self.show_unit(shown=True)
        self.show_colours()

    def show_colours(self) -> None:
        """Dresses the pictures in the colours of now."""
        chosen = colours()
        self.setBackground(chosen.panel)
        self._show_names()
        for plot in self._plots:
            for side in ("left", "bottom"):
                _dress(plot.getAxis(side))
            plot.getAxis("bottom").setLabel("pixels", color=chosen.muted)
            plot.getAxis("bottom").showLabel(self._below == LABELLED)
        _dress(self._bar.axis)

    def show_unit(self, *, shown: bool) -> None:
        """Whether the axes say that they count pixels; curves below with the same axis say it for both."""
        self._below = LABELLED if shown else AXIS_HEIGHT
        self._bar.layout.setContentsMargins(0, TITLE_HEIGHT, 0, self._below)  # as high as the pictures beside it
        for plot in self._plots:
            plot.getAxis("bottom").showLabel(shown)
            plot.getAxis("bottom").setHeight(self._below)
        self._square()

    def show_kernels(
        self, names: Sequence[str], kernels: Sequence[NDArray[np.float32]], *, gain: float, logarithmic: bool
    ) -> None:
        """One kernel or two, channels x k x k, of one size: one channel as grey, three in their colours.

        Both have the same scale of brightness, whose white is the peak of the brighter one, less by `gain`.
        """
        self._names = tuple(_short(name) for name in names)
        peak = max(float(kernel.max()) for kernel in kernels) / gain
        for kernel, image, plot in zip(kernels, self._images, self._plots, strict=False):
            image.setImage(coloured(kernel, peak, logarithmic=logarithmic), levels=(0.0, 1.0))
            size = kernel.shape[-1]
            first = -(size // 2) - 0.5
            image.setRect(QRectF(first, first, size, size))
            plot.setRange(QRectF(first, first, size, size), padding=0.0)
            for side in ("left", "bottom"):
                plot.getAxis(side).setTicks([pixel_ticks(size)])
        self._bar.setLevels((0.0, 1.0) if logarithmic else (0.0, peak))
        self._bar.axis.setTicks([TENTHS] if logarithmic else None)
        self._bar.setToolTip("Parts of white" if logarithmic else "Share of the light in a pixel")
        self._show_names()
        self._show_second(len(kernels) == 2)

    def _show_names(self) -> None:
        for plot, name in zip(self._plots, self._names, strict=False):
            plot.setTitle(name, color=colours().muted, size="9pt")
            plot.titleLabel.setMaximumHeight(TITLE_HEIGHT)
            plot.layout.setRowFixedHeight(0, TITLE_HEIGHT)

    def _show_second(self, shown: bool) -> None:
        self._two = shown
        self._plots[1].setVisible(shown)
        self._square()

    def height_for(self, width: int) -> int:
        """The height beyond which pictures in a widget of this width do not grow."""
        return round(self._widest(width)) + TITLE_HEIGHT + self._below

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """There is nothing to scroll here: keys are for the view around it."""
        event.ignore()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Pixels stay square."""
        super().resizeEvent(event)
        if event is not None:
            self._square()

    def _square(self) -> None:
        """As large as both directions allow."""
        side = max(min(self._widest(self.width()), self.height() - self._below - TITLE_HEIGHT), 40.0)
        height = side + TITLE_HEIGHT + self._below
        for plot, width in zip(self._plots, (side + AXIS_WIDTH, side if self._two else 0.0), strict=True):
            plot.setMinimumSize(width, height)
            plot.setMaximumSize(width, height)
        self._bar.setMinimumHeight(height)
        self._bar.setMaximumHeight(height)

    def _widest(self, width: int) -> float:
        """How wide a picture can be in a widget of this width."""
        count = 2 if self._two else 1
        return (width - AXIS_WIDTH - BAR_WIDTH - 8 * count) / count


def _short(name: str) -> str:
    """A name as long as there is room for, as HTML that shows it as it is."""
    cut = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return escape(cut)


def _dress(axis: pg.AxisItem) -> None:
    chosen = colours()
    axis.setPen(pg.mkPen(chosen.line))
    axis.setTextPen(pg.mkPen(chosen.muted))
    axis.setStyle(tickLength=-3, hideOverlappingLabels=False)
    axis.enableAutoSIPrefix(False)


def _shares(values: list[float], scale: float, spacing: float) -> list[str]:
    """Ticks of the colour bar: shares of a kernel's light."""
    return [f"{100 * value:g} %" for value in values]


def _grey() -> pg.ColorMap:
    return pg.ColorMap(pos=[0.0, 1.0], color=[(0, 0, 0), (255, 255, 255)])
