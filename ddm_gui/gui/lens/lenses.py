"""Lenses of files: the one that photos are restored with in place of what is learned, the one beside it, and copies."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from ddm_gui.engine.blur.lens_page import FORMATS as PAGES
from ddm_gui.engine.blur.lens_page import write_page
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.blur.psf_files import lens_name, load_psf, write_psf
from ddm_gui.engine.errors import UserError
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.reads import Reads


class Lenses(QObject):
    """Commands in, signals out, as the controller that owns it."""

    opened = Signal(object)  # Lens from a file, in place of what is learned; None: it is closed
    compared = Signal(object)  # Lens that stands beside the one in view; None: none any more
    saved = Signal(object)  # Path
    refused = Signal(object)  # UserError

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._saves = Reads("saves")
        self._beside = False
        self.in_use: Lens | None = None

    def open(self, path: Path) -> None:
        """Takes the lens of a file in place of what is learned, until `close`, another project or a run."""
        psf = self._read(path)
        if psf is not None:
            self._use(Lens(lens_name(path), psf))

    def close(self) -> None:
        """Back to what is learned."""
        if self.in_use is not None:
            self._use(None)

    def compare(self, path: Path, shown: PsfGrid) -> None:
        """Puts the lens of a file beside the one in view, `shown`."""
        psf = self._read(path)
        if psf is None:
            return
        if psf.nodes != shown.nodes:
            sizes = " and ".join(f"{rows} x {cols}" for rows, cols in (shown.nodes, psf.nodes))
            why = f"Their grids have {sizes} kernels."
            self.refused.emit(UserError("The two lenses cannot be compared.", why, "Choose another file."))
            return
        self._beside = True
        self.compared.emit(Lens(lens_name(path), psf))

    def end_comparison(self) -> None:
        """Nothing beside the lens in view, or the truth where it is known."""
        if self._beside:
            self._beside = False
            self.compared.emit(None)

    def save(self, psf: PsfGrid, path: Path, title: str) -> None:
        """Writes a lens: by the file's ending as a page, or for programs."""
        self._saves.ask(self._written, _write, psf, path, title)

    def shut_down(self) -> None:
        """Ends the thread that writes."""
        self._saves.close()

    def _read(self, path: Path) -> PsfGrid | None:
        try:
            return load_psf(path)
        except UserError as error:
            self.refused.emit(error)
            return None

    def _use(self, lens: Lens | None) -> None:
        """A comparison is one of two lenses: it ends with either."""
        self.end_comparison()
        self.in_use = lens
        self.opened.emit(lens)

    def _written(self, answer: Path | UserError) -> None:
        if isinstance(answer, UserError):
            self.refused.emit(answer)
        else:
            self.saved.emit(answer)


def _write(psf: PsfGrid, path: Path, title: str) -> Path | UserError:
    try:
        if path.suffix.lower() in PAGES:
            write_page(psf, path, title)
        else:
            write_psf(psf, path)
    except UserError as error:
        return error
    return path
