"""Small pictures of photos, read one after another beside the window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from ddm_gui.engine.errors import UserError
from ddm_gui.engine.photos.photo import thumbnail
from ddm_gui.gui.reads import Reads

SIZE = 160  # px, the longer side


class Thumbnails(QObject):
    """The latest wish is read first: it is what is in view."""

    ready = Signal(object, object)  # Path, uint8 height x width x 3
    failed = Signal(object)  # Path of a photo that cannot be opened

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reads = Reads("thumbnails")
        self._wished: list[Path] = []
        self._reading = False

    def wish(self, paths: Sequence[Path]) -> None:
        """Asks for pictures of photos."""
        self._wished = list(dict.fromkeys([*paths, *self._wished]))
        self._read_next()

    def close(self) -> None:
        """Ends the thread."""
        self._reads.close()

    def _read_next(self) -> None:
        if self._wished and not self._reading:
            self._reading = True
            self._reads.ask(self._arrived, _read, self._wished.pop(0))

    def _arrived(self, answer: tuple[Path, NDArray[np.uint8] | None]) -> None:
        self._reading = False
        path, image = answer
        if image is not None:
            self.ready.emit(path, image)
        else:
            self.failed.emit(path)
        self._read_next()


def _read(path: Path) -> tuple[Path, NDArray[np.uint8] | None]:
    """A small picture; None for a photo that cannot be read, which is named elsewhere."""
    try:
        return path, thumbnail(path, SIZE)
    except UserError:
        return path, None
