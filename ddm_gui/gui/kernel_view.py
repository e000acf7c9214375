"""The kernel as it evolves: pictures, profiles and numbers, and a slider back through its history."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from pyqtgraph.GraphicsScene.mouseEvents import MouseClickEvent
from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QSlider, QWidget

from ddm_gui.engine.history import History
from ddm_gui.engine.psf import centred, fwhm, profiles
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.gui.brightness import TENTHS, brightness, pixel_ticks
from ddm_gui.gui.kernel_profiles import KernelProfiles
from ddm_gui.gui.parts import Waiting, button, horizontal, label, vertical
from ddm_gui.gui.theme import colours

MOST_SNAPSHOTS = 500
UNLIMITED = (1 << 24) - 1  # pixels: what Qt takes for no limit
ROOMY = 300  # pixels of height from which profiles fit below the pictures
AXIS_WIDTH, AXIS_HEIGHT, LABELLED, TITLE_HEIGHT, BAR_WIDTH = 28, 20, 34, 20, 66  # pixels around a kernel
_TOGETHER = "RGB"  # short, so that it is not cut off in the smallest window
_CHANNELS = ("Red", "Green", "Blue")


class KernelPictures(pg.GraphicsLayoutWidget):  # type: ignore[misc]
    """The learned kernel as a picture of a point of light, its origin at 0, row 0 on top; the true one beside it.

    Both have the same scale of brightness, so that they can be compared. Of a grid all kernels lie at their places over
    the field, each in the brightness of its own peak.
    """

    node_chosen = Signal(int, int)  # the row and column of the kernel of a grid that was clicked

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
        self._plots[0].getAxis("left").setWidth(AXIS_WIDTH)
        self._plots[1].hideAxis("left")
        self._bar = pg.ColorBarItem(values=(0, 1), width=9, colorMap=_grey(), interactive=False)
        self._bar.axis.setWidth(52)  # of 1/1000
        self._bar.axis.tickStrings = _shares
        self.addItem(self._bar, row=0, col=2)
        self._two = False
        self._nodes: tuple[int, int] | None = None  # of the grid in view
        self.scene().sigMouseClicked.connect(self._choose_node)
        self._below = LABELLED
        self.show_unit(shown=True)
        self.show_colours()

    def show_colours(self) -> None:
        """Dresses the pictures in the colours of now."""
        chosen = colours()
        self.setBackground(chosen.panel)
        for plot, title in zip(self._plots, ("Learned", "True"), strict=True):
            plot.setTitle(title, color=chosen.muted, size="9pt")
            plot.titleLabel.setMaximumHeight(TITLE_HEIGHT)
            plot.layout.setRowFixedHeight(0, TITLE_HEIGHT)
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
        self, learned: NDArray[np.float32], true: NDArray[np.float32] | None, *, logarithmic: bool
    ) -> None:
        """Kernels, channels x k x k, both of one size: one channel as grey, three in their colours."""
        kernels = [learned] if true is None else [learned, true]
        peak = max(float(kernel.max()) for kernel in kernels)
        for kernel, image, plot in zip(kernels, self._images, self._plots, strict=False):
            image.setImage(_coloured(brightness(kernel, peak, logarithmic=logarithmic)), levels=(0.0, 1.0))
            size = kernel.shape[-1]
            first = -(size // 2) - 0.5
            image.setRect(QRectF(first, first, size, size))
            plot.setRange(QRectF(first, first, size, size), padding=0.0)
            for side in ("left", "bottom"):
                plot.getAxis(side).setTicks([pixel_ticks(size)])
        self._bar.setLevels((0.0, 1.0) if logarithmic else (0.0, peak))
        self._bar.axis.setTicks([TENTHS] if logarithmic else None)
        self._bar.setToolTip("Parts of the peak" if logarithmic else "Share of the light in a pixel")
        self._bar.setVisible(True)
        self._nodes = None
        self._name_axes("pixels")
        self._show_second(true is not None)

    def show_field(self, learned: NDArray[np.float32], true: NDArray[np.float32] | None, *, logarithmic: bool) -> None:
        """Grids of kernels, rows x cols x channels x k x k; where rows and columns differ in number, dark is left."""
        grids = [learned] if true is None else [learned, true]
        for grid, image, plot in zip(grids, self._images, self._plots, strict=False):
            rows, cols = grid.shape[:2]
            image.setImage(_coloured(_mosaic(grid, logarithmic=logarithmic)), levels=(0.0, 1.0))
            image.setRect(QRectF(-0.5, -0.5, cols, rows))
            side = max(rows, cols)
            plot.setRange(QRectF((cols - side) / 2 - 0.5, (rows - side) / 2 - 0.5, side, side), padding=0.0)
            for name, count in (("left", rows), ("bottom", cols)):
                plot.getAxis(name).setTicks([[(place, str(place + 1)) for place in sorted({0, count - 1})]])
        self._bar.setVisible(False)
        self._nodes = learned.shape[:2]
        self._name_axes("columns")
        self._show_second(true is not None)

    def _name_axes(self, unit: str) -> None:
        """What the axes count."""
        for plot in self._plots:
            plot.getAxis("bottom").setLabel(unit, color=colours().muted)
            plot.getAxis("bottom").showLabel(self._below == LABELLED)

    def _show_second(self, shown: bool) -> None:
        self._two = shown
        self._plots[1].setVisible(shown)
        self._square()

    def _choose_node(self, event: MouseClickEvent) -> None:
        """A click on a kernel of the grid in view."""
        if self._nodes is None or event.button() != Qt.MouseButton.LeftButton:
            return
        for plot in self._plots[: 2 if self._two else 1]:
            if plot.vb.sceneBoundingRect().contains(event.scenePos()):
                place = plot.vb.mapSceneToView(event.scenePos())
                row, col = round(place.y()), round(place.x())
                if 0 <= row < self._nodes[0] and 0 <= col < self._nodes[1]:
                    self.node_chosen.emit(row, col)

    def height_for(self, width: int) -> int:
        """The height beyond which pictures in a widget of this width do not grow."""
        return round(self._widest(width)) + TITLE_HEIGHT + self._below

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


class KernelView(QFrame):
    """The learned kernel, beside it the true one where that is known (of a simulated set), and their profiles.

    Unpaired photos do not tell where a kernel lies, so the true one is shown centred, as the learned one is.
    """

    looked_back = Signal(object)  # kernels of an earlier moment (rows x cols x channels x k x k); None: of now

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._seen: list[int] = []
        self._kernels: list[NDArray[np.float32]] = []
        self._finished = False  # the last moment is the result of a whole run
        self._truth: NDArray[np.float32] | None = None  # rows x cols x channels x k x k, centred
        self._node: tuple[int, int] | None = None  # the kernel of a grid that is enlarged; None: the whole field
        self._profiles_wished: bool | None = None  # None: where there is room
        self.channel_box = QComboBox()
        self.channel_box.setAccessibleName("Which colours of the kernel are shown")
        self.channel_box.setToolTip("Which colours of the kernel are shown: all together, or one")
        self.channel_box.addItems([_TOGETHER, *_CHANNELS])
        self.channel_box.currentIndexChanged.connect(self._redraw)
        self.profiles_button = button("Profiles", "small", checkable=True)
        self.profiles_button.setToolTip("Cross-sections through the kernel's peak; below the pictures if they fit")
        self.profiles_button.setAccessibleName("Profiles of the kernel")
        self.profiles_button.clicked.connect(self._wish_profiles)
        self.field_button = button("Field", "small")
        self.field_button.setToolTip("Back to the kernels of the whole field")
        self.field_button.setAccessibleName("All kernels over the field")
        self.field_button.clicked.connect(lambda: self._look_at(None))
        self.log_button = button("Log", "small", checkable=True)
        self.log_button.setToolTip("Logarithmic brightness: shows the faint skirts of the kernel")
        self.log_button.setAccessibleName("Logarithmic brightness of the kernel")
        self.log_button.toggled.connect(self._redraw)
        self._waiting = Waiting("The blur kernel appears here: what a point of light becomes.")
        self.pictures = KernelPictures()
        self.pictures.node_chosen.connect(lambda row, col: self._look_at((row, col)))
        self.profiles = KernelProfiles()
        self._widths = label("", "muted")
        self._widths.setToolTip(
            "Full width at half maximum, across × down, in pixels: how wide the profiles through the kernel's peak are "
            "at half of its brightness. Colours that are shown together count together."
        )
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Moment of the run")
        self.slider.setToolTip("Back in time: the kernel, and the photo in view, as they were")
        self.slider.valueChanged.connect(self._redraw)
        self.slider.valueChanged.connect(self._tell_moment)
        self._moment = label("", "muted")
        self._moment.setToolTip(
            "How many patches step 2 had seen; the result is the mean of its last rounds. "
            "NCC: how alike the kernel and the true one are, 1 where they are equal."
        )
        head = horizontal(6)
        title = label("Blur kernel", "heading")
        title.setBuddy(self.channel_box)  # on Linux a combo box is read by its label
        head.addWidget(title)
        head.addStretch()
        head.addWidget(self.field_button)
        head.addWidget(self.channel_box)
        head.addWidget(self.profiles_button)
        head.addWidget(self.log_button)
        foot = horizontal(8)
        foot.addWidget(self.slider, 1)
        foot.addWidget(self._moment)
        layout = vertical(4, self)
        layout.setContentsMargins(12, 8, 8, 6)
        layout.addLayout(head)
        layout.addWidget(self._waiting, 1)
        layout.addWidget(self.pictures, 3)
        layout.addWidget(self.profiles, 2)
        layout.addWidget(self._widths)
        layout.addLayout(foot)
        self.clear()

    def show_colours(self) -> None:
        """Dresses pictures and profiles in the colours of now."""
        self.pictures.show_colours()
        self.profiles.show_colours()

    def add_snapshot(self, images_seen: int, kernels: NDArray[np.float32]) -> None:
        """The kernel of the moment; shown at once unless an earlier moment is being looked at."""
        at_end = self.slider.value() == self.slider.maximum()
        while self._seen and self._seen[-1] >= images_seen:  # the run went on from an earlier checkpoint
            self._seen.pop()
            self._kernels.pop()
        self._seen.append(images_seen)
        self._kernels.append(kernels)
        self._finished = False
        if len(self._seen) > MOST_SNAPSHOTS:
            self._seen, self._kernels = self._seen[::2], self._kernels[::2]
        self._fit_slider(at_end=at_end)

    def show_history(self, history: History, result: NDArray[np.float32] | None) -> None:
        """All moments of a run, the last one in view: the kernels that a whole run has given, where it was one."""
        self._seen = [int(count) for count in history.images_seen]
        self._kernels = list(history.kernels)
        self._finished = result is not None
        if result is not None:
            self._seen.append(self._seen[-1] if self._seen else 0)
            self._kernels.append(result)
        self._fit_slider(at_end=True)

    def show_truth(self, kernels: NDArray[np.float32] | None) -> None:
        """The true kernel, rows x cols x channels x k x k, where it is known."""
        self._truth = centred(kernels) if kernels is not None else None
        self._redraw()

    def _look_at(self, node: tuple[int, int] | None) -> None:
        """Enlarges one kernel of a grid, or shows all of them (None)."""
        self._node = node
        self._redraw()

    def clear(self) -> None:
        """No kernel yet."""
        self._seen, self._kernels, self._finished = [], [], False
        self._fit_slider(at_end=True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Profiles come and go with the room for them."""
        super().resizeEvent(event)
        self._arrange()

    def _wish_profiles(self, wished: bool) -> None:
        self._profiles_wished = wished
        self._arrange()

    def _arrange(self) -> None:
        """Profiles below the pictures where there is room for both, else in place of them where they are wished."""
        known, roomy = bool(self._seen), self.height() >= ROOMY
        profiles = roomy if self._profiles_wished is None else self._profiles_wished
        profiles = profiles and not self._whole_field()
        self.profiles_button.setChecked(known and profiles)
        self.profiles.setVisible(known and profiles)
        self.pictures.setVisible(known and (roomy or not profiles))
        self.pictures.show_unit(shown=not profiles)
        inside = self.contentsRect().width() - 20
        self.pictures.setMaximumHeight(self.pictures.height_for(inside) if profiles else UNLIMITED)

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
        if self._node is not None and known and any(np.array(self._node) >= self._kernels[-1].shape[:2]):
            self._node = None  # that of another grid
        for widget in (self.slider, self._moment, self._widths):
            widget.setVisible(known)
        self._waiting.setVisible(not known)
        self.log_button.setEnabled(known)
        self.profiles_button.setEnabled(known and not self._whole_field())
        self.field_button.setVisible(known and self._is_grid() and self._node is not None)
        colour = known and self._kernels[-1].shape[2] == 3
        self.channel_box.setVisible(colour)
        if known:
            self._show_moment(min(self.slider.value(), len(self._seen) - 1), colour=colour)
        self._arrange()

    def _is_grid(self) -> bool:
        """Whether there are kernels over the field."""
        return bool(self._kernels) and self._kernels[-1].shape[:2] != (1, 1)

    def _whole_field(self) -> bool:
        """Whether all kernels of a grid are in view."""
        return self._is_grid() and self._node is None

    def _show_moment(self, index: int, *, colour: bool) -> None:
        chosen = self.channel_box.currentIndex() - 1
        channel = chosen if colour and chosen >= 0 else None
        kernels, truth = self._kernels[index], self._truth
        if truth is not None and truth.shape[:2] != kernels.shape[:2]:
            truth = None  # one kernel cannot be compared with a grid; the run says so
        if self._whole_field():
            learned, true = _in_view(kernels, channel), _in_view(truth, channel) if truth is not None else None
        else:
            row, col = self._node if self._is_grid() and self._node is not None else (0, 0)
            learned = _in_view(kernels[row, col], channel)
            true = _in_view(truth[row, col], channel) if truth is not None else None
        moment = "Result" if self._finished and index == len(self._seen) - 1 else f"{self._seen[index]:,} patches"
        if true is not None:
            moment += f" · NCC {kernel_ncc(learned, true):.3f}"
            size = max(learned.shape[-1], true.shape[-1])
            learned, true = _framed(learned, size), _framed(true, size)
        logarithmic = self.log_button.isChecked()
        if self._whole_field():
            self.pictures.show_field(learned, true, logarithmic=logarithmic)
            self._widths.setText("Click a kernel to enlarge it")
        else:
            self.pictures.show_kernels(learned, true, logarithmic=logarithmic)
            self.profiles.show_kernels(learned, true, channel, logarithmic=logarithmic)
            self._widths.setText(width_words(learned, true))
        self._moment.setText(moment)

    def _tell_moment(self, index: int) -> None:
        now = index >= len(self._seen) - 1
        self.looked_back.emit(None if now else self._kernels[index])


