"""A part of a photo, with all that restoring it takes: the pixels around it, and the kernels of its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ddm_gui.engine.blur.psf import PsfGrid, node_weights
from ddm_gui.engine.photos.photo import Photo


@dataclass(frozen=True, eq=False)
class Part:
    """`photo` is the part with `halo` px around it where the photo has them, `psf` holds the kernels over the field of
    that, and `inside` is where in it the part itself lies."""

    photo: Photo
    psf: PsfGrid
    inside: tuple[slice, slice]


def part_of(photo: Photo, psf: PsfGrid, rows: slice, cols: slice, halo: int) -> Part:
    """The part of a photo at these rows and columns, in sensor orientation.

    What a restorer makes of it is what it makes of the photo but for what it measures: noise and spectrum are those of
    the part.
    """
    lengths = photo.pixels.shape[:2]
    read = tuple(
        slice(max(span.start - halo, 0), min(span.stop + halo, length))
        for span, length in zip((rows, cols), lengths, strict=True)
    )
    inside = tuple(
        slice(span.start - around.start, span.stop - around.start)
        for span, around in zip((rows, cols), read, strict=True)
    )
    pixels = np.ascontiguousarray(photo.pixels[read])
    return Part(photo.with_pixels(pixels), _at(psf, lengths, read), (inside[0], inside[1]))


def _at(psf: PsfGrid, lengths: tuple[int, ...], read: tuple[slice, ...]) -> PsfGrid:
    """The kernels over a part of the field. Its nodes are no further apart than those of the whole, which keeps the
    kernels between them as they are in the midst of a cell, and nearly so where cells meet."""
    weights = []
    for nodes, length, span in zip(psf.nodes, lengths, read, strict=True):
        first, last = (place / max(length - 1, 1) for place in (span.start, span.stop - 1))
        count = min(nodes, 2 + int(2 * (nodes - 1) * (last - first)))
        weights.append(node_weights(nodes, np.linspace(first, last, count) if nodes > 1 else np.array([0.5])))
    down, across = (weight.astype(np.float32) for weight in weights)
    kernels = np.einsum("rn,sm,rsckl->nmckl", down, across, psf.kernels, optimize=True)
    confidence = psf.confidence
    if confidence is not None:
        confidence = np.einsum("rn,sm,rsc->nmc", down, across, confidence, optimize=True)
    return replace(psf, kernels=kernels, confidence=confidence)
