"""The kernel as it evolves, with axes in pixels and a colour scale; afterwards a slider back through its history."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QSlider, QWidget

from ddm_gui.engine.history import History
from ddm_gui.gui.parts import Waiting, button, horizontal, label, vertical
from ddm_gui.gui.theme import colours

DECADES = 3.0  # that the logarithmic brightness shows below the peak
MOST_SNAPSHOTS = 500
AXIS_WIDTH, AXIS_HEIGHT, TITLE_HEIGHT, BAR_WIDTH = 28, 34, 30, 62  # pixels around a kernel
_TENTHS = [(0.0, "peak"), (-1.0, "1/10"), (-2.0, "1/100"), (-3.0, "1/1000")]
_TOGETHER = "Colours together"
_CHANNELS = ("Red", "Green", "Blue")


def brightness(kernel: NDArray[np.float32], peak: float, *, logarithmic: bool) -> NDArray[np.float32]:
    """A kernel as brightness in [0, 1], where 1 is `peak`; logarithmic: from a thousandth of the peak on."""
    relative = np.clip(kernel / max(peak, 1e-12), 0.0, 1.0)
    if logarithmic:
        relative = np.clip(1.0 + np.log10(np.maximum(relative, 10.0**-DECADES)) / DECADES, 0.0, 1.0)
    result: NDArray[np.float32] = relative.astype(np.float32)
    return result


class KernelPictures(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """The learned kernel as a picture of a point of light, its origin at 0, row 0 on top; the true one beside it.

    Both have the same scale of brightness, so that they can be compared.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Blur kernel, learned and true")
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
            plot.getAxis("bottom").setHeight(AXIS_HEIGHT)
        self._plots[0].getAxis("left").setWidth(AXIS_WIDTH)
        self._plots[1].hideAxis("left")
        self._bar = pg.ColorBarItem(values=(0, 1), width=9, colorMap=_grey(), interactive=False)
        self._bar.layout.setContentsMargins(0, TITLE_HEIGHT, 0, AXIS_HEIGHT)  # as high as the pictures beside it
        self._bar.axis.tickStrings = _shares
        self.addItem(self._bar, row=0, col=2)
        self._two = False
        self.show_colours()

    def show_colours(self) -> None:
        """Dresses the pictures in the colours of now."""
        chosen = colours()
        self.setBackground(chosen.panel)
        for plot, title in zip(self._plots, ("Learned", "True"), strict=True):
            plot.setTitle(title, color=chosen.muted, size="9pt")
            for side in ("left", "bottom"):
                _dress(plot.getAxis(side))
            plot.getAxis("bottom").setLabel("pixels", color=chosen.muted)
        _dress(self._bar.axis)

    def show_kernels(
        self, learned: NDArray[np.float32], true: NDArray[np.float32] | None, channel: int | None, *, logarithmic: bool
    ) -> None:
        """Kernels, channels x k x k: one channel as grey, or all together in their colours (None)."""
        kernels = [learned] if true is None else [learned, true]
        parts = [k if channel is None or len(k) == 1 else k[channel : channel + 1] for k in kernels]
        peak = max(float(part.max()) for part in parts)
        for part, image, plot in zip(parts, self._images, self._plots, strict=False):
            bright = brightness(part, peak, logarithmic=logarithmic)
            coloured = np.broadcast_to(bright, (3, *bright.shape[1:]))
            image.setImage(np.ascontiguousarray(np.moveaxis(coloured, 0, -1)), levels=(0.0, 1.0))
            size = part.shape[-1]
            first = -(size // 2) - 0.5
            image.setRect(QRectF(first, first, size, size))
            plot.setRange(QRectF(first, first, size, size), padding=0.0)
        self._bar.setLevels((-DECADES, 0.0) if logarithmic else (0.0, peak))
        self._bar.axis.setTicks([_TENTHS] if logarithmic else None)
        self._bar.setToolTip("Parts of the peak" if logarithmic else "Share of the light in a pixel")
        self._two = true is not None
        self._plots[1].setVisible(self._two)
        self._square()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Pixels stay square."""
        super().resizeEvent(event)
        if event is not None:
            self._square()

    def _square(self) -> None:
        """As large as both directions allow."""
        count = 2 if self._two else 1
        width = (self.width() - AXIS_WIDTH - BAR_WIDTH - 8 * count) / count
        side = max(min(width, self.height() - AXIS_HEIGHT - TITLE_HEIGHT), 40.0)
        height = side + TITLE_HEIGHT + AXIS_HEIGHT
        for plot, width in zip(self._plots, (side + AXIS_WIDTH, side if self._two else 0.0), strict=True):
            plot.setMinimumSize(width, height)
            plot.setMaximumSize(width, height)
        self._bar.setMinimumHeight(height)
        self._bar.setMaximumHeight(height)


class KernelView(QFrame):
    """The learned kernel; beside it the true one where that is known (in the demo)."""

    looked_back = Signal(object)  # kernels of an earlier moment (rows x cols x channels x k x k); None: of now

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._seen: list[int] = []
        self._kernels: list[NDArray[np.float32]] = []
        self._truth: NDArray[np.float32] | None = None
        self.channel_box = QComboBox()
        self.channel_box.setAccessibleName("Which colours of the kernel are shown")
        self.channel_box.addItems([_TOGETHER, *_CHANNELS])
        self.channel_box.currentIndexChanged.connect(self._redraw)
        self.log_button = button("Log", "small", checkable=True)
        self.log_button.setToolTip("Logarithmic brightness: shows the faint skirts of the kernel")
        self.log_button.setAccessibleName("Logarithmic brightness of the kernel")
        self.log_button.toggled.connect(self._redraw)
        self._waiting = Waiting("The blur kernel appears here: what a point of light becomes.")
        self.pictures = KernelPictures()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Moment of the run")
        self.slider.setToolTip("Back in time: the kernel, and the photo in view, as they were")
        self.slider.valueChanged.connect(self._redraw)
        self.slider.valueChanged.connect(self._tell_moment)
        self._moment = label("", "muted")
        head = horizontal(6)
        title = label("Blur kernel", "heading")
        title.setBuddy(self.channel_box)  # on Linux a combo box is read by its label
        head.addWidget(title)
        head.addStretch()
        head.addWidget(self.channel_box)
        head.addWidget(self.log_button)
        foot = horizontal(8)
        foot.addWidget(self.slider, 1)
        foot.addWidget(self._moment)
        layout = vertical(4, self)
        layout.setContentsMargins(12, 8, 8, 6)
        layout.addLayout(head)
        layout.addWidget(self._waiting, 1)
        layout.addWidget(self.pictures, 1)
        layout.addLayout(foot)
        self.clear()

    def add_snapshot(self, images_seen: int, kernels: NDArray[np.float32]) -> None:
        """The kernel of the moment; shown at once unless an earlier moment is being looked at."""
        at_end = self.slider.value() == self.slider.maximum()
        while self._seen and self._seen[-1] >= images_seen:  # the run went on from an earlier checkpoint
            self._seen.pop()
            self._kernels.pop()
        self._seen.append(images_seen)
        self._kernels.append(kernels)
        if len(self._seen) > MOST_SNAPSHOTS:
            self._seen, self._kernels = self._seen[::2], self._kernels[::2]
        self._fit_slider(at_end=at_end)

    def show_history(self, history: History) -> None:
        """All moments of a run, the last one in view."""
        self._seen = [int(count) for count in history.images_seen]
        self._kernels = list(history.kernels)
        self._fit_slider(at_end=True)

    def show_truth(self, kernels: NDArray[np.float32] | None) -> None:
        """The true kernel, where it is known."""
        self._truth = kernels
        self._redraw()

    def clear(self) -> None:
        """No kernel yet."""
        self._seen, self._kernels = [], []
        self._fit_slider(at_end=True)

    def _fit_slider(self, *, at_end: bool) -> None:
        last = max(len(self._seen) - 1, 0)
        value = last if at_end else min(self.slider.value(), last)
        self.slider.blockSignals(True)
        self.slider.setMaximum(last)
        self.slider.setValue(value)
        self.slider.blockSignals(False)
        self._redraw()

    def _redraw(self) -> None:
        known = bool(self._seen)
        self._waiting.setVisible(not known)
        self.pictures.setVisible(known)
        self.slider.setVisible(known)
        self._moment.setVisible(known)
        self.log_button.setEnabled(known)
        colour = known and self._kernels[-1].shape[2] == 3
        self.channel_box.setVisible(colour)
        if not known:
            return
        index = min(self.slider.value(), len(self._seen) - 1)
        chosen = self.channel_box.currentIndex() - 1
        channel = chosen if colour and chosen >= 0 else None
        kernel = _middle(self._kernels[index])
        true = _middle(self._truth) if self._truth is not None else None
        self.pictures.show_kernels(kernel, true, channel, logarithmic=self.log_button.isChecked())
        self._moment.setText(f"{self._seen[index]:,} patches")

    def _tell_moment(self, index: int) -> None:
        now = index >= len(self._seen) - 1
        self.looked_back.emit(None if now else self._kernels[index])


def _middle(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The kernel in the middle of the field, channels x k x k."""
    middle: NDArray[np.float32] = kernels[kernels.shape[0] // 2, kernels.shape[1] // 2]
    return middle


def _dress(axis: pg.AxisItem) -> None:
    chosen = colours()
    axis.setPen(pg.mkPen(chosen.line))
    axis.setTextPen(pg.mkPen(chosen.muted))
    axis.setStyle(tickLength=-3)
    axis.enableAutoSIPrefix(False)


def _shares(values: list[float], scale: float, spacing: float) -> list[str]:
    """Ticks of the colour bar: shares of a kernel's light."""
    return [f"{100 * value:g} %" for value in values]


def _grey() -> pg.ColorMap:
    return pg.ColorMap(pos=[0.0, 1.0], color=[(0, 0, 0), (255, 255, 255)])
