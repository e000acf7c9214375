"""A denoiser is learned from the clean photos: its name, the time for it, its loss, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDialog,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QWidget,
)

from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.events import DenoiserResult, DenoiserTried, FlowProgress
from ddm_gui.engine.restore.denoiser_files import KeptDenoiser
from ddm_gui.gui.curves import CurvePanel
from ddm_gui.gui.dialogs import plain
from ddm_gui.gui.parts import button, horizontal, vertical
from ddm_gui.gui.words import duration

_MINUTES = next(item for item in fields(DenoiserSettings) if item.name == "minutes")


class DenoiserDialog(QDialog):
    """Stands beside the window. Closing it hides it; the run goes on, and the window's buttons pause and stop it."""

    learn_wanted = Signal(str, float)  # name, minutes
    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Learn a denoiser")
        self.setMinimumSize(560, 460)
        self._possible = self._running = False
        self.name_edit = QLineEdit()
        self.name_edit.setAccessibleName("Name of the denoiser")
        self.minutes_box = QDoubleSpinBox()
        self.minutes_box.setDecimals(0)
        self.minutes_box.setRange(1, _MINUTES.metadata["high"])
        self.minutes_box.setValue(DenoiserSettings.minutes)
        self.minutes_box.setSuffix(f" {_MINUTES.metadata['unit']}")
        self.minutes_box.setToolTip(_MINUTES.metadata["help"])
        self.minutes_box.setAccessibleName(_MINUTES.metadata["label"])
        self.minutes_box.lineEdit().setAccessibleName(_MINUTES.metadata["label"])
        self.minutes_box.lineEdit().setTextMargins(4, 0, 0, 0)
        self._kept = plain("", "muted")
        self.loss = CurvePanel(
            "Loss",
            "per value",
            "The flow-matching loss appears here while the denoiser learns.",
            "How well it tells clean photos from noise. It should fall, then level off.",
        )
        self._curve = self.loss.curve("accent")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the denoiser")
        self._status = plain("")
        self.close_button = QPushButton("Close")
        self.stop_button = QPushButton("Stop and keep")
        self.stop_button.setToolTip("Saves what is learned so far; the same name and time go on with it")
        self.learn_button = button("Learn", "primary", default=True)
        self._form = QWidget()
        self._lay_out()
        self.name_edit.textChanged.connect(self._check)
        self.close_button.clicked.connect(self.reject)
        self.stop_button.clicked.connect(self.stop_wanted)
        self.learn_button.clicked.connect(self._learn)
        self._check()

    def _lay_out(self) -> None:
        form = QGridLayout(self._form)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(12)
        form.setColumnStretch(1, 1)
        for row, (name, control) in enumerate((("Name", self.name_edit), ("Time", self.minutes_box))):
            words = QLabel(name)
            words.setBuddy(control)
            form.addWidget(words, row, 0)
            form.addWidget(control, row, 1)
        buttons = horizontal(8)
        buttons.addWidget(self.stop_button)
        buttons.addStretch()
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.learn_button)
        layout = vertical(10, self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.addWidget(plain("Learn from the clean photos what photos look like", "what"))
        purpose = "A restorer that knows it (plug and play) makes sharper photos of less noise. It serves all projects."
        layout.addWidget(plain(purpose, "muted"))
        layout.addWidget(self._form)
        layout.addWidget(self._kept)
        layout.addWidget(self.loss, 1)
        layout.addWidget(self.bar)
        layout.addWidget(self._status)
        layout.addLayout(buttons)
        self.bar.hide()

    def suggest(self, name: str) -> None:
        """A name, where none is given yet."""
        if not self.name_edit.text():
            self.name_edit.setText(name)

    def show_kept(self, kept: Sequence[KeptDenoiser], default: KeptDenoiser | None) -> None:
        """Which denoisers there are, and which of them is the default."""
        names = ", ".join(one.name for one in kept)
        chosen = f" The newest that is better than a Wiener filter: “{default.name}”." if default else ""
        self._kept.setText(f"Learned so far: {names}.{chosen}")
        self._kept.setVisible(bool(kept))

    def show_possible(self, possible: bool) -> None:
        """Whether a run can be started now."""
        self._possible = possible
        self._check()

    def show_started(self) -> None:
        """The run has begun, or goes on."""
        self._running = True
        self.bar.setMaximum(0)
        self.bar.show()
        self._status.setText("Reading the photos…")
        self._check()

    def show_stage(self, images_seen: int) -> None:
        """It learns from here on: from the beginning, or from where it was stopped."""
        self._curve.cut(images_seen)

    def show_progress(self, progress: FlowProgress) -> None:
        """A point of the loss."""
        self._curve.add(progress.images_seen, progress.loss)
        self.loss.show_value(f"{progress.loss:.4f}")
        self.bar.setMaximum(progress.images_total)
        self.bar.setValue(progress.images_seen)
        left = duration(progress.seconds_left)
        self._status.setText(f"About {left} left" if left else "")

    def show_tried(self, tried: DenoiserTried) -> None:
        """One part of a photo that it has not seen is restored with it."""
        self.bar.setMaximum(tried.total)
        self.bar.setValue(tried.done)
        both = f"{tried.psnr_dpir:.1f} dB with it, {tried.psnr_wiener:.1f} dB with a Wiener filter"
        self._status.setText(f"Trying it on photos that it has not seen: {both}")

    def show_end(self, result: DenoiserResult | None, *, stopped: bool) -> None:
        """How the run ended: with a denoiser, or kept on the way, or by an error that is told elsewhere."""
        self._running = False
        self.bar.hide()
        if result is not None:
            difference = result.psnr_dpir - result.psnr_wiener
            than = "above" if result.beats_wiener else "below"
            self._status.setText(
                f"Done. It takes {result.gain_25:.1f} dB of noise away (noise 25 of 255), and blurred photos restored "
                f"with it are {abs(difference):.1f} dB {than} a Wiener filter's."
            )
        elif stopped:
            self._status.setText("Stopped; what is learned is kept. Learn goes on with it.")
        else:
            self._status.setText("Ended by an error; what was saved before is kept.")
        self._check()

    def show_colours(self) -> None:
        """Dresses the plot in the colours of now."""
        self.loss.show_colours()

    def _check(self) -> None:
        self._form.setEnabled(not self._running)
        self.learn_button.setEnabled(self._possible and not self._running and bool(self.name_edit.text().strip()))
        self.stop_button.setEnabled(self._running)

    def _learn(self) -> None:
        self.learn_wanted.emit(self.name_edit.text().strip(), self.minutes_box.value())
