"""The lens as it is learned: its kernels over the field, one of them enlarged, and a slider through its history."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QSizePolicy, QSlider, QWidget

from ddm_gui.engine.blur.kernel_numbers import NodeNumbers, kernel_numbers, node_numbers
from ddm_gui.engine.blur.psf import PsfGrid, centred
from ddm_gui.engine.history import History
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.gui.lens.field_pictures import STEPS, FieldPictures, in_view, stepped
from ddm_gui.gui.lens.kernel_pictures import KernelPictures
from ddm_gui.gui.lens.kernel_profiles import KernelProfiles
from ddm_gui.gui.lens.kernel_table import KernelTable
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.parts import Waiting, button, horizontal, label, vertical
from ddm_gui.gui.theme import set_icon
from ddm_gui.gui.words import ellipse, widths

MOST_SNAPSHOTS = 500
UNLIMITED = (1 << 24) - 1  # pixels: what Qt takes for no limit
ROOMY = 300  # pixels of height from which profiles fit below the pictures
WIDE = 520  # pixels of width from which the table of numbers fits beside the profiles
STOP_PARTS, MOST_STOPS = 4, 5  # of the slider of brightness: parts of a stop, a doubling; and how many stops
_TOGETHER = "RGB"  # short, so that it is not cut off in the smallest window
_KEYS = "Arrow keys go to the kernels around it, Esc to all of them"
_CHANNELS = ("Red", "Green", "Blue")


class KernelView(QFrame):
    """What is learned, or a lens that was opened; beside it the truth of a simulated set, or a lens to compare with.

    Unpaired photos do not tell where a kernel lies, so the other one is shown centred, as the learned one is.
    """

    looked_back = Signal(object)  # kernels of an earlier moment (rows x cols x channels x k x k); None: of now
    enlarge_wanted = Signal(bool)  # into the middle of the window, or back

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self._seen: list[int] = []
        self._kernels: list[NDArray[np.float32]] = []
        self._result: PsfGrid | None = None  # of a whole run: the last moment
        self._opened: Lens | None = None  # in place of what is learned
        self._truth: Lens | None = None
        self._compared: Lens | None = None  # in place of the truth
        self._node: tuple[int, int] | None = None  # the kernel of a grid that is enlarged; None: the whole field
        self._profiles_wished: bool | None = None  # None: where there is room
        self._make_controls()
        self._waiting = Waiting("The blur kernel appears here: what a point of light becomes.")
        self.field = FieldPictures()
        self.field.node_chosen.connect(lambda row, col: self._look_at((row, col)))
        self.field.room_changed.connect(self._show_buttons)
        self.pictures = KernelPictures()
        self.profiles = KernelProfiles()
        self.table = KernelTable()
        self._told = ""  # below the pictures, where the table of numbers is not shown
        self._words = label("", "muted")
        self._words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._words.setToolTip(
            "Full width at half maximum along the long and the short axis, in pixels; ellipticity and direction of the "
            "long axis, 0° to the right, 90° downwards. Of green, where all colours are shown."
        )
        self._moment = label("", "muted")
        self._moment.setToolTip(
            "How many patches step 2 had seen; the result is the mean of its last rounds. "
            "NCC: how alike the kernel and the other one are, 1 where they are equal."
        )
        self._lay_out()
        self.clear()

    def _make_controls(self) -> None:
        self._title = label("Kernel", "heading")
        self.field_button = button("‹ All", "small")
        self.field_button.setToolTip("Back to the kernels of the whole field (Esc)")
        self.field_button.setAccessibleName("All kernels over the field")
        self.field_button.clicked.connect(lambda: self._look_at(None))
        self._place = label("", "heading")
        self.beside_button = button("Beside", "small", checkable=True)
        self.beside_button.setChecked(True)
        self.beside_button.setToolTip("Both lenses beside each other, or one in the place of the other")
        self.beside_button.setAccessibleName("Both lenses beside each other")
        self.beside_button.toggled.connect(self._show_buttons)
        self.flip_button = button("Flip", "small", checkable=True)
        self.flip_button.setToolTip("The other lens in the same place (Space): what differs is seen to move")
        self.flip_button.setAccessibleName("The other lens in the place of this one")
        self.flip_button.toggled.connect(self._show_buttons)
        self.channel_box = QComboBox()
        self.channel_box.setAccessibleName("Which colours of the kernel are shown")
        self.channel_box.setToolTip("Which colours of the kernel are shown: all together, or one")
        self.channel_box.addItems([_TOGETHER, *_CHANNELS])
        self.channel_box.currentIndexChanged.connect(self._redraw)
        self._title.setBuddy(self.channel_box)  # on Linux a combo box is read by its label
        self.profiles_button = button("Profiles", "small", checkable=True)
        self.profiles_button.setToolTip("Cross-sections through the kernel's peak; below the pictures if they fit")
        self.profiles_button.setAccessibleName("Profiles of the kernel")
        self.profiles_button.clicked.connect(self._wish_profiles)
        self.log_button = button("Log", "small", checkable=True)
        self.log_button.setToolTip("Logarithmic brightness: shows the faint skirts of the kernel")
        self.log_button.setAccessibleName("Logarithmic brightness of the kernel")
        self.log_button.toggled.connect(self._redraw)
        self.enlarge_button = button("", "sign", checkable=True)
        set_icon(self.enlarge_button, "larger")
        self.enlarge_button.setToolTip("The lens in the middle of the window and the photo here, or back")
        self.enlarge_button.setAccessibleName("The lens in the middle of the window")
        self.enlarge_button.toggled.connect(self.enlarge_wanted)
        self._brightness_name = label("Brightness", "muted")
        self.brightness_slider = QSlider(Qt.Orientation.Horizontal)
        self.brightness_slider.setMaximum(MOST_STOPS * STOP_PARTS)
        self.brightness_slider.setFixedWidth(60)
        self.brightness_slider.setAccessibleName("Brightness of the kernels")
        self.brightness_slider.setToolTip("Brighter: faint parts are seen, bright ones run into white")
        self.brightness_slider.valueChanged.connect(self._redraw)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Moment of the run")
        self.slider.setToolTip("Back in time: the kernel, and the photo in view, as they were")
        self.slider.valueChanged.connect(self._redraw)
        self.slider.valueChanged.connect(self._tell_moment)

    def _lay_out(self) -> None:
        head = horizontal(4)
        for widget in (self._title, self.field_button, self._place):
            head.addWidget(widget)
        head.addStretch()
        for control in (
            self.beside_button,
            self.flip_button,
            self.channel_box,
            self.profiles_button,
            self.log_button,
            self.enlarge_button,
        ):
            head.addWidget(control)
        self._below = QWidget()
        below = horizontal(16, self._below)
        below.addWidget(self.profiles, 3)
        below.addWidget(self.table, 2)
        told = horizontal(8)
        told.addWidget(self._words, 1)
        told.addWidget(self._brightness_name)
        told.addWidget(self.brightness_slider)
        foot = horizontal(8)
        foot.addWidget(self.slider, 1)
        foot.addWidget(self._moment)
        layout = vertical(4, self)
        layout.setContentsMargins(12, 8, 8, 6)
        layout.addLayout(head)
        layout.addWidget(self._waiting, 1)
        layout.addWidget(self.field, 1)
        layout.addWidget(self.pictures, 3)
        layout.addWidget(self._below, 2)
        layout.addLayout(told)
        layout.addLayout(foot)

    def show_colours(self) -> None:
        """Dresses pictures and profiles in the colours of now."""
        self.pictures.show_colours()
        self.profiles.show_colours()

    # What is shown

    def add_snapshot(self, images_seen: int, kernels: NDArray[np.float32]) -> None:
        """The kernel of the moment; shown at once unless an earlier moment is being looked at."""
        at_end = self.slider.value() == self.slider.maximum()
        while self._seen and self._seen[-1] >= images_seen:  # the run went on from an earlier checkpoint
            self._seen.pop()
            self._kernels.pop()
        self._seen.append(images_seen)
        self._kernels.append(kernels)
        self._result = None
        if len(self._seen) > MOST_SNAPSHOTS:
            self._seen, self._kernels = self._seen[::2], self._kernels[::2]
        self._fit_slider(at_end=at_end)

    def show_history(self, history: History, result: PsfGrid | None) -> None:
        """All moments of a run, the last one in view: what a whole run has given, where it was one."""
        self._seen = [int(count) for count in history.images_seen]
        self._kernels = list(history.kernels)
        self._result = result
        if result is not None:
            self._seen.append(self._seen[-1] if self._seen else 0)
            self._kernels.append(result.kernels)
        self._fit_slider(at_end=True)

    def show_opened(self, lens: Lens | None) -> None:
        """A lens from a file in place of what is learned; None: back to that."""
        self._opened = lens
        self._redraw()
        if lens is None and self._seen:
            self._tell_moment(self.slider.value())

    def show_truth(self, psf: PsfGrid | None) -> None:
        """The true kernels, where they are known."""
        self._truth = _centred(Lens("True", psf)) if psf is not None else None
        self._redraw()

    def show_compared(self, lens: Lens | None) -> None:
        """A lens to compare with, in place of the truth; None: back to that."""
        self._compared = _centred(lens) if lens is not None else None
        self._redraw()

    def show_photo(self, height: int, width: int) -> None:
        """The size of the photo in view, as the sensor has it: the field has its shape."""
        self.field.show_photo(width / height)

    def clear(self) -> None:
        """Nothing learned yet."""
        self._seen, self._kernels, self._result = [], [], None
        self._fit_slider(at_end=True)

    # From the person

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Profiles and numbers come and go with the room for them."""
        super().resizeEvent(event)
        self._arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go from an enlarged kernel to those around it, Escape back to the field; Space flips."""
        key, lens = Qt.Key(event.key()), self._lens()
        if key == Qt.Key.Key_Space and self.flip_button.isVisible():
            self.flip_button.toggle()
        elif self._node is not None and lens is not None and key in STEPS:
            self._look_at(stepped(self._node, STEPS[key], lens.psf.nodes))
        elif self._node is not None and key == Qt.Key.Key_Escape:
            self._look_at(None)
        else:
            super().keyPressEvent(event)

    def _look_at(self, node: tuple[int, int] | None) -> None:
        """Enlarges one kernel of a grid, or shows all of them (None)."""
        if node is None and self._node is not None:
            self.field.show_cursor(self._node)
        self._node = node
        self._redraw()
        (self.field if node is None else self.pictures).setFocus()

    def _wish_profiles(self, wished: bool) -> None:
        self._profiles_wished = wished
        self._arrange()

    def _tell_moment(self, index: int) -> None:
        now = index >= len(self._seen) - 1
        self.looked_back.emit(None if now else self._kernels[index])

    # Inside

    def _lens(self) -> Lens | None:
        """What is in view: the lens that was opened, or a moment of what is learned."""
        if self._opened is not None:
            return self._opened
        if not self._seen:
            return None
        result = self._result if self._at_result() else None
        return Lens("Learned", result or PsfGrid(self._kernels[self._at()]))

    def _at(self) -> int:
        """The moment in view."""
        return min(self.slider.value(), len(self._seen) - 1)

    def _at_result(self) -> bool:
        """Whether the moment in view is the result of a whole run."""
        return self._result is not None and self._at() == len(self._seen) - 1

    def _other(self, lens: Lens) -> Lens | None:
        """What stands beside it; grids of other nodes cannot, and whoever asks for them is told so."""
        other = self._compared or self._truth
        return other if other is not None and other.psf.nodes == lens.psf.nodes else None

    def _whole_field(self) -> bool:
        """Whether all kernels of a grid are in view."""
        lens = self._lens()
        return lens is not None and lens.psf.nodes != (1, 1) and self._node is None

    def _fit_slider(self, *, at_end: bool) -> None:
        last = max(len(self._seen) - 1, 0)
        value = last if at_end else min(self.slider.value(), last)
        self.slider.blockSignals(True)
        self.slider.setMaximum(last)
        self.slider.setValue(value)
        self.slider.blockSignals(False)
        self._redraw()

    def _redraw(self) -> None:
        lens = self._lens()
        if self._node is not None and lens is not None and any(np.array(self._node) >= lens.psf.nodes):
            self._node = None  # that of another grid
        if lens is not None:
            self._show_lens(lens, self._other(lens))
        self._show_buttons()
        self._arrange()

    def _show_lens(self, lens: Lens, other: Lens | None) -> None:
        chosen = self.channel_box.currentIndex() - 1
        channel = chosen if lens.psf.channels == 3 and chosen >= 0 else None
        lenses = [lens] if other is None else [lens, other]
        gain = 2.0 ** (self.brightness_slider.value() / STOP_PARTS)
        logarithmic = self.log_button.isChecked()
        if self._whole_field():
            kernels = [in_view(each.psf.kernels, channel) for each in lenses]
            self.field.show_lenses(lenses, channel, gain=gain, logarithmic=logarithmic)
            self._told = "Click a kernel to enlarge it"
        else:
            row, col = self._node or (0, 0)
            kernels = [in_view(each.psf.kernels[row, col], channel) for each in lenses]
            size = max(kernel.shape[-1] for kernel in kernels)
            names, framed = [each.name for each in lenses], [_framed(kernel, size) for kernel in kernels]
            self.pictures.show_kernels(names, framed, gain=gain, logarithmic=logarithmic)
            self.profiles.show_kernels(names, framed, channel, logarithmic=logarithmic)
            nodes = [_numbers(each.psf, (row, col), channel) for each in lenses]
            self.table.show_numbers(list(zip(names, nodes, strict=True)))
            self._place.setText(f"Row {row + 1}, column {col + 1}")
            self._told = number_words(nodes)
        self._moment.setText(self._moment_words(kernels))

    def _moment_words(self, kernels: list[NDArray[np.float32]]) -> str:
        """'48,000 patches · NCC .988'; of a lens that was opened, the match alone."""
        words = []
        if self._opened is None:
            words.append("Result" if self._at_result() else f"{self._seen[self._at()]:,} patches")
        if len(kernels) == 2:
            words.append(f"NCC {kernel_ncc(*kernels):.3f}")
        return " · ".join(words)

    def _show_buttons(self) -> None:
        """What is offered for what is in view."""
        lens = self._lens()
        grid, whole = lens is not None and lens.psf.nodes != (1, 1), self._whole_field()
        two = lens is not None and self._other(lens) is not None
        two_fit = whole and two and self.field.two_fit()
        beside = two_fit and self.beside_button.isChecked()
        self._title.setVisible(not grid or whole)
        self._title.setText("Lens" if grid else "Kernel")
        self.field_button.setVisible(grid and not whole)
        self.beside_button.setVisible(two_fit)
        self.flip_button.setVisible(whole and two and not beside)
        self.channel_box.setVisible(lens is not None and lens.psf.channels == 3)
        self.profiles_button.setVisible(not whole)
        for control in (self.profiles_button, self.log_button):
            control.setEnabled(lens is not None)
        self.slider.setVisible(bool(self._seen) and self._opened is None)
        for shown in (self._moment, self._words, self.brightness_slider):
            shown.setVisible(lens is not None)
        self._waiting.setVisible(lens is None)
        self.pictures.setFocusPolicy(Qt.FocusPolicy.StrongFocus if grid else Qt.FocusPolicy.NoFocus)
        self.field.show_manner(beside=self.beside_button.isChecked(), flipped=self.flip_button.isChecked())

    def _arrange(self) -> None:
        """The field; or a kernel, profiles below it where there is room for both, else in place of it if wished."""
        whole, roomy = self._whole_field(), self.height() >= ROOMY
        one = self._lens() is not None and not whole
        profiles = one and (roomy if self._profiles_wished is None else self._profiles_wished)
        self.field.setVisible(whole)
        self.profiles_button.setChecked(profiles)
        self.profiles.setVisible(profiles)
        wide = self.width() >= WIDE
        self._brightness_name.setVisible(self._lens() is not None and wide)
        self.table.setVisible(one and roomy and wide)
        self._below.setVisible(profiles or not self.table.isHidden())
        self._place.setVisible(self._node is not None and wide)
        self._words.setText(self._told if self.table.isHidden() else _KEYS if self._node is not None else "")
        self.pictures.setVisible(one and (roomy or not profiles))
        self.pictures.show_unit(shown=not profiles)
        inside = self.contentsRect().width() - 20
        self.pictures.setMaximumHeight(self.pictures.height_for(inside) if profiles else UNLIMITED)


def number_words(nodes: list[NodeNumbers]) -> str:
    """'FWHM 3.4 × 2.1 px · 0.38 at 31°', or of two lenses 'FWHM 3.4 × 2.1 px (3.5 × 2.0)'."""
    kernel, *others = (node.kernel for node in nodes)
    return f"FWHM {widths(kernel)} px{f' ({widths(others[0])})' if others else f' · {ellipse(kernel)}'}"


@lru_cache(maxsize=2)  # those of the other lens stay as they are while the run goes on or the slider moves
def _numbers(psf: PsfGrid, node: tuple[int, int], channel: int | None) -> NodeNumbers:
    """Of one node; of one of its colours where that alone is in view."""
    kernels = psf.kernels[node]
    confidence = None if psf.confidence is None else psf.confidence[node]
    numbers = node_numbers(kernels, confidence)
    if channel is None or len(kernels) == 1:
        return numbers
    sure = None if confidence is None else float(confidence[channel])
    return replace(numbers, kernel=kernel_numbers(kernels[channel]), confidence=sure)


def _centred(lens: Lens) -> Lens:
    return replace(lens, psf=replace(lens.psf, kernels=centred(lens.psf.kernels)))


def _framed(kernels: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Kernels with dark around them, ... x size x size; their origin k//2 comes to lie at size//2."""
    before = size // 2 - kernels.shape[-1] // 2
    around = 2 * [(before, size - kernels.shape[-1] - before)]
    return np.pad(kernels, [(0, 0)] * (kernels.ndim - 2) + around)
