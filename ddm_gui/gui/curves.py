"""Live curves against the number of patches seen, as every run that learns shows them."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QFrame, QWidget

from ddm_gui.gui.parts import Waiting, button, horizontal, label, vertical
from ddm_gui.gui.theme import colours

MOST_POINTS = 2000  # of a curve; then every other one is dropped


class Curve:
    """Points of one curve, thinned so that a run of hours stays quick to draw. A missing value is a gap."""

    def __init__(self, item: pg.PlotDataItem) -> None:
        self._item = item
        self._x: list[float] = []
        self._y: list[float] = []

    def add(self, x: float, y: float | None) -> None:
        """One more point, drawn at once."""
        self._x.append(x)
        self._y.append(np.nan if y is None else y)
        if len(self._x) > MOST_POINTS:
            self._x, self._y = self._x[::2], self._y[::2]
        self._item.setData(self._x, self._y)

    def cut(self, x: float) -> None:
        """Forgets what lies beyond x: a run that goes on from a checkpoint draws that part again."""
        keep = [index for index, value in enumerate(self._x) if value <= x]
        self._x = [self._x[index] for index in keep]
        self._y = [self._y[index] for index in keep]
        self._item.setData(self._x, self._y)

    def clear(self) -> None:
        """No points."""
        self._x, self._y = [], []
        self._item.setData([], [])


class _Counts(pg.AxisItem):  # type: ignore[misc]
    """Numbers of patches: 20k, 1.5M."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [_count(value) for value in values]


class _Values(pg.AxisItem):  # type: ignore[misc]
    """Values of a curve; a logarithmic axis that spans less than a decade has round numbers too."""

    def logTickValues(
        self, minVal: float, maxVal: float, size: float, stdTicks: list[tuple[float, list[float]]]
    ) -> list[tuple[float | None, list[float]]]:
        if maxVal - minVal >= 1.0:
            usual: list[tuple[float | None, list[float]]] = super().logTickValues(minVal, maxVal, size, stdTicks)
            return usual
        low, high = 10.0**minVal, 10.0**maxVal
        spacing, _ = self.tickSpacing(low, high, size)[0]
        values = np.arange(np.ceil(low / spacing), np.floor(high / spacing) + 1) * spacing
        return [(None, list(np.log10(values)))]

    def logTickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        return [f"{10.0**value:.4g}" for value in values]


def _count(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value else "0"


class CurvePanel(QFrame):
    """A titled plot against the number of patches seen, with the newest value beside the title."""

    def __init__(self, title: str, unit: str, words: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._curves: list[tuple[pg.PlotDataItem, str, bool]] = []
        self._value = label("", "muted")
        self.log_button = button("Log", "small", checkable=True)
        self.log_button.setToolTip("Logarithmic scale")
        self.log_button.setAccessibleName(f"{title}: logarithmic scale")
        self._waiting = Waiting(words)
        self.plot = pg.PlotWidget(axisItems={"bottom": _Counts("bottom"), "left": _Values("left")})
        self.plot.setAccessibleName(f"{title} against patches seen")
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(False, False)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.showGrid(x=False, y=True, alpha=0.15)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setStyle(tickLength=-4)
        self.plot.getAxis("left").setWidth(QFontMetrics(self.font()).horizontalAdvance("0.0000") + 12)
        self.plot.getAxis("bottom").setHeight(30)
        self.plot.getAxis("bottom").enableAutoSIPrefix(False)
        self.plot.getAxis("left").enableAutoSIPrefix(False)
        self.plot.getPlotItem().setContentsMargins(0, 2, 4, 0)
        self.plot.hide()
        heading = label(title, "heading")
        heading.setToolTip(tip)
        units = label(unit, "muted")
        units.setToolTip(tip)
        head = horizontal(6)
        head.addWidget(heading)
        head.addWidget(units)
        head.addStretch()
        head.addWidget(self._value)
        head.addWidget(self.log_button)
        layout = vertical(2, self)
        layout.setContentsMargins(12, 6, 8, 4)
        layout.addLayout(head)
        layout.addWidget(self._waiting, 1)
        layout.addWidget(self.plot, 1)
        self.log_button.toggled.connect(self._scale)
        self.show_colours()

    def curve(self, colour: str, *, dashed: bool = False) -> Curve:
        """A new curve in this panel; its colour by the name that it has among the Colours."""
        item = self.plot.plot(connect="finite", antialias=True)
        self._curves.append((item, colour, dashed))
        self.show_colours()
        return Curve(item)

    def show_colours(self) -> None:
        """Dresses the plot in the colours of now."""
        chosen = colours()
        self.plot.setBackground(chosen.panel)
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(pg.mkPen(chosen.line))
            axis.setTextPen(pg.mkPen(chosen.muted))
        self.plot.getAxis("bottom").setLabel("patches", color=chosen.muted, **{"font-size": "8pt"})
        for item, colour, dashed in self._curves:
            style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
            item.setPen(pg.mkPen(getattr(chosen, colour), width=1 if dashed else 2, style=style))

    def show_value(self, text: str) -> None:
        """The newest value; the plot takes the place of the words that waited for it."""
        self._value.setText(text)
        self._waiting.hide()
        self.plot.show()

    def clear(self) -> None:
        """Back to waiting."""
        self._value.clear()
        self.plot.hide()
        self._waiting.show()

    def _scale(self, logarithmic: bool) -> None:
        self.plot.setLogMode(x=False, y=logarithmic)
