"""Cross-sections of a kernel, and of that of another lens in dashes, each through its own peak."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QPen
from PySide6.QtWidgets import QWidget

from ddm_gui.engine.blur.psf import profiles
from ddm_gui.gui.lens.brightness import HALVES, TENTHS, brightness, pixel_ticks
from ddm_gui.gui.theme import colours

AXIS_WIDTH, AXIS_HEIGHT, TITLE_HEIGHT = 50, 18, 18  # pixels around the curves
_TITLES = ("Across, px", "Down, px")
_CHANNELS = ("red", "green", "blue")  # as the theme calls their colours
_ROOM = 0.06  # above the peak and below nothing, of the height of the curves


class KernelProfiles(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """Two plots: brightness along the row and along the column of pixels through a kernel's brightest pixel.

    Positions count from the origin, as in the pictures; where the peaks of lenses or colours lie apart, so do the
    curves.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Profiles of the blur kernel")
        self.setToolTip(
            "Brightness along the row (across) and the column (down) of pixels through the kernel's brightest pixel. "
            "Dashed: that of the other lens."
        )
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.ci.layout.setHorizontalSpacing(8)
        self.ci.layout.setContentsMargins(0, 0, 4, 0)
        self._plots = [self.addPlot(row=0, col=column) for column in range(2)]
        for plot in self._plots:
            plot.setMenuEnabled(False)
            plot.hideButtons()
            plot.setMouseEnabled(False, False)
            plot.disableAutoRange()
            plot.setYRange(-_ROOM, 1 + _ROOM, padding=0.0)
            plot.getAxis("bottom").setHeight(AXIS_HEIGHT)
            plot.getAxis("bottom").enableAutoSIPrefix(False)
        self._halves = [plot.addLine(y=0.5) for plot in self._plots]  # where the full width at half maximum is taken
        self._plots[0].getAxis("left").setWidth(AXIS_WIDTH)
        self._plots[1].getAxis("left").setWidth(4)
        self._plots[1].getAxis("left").setStyle(showValues=False)
        self._second = ""  # the name of what is dashed
        # Of both lenses, each colour across and down: made once, since making curves is what takes time.
        self._curves = [[[self._curve(plot) for plot in self._plots] for _ in _CHANNELS] for _ in range(2)]
        self._colours: dict[pg.PlotCurveItem, tuple[str, bool]] = {}  # of the curves in use: by name, whether dashed
        self.show_colours()

    def show_colours(self) -> None:
        """Dresses the plots in the colours of now."""
        chosen = colours()
        self.setBackground(chosen.panel)
        for plot, title, more in zip(
            self._plots, _TITLES, ("", f"   - - {escape(self._second)}" if self._second else ""), strict=True
        ):
            plot.setTitle(title + more, color=chosen.muted, size="8pt")
            plot.titleLabel.setMaximumHeight(TITLE_HEIGHT)
            plot.layout.setRowFixedHeight(0, TITLE_HEIGHT)
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(pg.mkPen(chosen.line))
                axis.setTextPen(pg.mkPen(chosen.muted))
                axis.setStyle(tickLength=-3, hideOverlappingLabels=False)
        for line in self._halves:
            line.setPen(pg.mkPen(chosen.line))
        for item, (colour, dashed) in self._colours.items():
            item.setPen(_pen(colour, dashed=dashed))

    def show_kernels(
        self,
        names: Sequence[str],
        kernels: Sequence[NDArray[np.float32]],
        channel: int | None,
        *,
        logarithmic: bool,
    ) -> None:
        """One kernel or two, channels x k x k, of one size: of one channel, or of all that there are (None)."""
        size = kernels[0].shape[-1]
        half = float(brightness(np.array(0.5, np.float32), 1.0, logarithmic=logarithmic))
        for plot, line in zip(self._plots, self._halves, strict=True):
            line.setValue(half)
            plot.setXRange(-(size // 2) - 0.5, size - size // 2 - 0.5, padding=0.0)
            plot.getAxis("bottom").setTicks([pixel_ticks(size)])
            plot.getAxis("left").setTicks([TENTHS if logarithmic else HALVES])
        self._colours = {}
        peak = max(float(kernel.max()) for kernel in kernels)
        for kernel, rows, dashed in zip(kernels, self._curves, (False, True), strict=False):
            for part, items, colour in zip(kernel, rows, _channel_colours(kernel, channel, dashed), strict=False):
                self._draw(brightness(part, peak, logarithmic=logarithmic), items, colour, dashed)
        for item in (item for rows in self._curves for items in rows for item in items):
            item.setVisible(item in self._colours)
        second = names[1] if len(kernels) == 2 else ""
        if self._second != second:
            self._second = second
            self.show_colours()

    def _draw(self, bright: NDArray[np.float32], items: list[pg.PlotCurveItem], colour: str, dashed: bool) -> None:
        """One channel, k x k: its row and its column through the peak."""
        size = len(bright)
        for item, profile in zip(items, profiles(bright), strict=True):
            item.setData(np.arange(size) - size // 2, profile)
            item.setPen(_pen(colour, dashed=dashed))
            self._colours[item] = (colour, dashed)

    @staticmethod
    def _curve(plot: pg.PlotItem) -> pg.PlotCurveItem:
        item = pg.PlotCurveItem(antialias=True)
        plot.addItem(item)
        return item


def _channel_colours(kernel: NDArray[np.float32], channel: int | None, dashed: bool) -> tuple[str, ...]:
    """A colour for each channel, as the theme calls it; of a kernel for all colours, none of the three."""
    if len(kernel) == len(_CHANNELS):
        return _CHANNELS
    if channel is not None:
        return (_CHANNELS[channel],)
    return ("text" if dashed else "accent",)


def _pen(colour: str, *, dashed: bool) -> QPen:
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    pen: QPen = pg.mkPen(getattr(colours(), colour), width=1.5 if dashed else 2, style=style)
    return pen
