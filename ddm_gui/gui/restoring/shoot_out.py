"""The shoot-out in a window of its own: all restorers on one part of a photo; the one that is clicked is used."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QFrame, QGridLayout, QSizePolicy, QWidget

from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.restorer import Restorer
from ddm_gui.gui.dialogs import ask_weights
from ddm_gui.gui.parts import button, horizontal, label, show_look, vertical
from ddm_gui.gui.restoring.contest import Entry, Failure, Going, News, Opening
from ddm_gui.gui.viewer.canvas import Canvas
from ddm_gui.gui.viewer.picture import Picture
from ddm_gui.gui.words import denoiser_words, progress_words

TICK = 500  # ms
SIZE = (980, 640)


class Cell(QFrame):
    """One picture with its numbers; of a restorer also the button that chooses it."""

    use_wanted = Signal()

    def __init__(self, title: str, *, usable: bool) -> None:
        super().__init__()
        self.setObjectName("card")
        self.begun: float | None = None  # while it is worked on
        self._share = 0.0
        self.canvas = Canvas(alone="")
        self.canvas.setAccessibleName(title)
        self.canvas.setAccessibleDescription("1 shows single pixels, F the whole part, plus and minus zoom.")
        self.canvas.setMinimumSize(160, 100)
        self._title = label(title, "heading")
        self._title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._title.setToolTip(title)
        self._numbers = label("", "muted")
        self._numbers.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.use_button = button("Use this one", "small")
        self.use_button.setAccessibleName(f"Use this one: {title}")
        self.use_button.setEnabled(False)
        place = self.use_button.sizePolicy()
        place.setRetainSizeWhenHidden(True)  # so that all pictures are of one size
        self.use_button.setSizePolicy(place)
        self.use_button.setVisible(usable)
        self.use_button.clicked.connect(self.use_wanted)
        head = horizontal(8)
        head.addWidget(self._title, 1)
        head.addWidget(self.use_button)
        layout = vertical(4, self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addLayout(head)
        layout.addWidget(self.canvas, 1)
        layout.addWidget(self._numbers)

    @property
    def text(self) -> str:
        """Its numbers, or why there are none."""
        return self._numbers.text()

    def show_picture(self, shown: Picture, numbers: str, warning: str = "") -> None:
        """What it is about, and what there is to tell of it."""
        self.begun = None
        self.canvas.show_pictures(shown, None)
        self.show_numbers(numbers, warning)

    def show_reason(self, reason: str) -> None:
        """Why there is no picture."""
        self.begun = None
        self.canvas.show_words(reason)
        self.show_numbers("")

    def show_share(self, share: float) -> None:
        """How far it is."""
        if self.begun is None:
            self.begun = time.monotonic()
            self.canvas.show_words("Working…")
        self._share = share
        self.tick()

    def show_used(self, *, used: bool) -> None:
        """Whether this one is the recipe."""
        self.use_button.setText("In use" if used else "Use this one")
        self.use_button.setEnabled(not used and self.canvas.seen.isValid())

    def tick(self) -> None:
        """The seconds that it has taken so far."""
        if self.begun is not None:
            self.show_numbers(progress_words(self._share, time.monotonic() - self.begun))

    def show_numbers(self, numbers: str, warning: str = "") -> None:
        """A line below the picture."""
        self._numbers.setText(numbers)
        self._numbers.setToolTip(warning or numbers)
        show_look(self._numbers, "warning" if warning else "muted")


class ShootOut(QDialog):
    """Beside the window, not in its way: another part of the photo can be looked for meanwhile, and taken."""

    wanted = Signal(object)  # tuple of Restorer, to be tried on what is seen now
    more_wanted = Signal(object)  # tuple of Restorer, to be tried on the same part
    stop_wanted = Signal()
    chosen = Signal(object)  # Restorer

    def __init__(self, restorers: Sequence[Restorer], used: Restorer, parent: QWidget | None = None) -> None:
        """`restorers` to choose from, of which `used` is the recipe's."""
        super().__init__(parent)
        self.setWindowTitle("Shoot-out")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        self._used = used
        self._in_step = False
        self._before, self._sharp = Cell("As it is", usable=False), Cell("Sharp original", usable=False)
        self._cells: dict[Restorer, Cell] = {}
        self._boxes: dict[Restorer, QCheckBox] = {}
        self._about = label("", "muted")
        self._about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.again_button = button("Take what is seen now")
        self.again_button.setToolTip("The part of the photo that the window shows now, in place of this one")
        self.again_button.clicked.connect(self.begin)
        self.add_button = button("Add a denoiser…")
        self.add_button.setToolTip("Plug and play with another file of weights")
        self.add_button.clicked.connect(self._ask_denoiser)
        self.stop_button = button("Stop")
        self.stop_button.setAccessibleName("Stop the shoot-out")
        self.stop_button.clicked.connect(self.stop_wanted)
        close = button("Close")
        close.clicked.connect(self.accept)
        self._chosen = horizontal(14)
        self._chosen.addStretch()
        self._grid = QGridLayout()
        self._grid.setSpacing(8)
        foot = horizontal(8)
        for widget in (self.again_button, self.add_button, self.stop_button):
            foot.addWidget(widget)
        foot.addStretch()
        foot.addWidget(close)
        layout = vertical(8, self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.addWidget(self._about)
        layout.addLayout(self._chosen)
        layout.addLayout(self._grid, 1)
        layout.addLayout(foot)
        self._ticking = QTimer(self)
        self._ticking.setInterval(TICK)
        self._ticking.timeout.connect(self._tick)
        for canvas in (self._before.canvas, self._sharp.canvas):
            canvas.moved.connect(self._moved)
        self._sharp.setParent(self)
        self._sharp.hide()
        self._sharp_known = False
        for restorer in restorers:
            self._add(restorer)
        self._arrange()

    @property
    def cells(self) -> dict[Restorer, Cell]:
        """Those of the restorers that take part."""
        return {restorer: cell for restorer, cell in self._cells.items() if self._boxes[restorer].isChecked()}

    def begin(self) -> None:
        """All restorers that take part, on what is seen now."""
        for cell in self._cells.values():
            self._empty(cell)
        self.wanted.emit(tuple(self.cells))

    # What is shown

    def show_ground(self, about: str) -> None:
        """On which part of which photo."""
        self._about.setText(about)
        self._about.setToolTip(about)
        self.stop_button.setEnabled(True)
        self._ticking.start()

    def show_news(self, news: News) -> None:
        """What has become known."""
        match news:
            case Opening():
                self._before.show_picture(news.before, _psnr_words(news.psnr))
                self._sharp_known = news.sharp is not None
                if news.sharp is not None:
                    self._sharp.show_picture(news.sharp, "What it should be")
                self._arrange()
            case Going(restorer=restorer, share=share) if restorer in self._cells:
                self._cells[restorer].show_share(share)
            case Entry(restorer=restorer) if restorer in self._cells:
                words = [f"{news.seconds:.1f} s", _psnr_words(news.psnr)]
                words.append(f"residual {news.rms:.2f} × noise" if news.rms is not None else "")
                cell = self._cells[restorer]
                cell.show_picture(news.picture, " · ".join(filter(None, words)), news.warning)
                self._follow(self._before.canvas, cell.canvas)
                cell.show_used(used=restorer == self._used)
            case Failure(restorer=restorer) if restorer in self._cells:
                self._cells[restorer].show_reason(news.reason)

    def show_end(self) -> None:
        """Nothing goes on any more."""
        self._ticking.stop()
        self.stop_button.setEnabled(False)
        for cell in self._cells.values():
            if cell.begun is not None:
                cell.show_reason("Stopped.")

    def show_used(self, restorer: Restorer) -> None:
        """Which restorer the recipe has."""
        self._used = restorer
        for each, cell in self._cells.items():
            cell.show_used(used=each == restorer)

    # From the person

    def done(self, result: int) -> None:
        """Whatever goes on ends with the window."""
        self.stop_wanted.emit()
        super().done(result)

    def _ask_denoiser(self) -> None:
        ask_weights(self, "", self.add_denoiser)

    def add_denoiser(self, file: str) -> None:
        """One more contestant: plug and play with these weights."""
        restorer = Dpir(denoiser=file)
        if restorer not in self._cells:
            self._add(restorer)
            self._arrange()
            self._ask_missing()

    def _toggled(self) -> None:
        self._arrange()
        self._ask_missing()

    def _ask_missing(self) -> None:
        """Those that take part and have nothing to show yet."""
        missing = [restorer for restorer, cell in self.cells.items() if not cell.canvas.seen.isValid()]
        if missing:
            self.more_wanted.emit(tuple(missing))

    # Inside

    def _add(self, restorer: Restorer) -> None:
        title = denoiser_words(restorer.title, getattr(restorer, "denoiser", ""))
        cell = self._cells[restorer] = Cell(title, usable=True)
        cell.canvas.moved.connect(self._moved)
        cell.use_wanted.connect(lambda: self.chosen.emit(restorer))
        self._empty(cell)
        box = self._boxes[restorer] = QCheckBox(title)
        box.setChecked(True)
        box.toggled.connect(self._toggled)
        self._chosen.insertWidget(self._chosen.count() - 1, box)

    def _empty(self, cell: Cell) -> None:
        cell.begun = None
        cell.canvas.show_pictures(None, None)
        cell.canvas.show_words("Waits for its turn…")
        cell.show_numbers("")
        cell.use_button.setEnabled(False)

    def _arrange(self) -> None:
        """Those that take part, in about as many rows as columns."""
        shown = [self._before, *self.cells.values(), *([self._sharp] if self._sharp_known else [])]
        for cell in (*self._cells.values(), self._before, self._sharp):
            self._grid.removeWidget(cell)
            cell.setVisible(cell in shown)
        columns = math.ceil(math.sqrt(len(shown)))
        for place, cell in enumerate(shown):
            self._grid.addWidget(cell, *divmod(place, columns))
        for index in range(max(self._grid.columnCount(), self._grid.rowCount())):
            self._grid.setColumnStretch(index, 1 if index < columns else 0)
            self._grid.setRowStretch(index, 1 if index < math.ceil(len(shown) / columns) else 0)

    def _moved(self) -> None:
        """Zoom and pan in step."""
        leader = self.sender()
        if self._in_step or not isinstance(leader, Canvas):
            return
        self._in_step = True
        for cell in (self._before, self._sharp, *self._cells.values()):
            if cell.canvas is not leader:
                self._follow(leader, cell.canvas)
        self._in_step = False

    def _follow(self, leader: Canvas, canvas: Canvas) -> None:
        if leader.fitting:
            canvas.fit()
        else:
            canvas.show_view(leader.zoom, QPointF(leader.centre))

    def _tick(self) -> None:
        for cell in self._cells.values():
            cell.tick()


def _psnr_words(psnr: float | None) -> str:
    return f"{psnr:.2f} dB" if psnr is not None and math.isfinite(psnr) else ""
