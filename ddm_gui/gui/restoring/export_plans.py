"""Which files an export would write: looked for beside the window, since names may come from what photos tell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.restore.output import Output, Planned, planned
from ddm_gui.gui.reads import Reads


class ExportPlans(QObject):
    """Answers come in the order of the questions."""

    made = Signal(object, object)  # Output, and for it a tuple of Planned, or a UserError

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = Reads("plans")

    def ask(self, photos: Sequence[Path], output: Output) -> None:
        """Which files these photos would become; `made` tells it."""
        self._reads.ask(partial(self.made.emit, output), _plan, photos, output)

    def close(self) -> None:
        """Ends the thread; nothing arrives after this."""
        self._reads.close()


def _plan(photos: Sequence[Path], output: Output) -> tuple[Planned, ...] | UserError:
    """The plan, or why there is none."""
    try:
        return planned(photos, output)
    except UserError as error:
        return error
