"""How a photo before and after share the viewer: pure geometry, no painting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import QRectF


class Mode(StrEnum):
    """The ways to compare."""

    SPLIT = "split"  # a line, before on its left and after on its right
    BESIDE = "beside"  # the same part of the photo twice
    BLINK = "blink"  # one and the other in turns
    DIFFERENCE = "difference"  # after less before, around grey


class Side(StrEnum):
    """What a pane shows."""

    BEFORE = "Before"
    AFTER = "After"
    DIFFERENCE = "Difference"


@dataclass(frozen=True)
class Pane:
    """A part of the viewer. The photo's point in view lies in the middle of `frame`; of that only `clip` is drawn."""

    side: Side
    frame: QRectF
    clip: QRectF


def panes(mode: Mode, width: float, height: float, split: float, *, flipped: bool) -> tuple[Pane, ...]:
    """The panes of a viewer of this size; `split` is the place of the line, a share of the width, and `flipped` says
    whether it is the turn of the photo after."""
    all_of_it = QRectF(0, 0, width, height)
    if mode is Mode.SPLIT:
        line = round(split * width)
        left, right = QRectF(0, 0, line, height), QRectF(line, 0, width - line, height)
        return Pane(Side.BEFORE, all_of_it, left), Pane(Side.AFTER, all_of_it, right)
    if mode is Mode.BESIDE:
        half = (width - 2) / 2
        left, right = QRectF(0, 0, half, height), QRectF(half + 2, 0, half, height)
        return Pane(Side.BEFORE, left, left), Pane(Side.AFTER, right, right)
    if mode is Mode.BLINK:
        return (Pane(Side.AFTER if flipped else Side.BEFORE, all_of_it, all_of_it),)
    return (Pane(Side.DIFFERENCE, all_of_it, all_of_it),)
