"""The few dialogs: what went wrong, a list of reasons, and what to do when the window is closed during a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QFileDialog, QLabel, QPlainTextEdit, QPushButton, QWidget

from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.theme import icon


def plain(text: str, name: str = "") -> QLabel:
    """A label that wraps, and whose text can be copied."""
    result = label(text, name, wrap=True)
    result.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return result


def ask_weights(parent: QWidget, beside: str, chosen: Callable[[str], None]) -> None:
    """Asks for a file of a denoiser's weights; `beside`: one that is known already, or ''."""
    dialog = QFileDialog(parent, "Choose a denoiser", str(Path(beside).parent) if beside else "")
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilter("Weights of a denoiser (*.pth *.safetensors)")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(chosen)
    dialog.open()


class Dialog(QDialog):
    """A window-modal dialog that is shown by `open`, so that the event loop goes on beneath it."""

    def __init__(self, title: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(460)
        self._layout = vertical(10, self)
        self._layout.setContentsMargins(20, 18, 20, 16)

    def open(self) -> None:
        """Shows the dialog as high as its text needs at its width."""
        width = max(self.minimumWidth(), self.width() if self.testAttribute(Qt.WidgetAttribute.WA_Resized) else 0)
        height = self.height() if self.testAttribute(Qt.WidgetAttribute.WA_Resized) else 0
        self.resize(width, max(height, self._layout.heightForWidth(width)))
        super().open()

    def _add_buttons(self, *buttons: QPushButton) -> None:
        row = horizontal(6)
        row.addStretch()
        for each in buttons:
            row.addWidget(each)
        self._layout.addSpacing(6)
        self._layout.addLayout(row)
        buttons[-1].setFocus()  # once it belongs to the dialog


class TroubleDialog(Dialog):
    """What happened, why, and what to do; with the log where it was the program's fault."""

    def __init__(self, what: str, why: str, todo: str, log: Path | None, parent: QWidget | None = None) -> None:
        super().__init__("Something needs your attention", parent)
        head = horizontal(12)
        self._sign = QLabel()
        self._sign.setAlignment(Qt.AlignmentFlag.AlignTop)
        head.addWidget(self._sign)
        text = vertical(6)
        text.addWidget(plain(what, "what"))
        if why:
            text.addWidget(plain(why))
        if todo:
            text.addWidget(plain(todo, "muted"))
        if log is not None:
            text.addWidget(plain(f"Details are in {log}", "muted"))
        head.addLayout(text, 1)
        self._layout.addLayout(head)
        close = button("Close", "primary", default=True)
        close.clicked.connect(self.accept)
        if log is None:
            self._add_buttons(close)
        else:
            self._log = log
            show = QPushButton("Open the log")
            show.clicked.connect(self._open_log)
            self._add_buttons(show, close)
        self.show_colours()

    def show_colours(self) -> None:
        """Draws the sign in the colours of now."""
        self._sign.setPixmap(icon("warning").pixmap(32, 32))

    def _open_log(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._log)))


class ListDialog(Dialog):
    """A sentence and a list of lines, such as the photos that were left out and why."""

    def __init__(self, title: str, sentence: str, lines: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(title, parent)
        self.resize(600, 320)
        self._layout.addWidget(plain(sentence, "what"))
        text = QPlainTextEdit("\n".join(lines))
        text.setReadOnly(True)
        text.setAccessibleName(title)
        self._layout.addWidget(text)
        close = button("Close", "primary", default=True)
        close.clicked.connect(self.accept)
        self._add_buttons(close)


class CloseDialog(Dialog):
    """Asked once, when the window is closed during a run."""

    stop_wanted = Signal()

    def __init__(self, parent: QWidget | None = None, *, paused: bool = False, saving_photos: bool = False) -> None:
        """`saving_photos`: the run is an export, which learns nothing."""
        title = "A run is paused" if paused else "Photos are being saved" if saving_photos else "A run is going on"
        super().__init__(title, parent)
        self._layout.addWidget(plain(f"{title}.", "what"))
        if saving_photos:
            words = "It can be stopped here: the photos that are written stay, the others are left out."
        else:
            words = "It can be stopped here: what is learned so far is saved, and the run goes on from there next time."
        self._layout.addWidget(plain(words))
        keep = QPushButton("Keep it paused" if paused else "Keep running")
        keep.clicked.connect(self.reject)
        self.stop_button = button("Stop and keep, then close", "primary", default=True)
        self.stop_button.clicked.connect(self._stop)
        self._add_buttons(keep, self.stop_button)

    def _stop(self) -> None:
        self.stop_wanted.emit()
        self.accept()


class SavingDialog(Dialog):
    """Shown while the checkpoint is written; the window closes by itself afterwards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Saving…", parent)
        self.setMinimumWidth(320)
        self._layout.addWidget(plain("Saving…", "what"))
        self._layout.addWidget(plain("The window closes when everything is written.", "muted"))

    def reject(self) -> None:
        """Escape does not end the saving."""


class AboutDialog(Dialog):
    """What this is, and where it comes from."""

    def __init__(self, version: str, parent: QWidget | None = None) -> None:
        super().__init__("About ddm_gui", parent)
        self._layout.addWidget(plain(f"ddm_gui {version}", "what"))
        self._layout.addWidget(
            plain("Learns how a lens, a microscope or a camera blurs, from ordinary photographs, and takes it away.")
        )
        self._layout.addWidget(
            plain(
                "The method: unsupervised imaging inverse problems with diffusion distribution matching. "
                "Free software under the MIT licence; it needs no network and sends nothing.",
                "muted",
            )
        )
        close = button("Close", "primary", default=True)
        close.clicked.connect(self.accept)
        self._add_buttons(close)
