"""Where the files of a set whose blur is known lie: what is learned from, and what only the judge may look at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KnownSet:
    """A folder of photos whose blur is known: the demo, or a set that was simulated."""

    root: Path

    @property
    def clean(self) -> Path:
        """Sharp photos of other things, to learn from."""
        return self.root / "clean"

    @property
    def degraded(self) -> Path:
        """Blurred photos, to learn from."""
        return self.root / "degraded"

    @property
    def sharp(self) -> Path:
        """The originals of `degraded`, under the same names: for scores only."""
        return self.root / "sharp"

    @property
    def truth(self) -> Path:
        """The true kernels (a PsfGrid file), for scores only. Written last: a set that has it is complete."""
        return self.root / "truth.safetensors"


def truth_beside(degraded: Sequence[Path]) -> Path | None:
    """The true kernels of degraded photos (folders or files), where they are those of a set that is known.

    None where there is no such file, the photos' folder is not called as in a set, or they come from several folders.
    """
    places = [Path(os.path.abspath(source)) for source in degraded]
    folders = {place.parent if place.is_file() else place for place in places}
    if len(folders) != 1:
        return None
    (folder,) = folders
    known = KnownSet(folder.parent)
    return known.truth if folder == known.degraded and known.truth.is_file() else None


def original_of(degraded: Path) -> Path | None:
    """The sharp original of a degraded photo of a known set; None where there is none."""
    if truth_beside((degraded,)) is None:
        return None
    original = KnownSet(degraded.parent.parent).sharp / degraded.name
    return original if original.is_file() else None