def width_words(learned: NDArray[np.float32], true: NDArray[np.float32] | None) -> str:
    """'FWHM 3.4 × 2.1 px (true 3.5 × 2.0)', across × down, of kernels C x k x k: of the mean of their colours."""
    beside = f" (true {_widths(true)})" if true is not None else ""
    return f"FWHM {_widths(learned)} px{beside}"


def _widths(kernel: NDArray[np.float32]) -> str:
    """'3.4 × 2.1'; a dash where half of the peak is not reached inside the kernel."""
    widths = (fwhm(profile) for profile in profiles(kernel.mean(axis=0)))
    return " × ".join("—" if np.isnan(width) else f"{width:.1f}" for width in widths)


def _in_view(kernels: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """One channel of kernels ... x channels x k x k, or all (None); where there is but one it stands for each."""
    if channel is None or kernels.shape[-3] == 1:
        return kernels
    return kernels[..., channel : channel + 1, :, :]


def _framed(kernels: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Kernels with dark around them, ... x size x size; their origin k//2 comes to lie at size//2."""
    before = size // 2 - kernels.shape[-1] // 2
    around = 2 * [(before, size - kernels.shape[-1] - before)]
    return np.pad(kernels, [(0, 0)] * (kernels.ndim - 2) + around)


def _coloured(bright: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness, 1 or 3 channels x H x W, as a picture H x W x 3."""
    return np.ascontiguousarray(np.moveaxis(np.broadcast_to(bright, (3, *bright.shape[1:])), 0, -1))


def _mosaic(kernels: NDArray[np.float32], *, logarithmic: bool) -> NDArray[np.float32]:
    """Kernels rows x cols x channels x k x k side by side, channels x (rows k) x (cols k), each by its own peak."""
    rows, cols, channels, size, _ = kernels.shape
    bright = [[brightness(one, float(one.max()), logarithmic=logarithmic) for one in line] for line in kernels]
    beside = np.array(bright, dtype=np.float32).transpose(2, 0, 3, 1, 4)
    return beside.reshape(channels, rows * size, cols * size)


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
