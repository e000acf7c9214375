"""The two sets of photos: zones to drop them on; how many and what they are, a few of them, what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QImage, QPixmap
from PySide6.QtWidgets import QFileDialog, QFrame, QLabel, QSizePolicy, QWidget

from ddm_gui.gui.dialogs import ListDialog
from ddm_gui.gui.parts import button, horizontal, label, vertical
from ddm_gui.gui.photos.sources import Found, Role, assigned
from ddm_gui.gui.theme import set_icon, sign
from ddm_gui.gui.words import left_out, photos, unbroken

SHOWN = 5  # thumbnails in a zone
THUMB_HEIGHT, THUMB_WIDTH = 38, 52  # px

_TITLES = {Role.CLEAN: "Clean photos", Role.DEGRADED: "Degraded photos"}
_INVITATIONS = {
    Role.CLEAN: "Drop a folder of sharp photos. They need not show the same things.",
    Role.DEGRADED: "Drop a folder of photos that all share one blur.",
}


def dropped_paths(data: QMimeData) -> list[Path]:
    """The files and folders of a drag; nothing that lies on another machine."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


class DropZone(QFrame):
    """One set. Takes folders and photos by drop or by a dialog."""

    dropped = Signal(object, object)  # Role of this zone, list of Path

    def __init__(self, role: Role, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("zone")
        self.setAccessibleName(_TITLES[role])
        self.setAcceptDrops(True)
        self._role = role
        self._found = Found()
        self._title = label(_TITLES[role], "heading")
        self._count = label("", "muted")
        self._text = label(_INVITATIONS[role], "muted", wrap=True)
        self._text.setMinimumHeight(THUMB_HEIGHT)
        self._thumbs = {index: QLabel() for index in range(SHOWN)}
        self._about = label("", "muted", wrap=True)
        self._about.hide()
        self._row = QWidget()
        self._row.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # else wide photos widen the zone
        thumbs = horizontal(4, self._row)
        for thumb in self._thumbs.values():
            thumb.setFixedHeight(THUMB_HEIGHT)
            thumbs.addWidget(thumb)
        thumbs.addStretch()
        self._row.hide()
        self.choose_button = button("Choose folder…", "small")
        self.choose_button.setAccessibleName(f"Choose the folder of {_TITLES[role].lower()}")
        set_icon(self.choose_button, "folder")
        self.choose_button.clicked.connect(self._choose)
        self.problems_button = button("", "link")
        self.problems_button.setVisible(False)
        self.problems_button.setAccessibleName(f"Photos left out of the {_TITLES[role].lower()}")
        self.problems_button.clicked.connect(self._show_problems)
        head = horizontal(6)
        head.addWidget(self._title)
        head.addStretch()
        head.addWidget(self._count)
        foot = horizontal(6)
        foot.addWidget(self.choose_button)
        foot.addStretch()
        foot.addWidget(self.problems_button)
        layout = vertical(5, self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.addLayout(head)
        layout.addWidget(self._text)
        layout.addWidget(self._row)
        layout.addWidget(self._about)
        layout.addLayout(foot)

    def show_reading(self) -> None:
        """The set is being looked through."""
        self._count.setText("reading…")

    def show_found(self, found: Found) -> None:
        """What the set holds; thumbnails follow by `show_thumbnail`."""
        self._found = found
        for thumb in self._thumbs.values():
            thumb.clear()
        self.show_described("")
        filled = bool(found.photos)
        self._row.setVisible(filled)
        self._text.setVisible(not filled)
        empty_words = "No photo that can be read in there." if found.sources else _INVITATIONS[self._role]
        self._text.setText(empty_words)
        self._count.setText(photos(len(found.photos)) if found.sources else "")
        where = ", ".join(path.name for path in found.sources[:3])
        self.setToolTip("\n".join(str(path) for path in found.sources[:20]))
        self.choose_button.setText(_elided(where) if where else "Choose folder…")
        count = len(found.problems)
        self.problems_button.setText(f"{count} left out…")
        self.problems_button.setVisible(count > 0)
        self._mark("filled", filled)

    def show_described(self, text: str) -> None:
        """What its photos are: size, camera, lens, apertures."""
        self._about.setText(unbroken(text))
        self._about.setVisible(bool(text))

    def show_thumbnail(self, path: Path, image: NDArray[np.uint8]) -> None:
        """A small picture of one of the photos; ignored where the zone does not show that photo."""
        if path not in self._found.photos[:SHOWN]:
            return
        pixels = np.ascontiguousarray(image)
        height, width = pixels.shape[:2]
        pixmap = QPixmap(QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888))
        scaled = pixmap.scaled(
            THUMB_WIDTH, THUMB_HEIGHT, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        self._thumbs[self._found.photos.index(path)].setPixmap(scaled)

    def show_no_thumbnail(self, path: Path) -> None:
        """One of the photos cannot be opened after all."""
        if path in self._found.photos[:SHOWN]:
            self._thumbs[self._found.photos.index(path)].setPixmap(sign("warning").pixmap(24, 24))

    @property
    def filled(self) -> bool:
        """Whether something was chosen."""
        return bool(self._found.sources)

    def wanted_thumbnails(self) -> tuple[Path, ...]:
        """The photos that the zone has room for."""
        return self._found.photos[:SHOWN]

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Takes files and folders of this machine."""
        if self.isEnabled() and dropped_paths(event.mimeData()):
            event.acceptProposedAction()
            self._mark("hovered", True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """The drag went elsewhere."""
        self._mark("hovered", False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Tells what was dropped here."""
        self._mark("hovered", False)
        paths = dropped_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(self._role, paths)

    def _choose(self) -> None:
        dialog = QFileDialog(self, f"Choose the folder of {_TITLES[self._role].lower()}")
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._chosen)
        dialog.open()

    def _chosen(self, folder: str) -> None:
        self.dropped.emit(self._role, [Path(folder)])

    def _show_problems(self) -> None:
        lines = [left_out(problem.path, problem.reason) for problem in self._found.problems]
        ListDialog("Photos left out", "These files are left out; the others are used.", lines, self.window()).open()

    def _mark(self, name: str, value: bool) -> None:
        self.setProperty(name, value)
        self.style().unpolish(self)
        self.style().polish(self)


class Folders(QWidget):
    """Both zones, and a button that swaps them."""

    chosen = Signal(object)  # dict of Role -> tuple of Path
    swap_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.zones = {role: DropZone(role) for role in Role}
        self.swap_button = button("Swap", "link")
        set_icon(self.swap_button, "swap")
        self.swap_button.setToolTip("Take the clean photos for the degraded ones, and the other way round")
        self.swap_button.setAccessibleName("Swap clean and degraded photos")
        self.swap_button.clicked.connect(self.swap_wanted)
        self.swap_button.setVisible(False)
        head = horizontal(6)
        head.addWidget(label("Photos", "heading"))
        head.addStretch()
        head.addWidget(self.swap_button)
        layout = vertical(6, self)
        layout.addLayout(head)
        for zone in self.zones.values():
            zone.dropped.connect(self._dropped)
            layout.addWidget(zone)

    def show_found(self, role: Role, found: Found) -> None:
        """What a set holds."""
        self.zones[role].show_found(found)
        self.swap_button.setVisible(any(zone.filled for zone in self.zones.values()))

    def show_reading(self, role: Role) -> None:
        """A set is being looked through."""
        self.zones[role].show_reading()

    def show_described(self, role: Role, text: str) -> None:
        """What the photos of a set are."""
        self.zones[role].show_described(text)

    def show_thumbnail(self, path: Path, image: NDArray[np.uint8]) -> None:
        """A small picture, for whichever zone shows that photo."""
        for zone in self.zones.values():
            zone.show_thumbnail(path, image)

    def show_no_thumbnail(self, path: Path) -> None:
        """A photo that cannot be opened, for whichever zone shows it."""
        for zone in self.zones.values():
            zone.show_no_thumbnail(path)

    def _dropped(self, role: Role, paths: list[Path]) -> None:
        self.chosen.emit(assigned(paths, role))


def _elided(text: str, longest: int = 28) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
