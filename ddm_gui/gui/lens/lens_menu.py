"""The menu *Lens*: lenses of files, and the file dialogs in which they are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import Qt, Signal, SignalInstance, Slot
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from ddm_gui.engine.blur.lens_page import FORMATS as PAGES
from ddm_gui.engine.blur.psf_files import READ, WRITERS
from ddm_gui.gui.parts import action

EXPORTS = {
    "PDF page": (".pdf",),
    "Picture": (".png",),
    "NumPy": (".npz",),
    "TIFF stack": (".tif", ".tiff"),
    "FITS": (".fits",),
    "Lens": (".safetensors",),
}


class LensMenu(QMenu):
    """Asks for files; what is done with them others decide."""

    open_wanted = Signal(object)  # Path of a lens, in place of what is learned
    close_wanted = Signal()
    compare_wanted = Signal(object)  # Path of a lens, beside the one in view
    end_comparison_wanted = Signal()
    save_wanted = Signal(object)  # Path, in a format by its ending
    enlarge_wanted = Signal()  # lens and photo change places

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("&Lens", parent)
        self._folder = Path.home()
        action(self, "&Open a lens…", self._ask_lens, "Ctrl+Shift+O")
        self.close_action = action(self, "&Close the lens", self.close_wanted.emit)
        self.addSeparator()
        self.copy_action = action(self, "&Save a copy…", self._ask_copy)
        self.export_action = action(self, "&Export for programs or paper…", self._ask_export)
        self.addSeparator()
        self.compare_action = action(self, "Compare &with…", self._ask_comparison)
        self.end_comparison_action = action(self, "E&nd the comparison", self.end_comparison_wanted.emit)
        self.end_comparison_action.setEnabled(False)
        self.addSeparator()
        action(self, "Lens in the &middle", self.enlarge_wanted.emit, "Ctrl+L")

    def show_state(self, *, opened: bool, has_lens: bool) -> None:
        """Whether the lens of a file is open, and whether there is any."""
        self.close_action.setEnabled(opened)
        for lens_action in (self.copy_action, self.export_action, self.compare_action):
            lens_action.setEnabled(has_lens)

    def show_compared(self, compared: bool) -> None:
        """Whether a lens stands beside the one in view."""
        self.end_comparison_action.setEnabled(compared)

    def show_folder(self, folder: Path | None) -> None:
        """Where the dialogs begin: in the project."""
        self._folder = folder or Path.home()

    @Slot()
    def _ask_lens(self) -> None:
        self._ask_file("Open a lens", self.open_wanted)

    @Slot()
    def _ask_comparison(self) -> None:
        self._ask_file("Compare with the lens of a file", self.compare_wanted)

    @Slot()
    def _ask_copy(self) -> None:
        self._ask_where("Save a copy of the lens", "lens.safetensors", ["Lens (*.safetensors)"])

    @Slot()
    def _ask_export(self) -> None:
        kinds = [f"{name} ({_patterns(endings)})" for name, endings in EXPORTS.items()]
        everything = f"All that can be written ({_patterns((*PAGES, *WRITERS))})"
        self._ask_where("Export the lens", "lens.pdf", [everything, *kinds])

    def _ask_file(self, title: str, chosen: SignalInstance) -> None:
        dialog = QFileDialog(self.parentWidget(), title)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilter(f"Lenses ({_patterns(READ)})")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda file: chosen.emit(Path(file)))
        dialog.open()

    def _ask_where(self, title: str, name: str, kinds: list[str]) -> None:
        """Asks for a file to write the lens to; Qt asks before one that is there is replaced."""
        dialog = QFileDialog(self.parentWidget(), title, str(self._folder / name))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(kinds)
        dialog.setDefaultSuffix(Path(name).suffix)
        dialog.selectFile(name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda file: self.save_wanted.emit(Path(file)))
        dialog.open()


def _patterns(endings: Iterable[str]) -> str:
    return " ".join(f"*{ending}" for ending in endings)
