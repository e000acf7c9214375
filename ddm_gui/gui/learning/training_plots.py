"""Live curves: the loss of step 1, and in step 2 how far the simulated photos still are from the real ones."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from ddm_gui.engine.events import FlowProgress, KernelProgress
from ddm_gui.gui.curves import CurvePanel
from ddm_gui.gui.parts import vertical


class TrainingPlots(QWidget):
    """Both curves, one above the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss = CurvePanel(
            "Step 1",
            "loss",
            "The flow-matching loss appears here while step 1 runs.",
            "How well the network knows the degraded photos: the flow-matching loss per value. It should fall, "
            "then level off.",
        )
        self.ikl = CurvePanel(
            "Step 2",
            "IKL, nats per value",
            "Step 2 first finds in which direction the blur is lopsided; then the distance between simulated and real "
            "photos appears here.",
            "How far simulated photos still are from the real ones: the integrated KL divergence. "
            "Below the dashed line it cannot be told from zero.",
        )
        self._loss = self.loss.curve("accent")
        self._ikl = self.ikl.curve("good")
        self._floor = self.ikl.curve("muted", dashed=True)
        layout = vertical(10, self)
        layout.addWidget(self.loss, 1)
        layout.addWidget(self.ikl, 1)

    def show_colours(self) -> None:
        """Dresses both plots in the colours of now."""
        self.loss.show_colours()
        self.ikl.show_colours()

    def show_flow(self, progress: FlowProgress) -> None:
        """A point of step 1."""
        self._loss.add(progress.images_seen, progress.loss)
        self.loss.show_value(f"{progress.loss:.4f}")

    def show_kernels(self, progress: KernelProgress) -> None:
        """A point of step 2; while the auxiliary network warms up there is no estimate yet."""
        if progress.ikl is None:
            return
        self._ikl.add(progress.images_seen, progress.ikl)
        self._floor.add(progress.images_seen, progress.ikl_floor)
        self.ikl.show_value(f"{progress.ikl:.2g}")

    def cut_flow(self, images_seen: int) -> None:
        """Step 1 goes on from here."""
        self._loss.cut(images_seen)

    def cut_kernels(self, images_seen: int) -> None:
        """Step 2 goes on from here."""
        self._ikl.cut(images_seen)
        self._floor.cut(images_seen)

    def clear_flow(self) -> None:
        """Step 1 begins anew."""
        self._loss.clear()
        self.loss.clear()

    def clear_kernels(self) -> None:
        """Step 2 begins anew."""
        self._ikl.clear()
        self._floor.clear()
        self.ikl.clear()
