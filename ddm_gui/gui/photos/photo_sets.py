"""The two sets of photos: what was dropped, which photos that holds, what is known of them, and of their true blur."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.simulate.known_set import truth_beside
from ddm_gui.gui.photos.sources import Found, Role, described, look_through
from ddm_gui.gui.reads import Reads


class PhotoSets(QObject):
    """Folders are looked through beside the window; until then a set has sources and no photos."""

    looked_for = Signal(object)  # Role; its photos are not known any more
    found = Signal(object, object)  # Role, Found; its photos are known
    described = Signal(object, str)  # Role, what its photos are; some time after `found`
    truth_known = Signal(object)  # PsfGrid of a simulated set's true kernel, None with any other degraded photos
    refused = Signal(object)  # UserError

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sets = {role: Found() for role in Role}
        self._folders = Reads("folders")
        self._shots = Reads("shots")

    def __getitem__(self, role: Role) -> Found:
        """The photos of a set, as far as they are known."""
        return self._sets[role]

    def look_through(self, role: Role, sources: tuple[Path, ...]) -> None:
        """Takes folders or single photos as a set."""
        self._take(role, Found(sources))
        self.looked_for.emit(role)
        self._folders.ask(partial(self._looked_through, role), look_through, sources)

    def replace(self, role: Role, found: Found) -> None:
        """Takes a set that has been looked through already."""
        self._take(role, found)
        self._arrived(role, found)

    def close(self) -> None:
        """Ends the threads."""
        self._folders.close()
        self._shots.close()

    def _take(self, role: Role, found: Found) -> None:
        """Other degraded photos have another truth, or none."""
        self._sets[role] = found
        if role is Role.DEGRADED:
            self._tell_truth(truth_beside(found.sources))

    def _tell_truth(self, truth: Path | None) -> None:
        known = None
        try:
            known = PsfGrid.load(truth) if truth is not None else None
        except UserError as error:
            self.refused.emit(error)
        self.truth_known.emit(known)

    def _looked_through(self, role: Role, found: Found) -> None:
        if found.sources == self._sets[role].sources:  # else something else was dropped meanwhile
            self._arrived(role, found)

    def _arrived(self, role: Role, found: Found) -> None:
        self._sets[role] = found
        self.found.emit(role, found)
        if found.photos:
            self._shots.ask(partial(self._described, role, found), described, found.photos)

    def _described(self, role: Role, found: Found, text: str) -> None:
        if found is self._sets[role]:
            self.described.emit(role, text)
