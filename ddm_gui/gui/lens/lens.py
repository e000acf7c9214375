"""A blur by its name: what is learned, the truth, or what a file holds."""

from __future__ import annotations

from dataclasses import dataclass

from ddm_gui.engine.blur.psf import PsfGrid


@dataclass(frozen=True, eq=False)
class Lens:
    """`name` is what stands above its pictures."""

    name: str
    psf: PsfGrid
