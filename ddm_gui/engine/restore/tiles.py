"""Photos worked on tile by tile: a plan that depends on settings alone, and no seam.

Tiles overlap. A restorer sees a tile with `halo` px around it, which it needs and which are thrown away; where what is
left of two tiles overlaps, by `FADE` px, one fades into the other, so that no step can lie on a tile's edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ddm_gui.engine.restore.restorer import Pixels, Steps

FADE = 32  # px
BAND = 256  # rows at a time, so that what lies between needs little memory beside a photo's own


@dataclass(frozen=True)
class Tile:
    """A part of a photo: what is read (rows, cols), and which part of that, from its first pixel on, is kept."""

    read: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def written(self) -> tuple[slice, slice]:
        """Where in the photo the kept part lies."""
        rows, cols = (
            slice(read.start + kept.start, read.start + kept.stop)
            for read, kept in zip(self.read, self.kept, strict=True)
        )
        return rows, cols


def plan(height: int, width: int, tile: int, halo: int) -> Iterator[Tile]:
    """The tiles of a photo, row by row: `tile` px each, with `halo` px around where the photo has them."""
    for rows in _spans(height, tile):
        for cols in _spans(width, tile):
            read = [
                slice(max(part.start - halo, 0), min(part.stop + halo, length))
                for part, length in ((rows, height), (cols, width))
            ]
            kept = [
                slice(part.start - whole.start, part.stop - whole.start)
                for part, whole in zip((rows, cols), read, strict=True)
            ]
            yield Tile((read[0], read[1]), (kept[0], kept[1]))


def by_tiles(pixels: Pixels, tile: int, halo: int, work: Callable[[Pixels, Tile], Steps[Pixels]]) -> Steps[Pixels]:
    """A photo H x W x C, worked on by `work`, which gets what is read of each tile and gives the same size back."""
    height, width = pixels.shape[:2]
    result = np.zeros(pixels.shape, dtype=np.float32)
    parts = list(plan(height, width, tile, halo))
    for index, part in enumerate(parts):
        whole = yield from _share(work(pixels[part.read], part), index, len(parts))
        done = whole[part.kept]
        down, across = (_ramp(where, length) for where, length in zip(part.written, (height, width), strict=True))
        result[part.written] += done * (down[:, None] * across)[..., None]
    return result


def bands(first: int, last: int) -> Iterator[slice]:
    """Rows from `first` to before `last`, in bands, for what is done pixel by pixel."""
    for row in range(first, last, BAND):
        yield slice(row, min(row + BAND, last))


def _share(steps: Steps[Pixels], index: int, count: int) -> Steps[Pixels]:
    """The steps of one of several tiles as a share of those of all."""
    while True:
        try:
            yield (index + next(steps)) / count
        except StopIteration as end:
            done: Pixels = end.value
            return done


def _spans(length: int, tile: int) -> list[slice]:
    """Parts of `tile` px that cover a length; each overlaps the one before by FADE px."""
    if length <= tile:
        return [slice(0, length)]
    step = tile - FADE
    count = -(-(length - FADE) // step)
    return [slice(index * step, min(index * step + tile, length)) for index in range(count)]


def _ramp(part: slice, length: int) -> Pixels:
    """The weights of a tile along one axis: they rise over its first FADE px and fall over its last, but not at the
    photo's own edges. Those of all tiles sum to one."""
    weights = np.ones(part.stop - part.start, dtype=np.float32)
    rise = ((np.arange(FADE) + 0.5) / FADE).astype(np.float32)
    if part.start > 0:
        weights[:FADE] *= rise
    if part.stop < length:
        weights[-FADE:] *= rise[::-1]
    return weights
