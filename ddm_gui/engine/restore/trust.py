"""How far a photo is corrected, place by place: less where it was clipped, and where the kernel is not sure."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, uniform_filter

from ddm_gui.engine.blur.psf import PsfGrid, field_positions, node_weights
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.restorer import Known, Pixels
from ddm_gui.engine.restore.tiles import bands

SURE, UNSURE = 0.8, 0.3  # confidence of a kernel by which a photo is corrected in full, and not at all
CROWDED = 0.6  # share of the 3 x 3 pixels around a clipped one that are clipped, too, in an area that is
BESIDE = 0.5  # how far clipped pixels are corrected
HELD = 0.95  # share of a kernel's light within the reach that a clipped pixel has


def unclipped(photo: Photo) -> Known | None:
    """H x W x C: false where the camera's white was reached; None where it was nowhere.

    What was there is not known, only that it was at least so bright.
    """
    half_step = 0.5 / (2**photo.depth - 1)
    known: Known = photo.pixels < np.float32(1.0 - half_step)
    return None if known.all() else known


def away_from_clipping(known: Known | None, psf: PsfGrid, rows: slice = slice(None)) -> Pixels | None:
    """H x W x C in [BESIDE, 1]: BESIDE at clipped pixels (`unclipped`), 1 beyond the kernels' reach of them; None: 1
    everywhere. With `rows` only those of the photo.

    What was there is guessed, and where the guess is wrong it rings. Single pixels, which noise has carried to white,
    are no guess. (Nothing corrected at clipped pixels costs photos with lamps up to .4 dB against half of it, all
    corrected up to .3 dB.)
    """
    if known is None:
        return None
    height, width, channels = known.shape
    first, last, _ = rows.indices(height)
    reach = _reach(psf)
    margin = int(np.ceil(reach)) + 1
    above = min(margin, first)
    share = np.ones((last - first, width, channels), dtype=np.float32)
    # Part by part, since most of a photo is not clipped.
    for cols in bands(0, width):
        left = min(margin, cols.start)
        around = known[first - above : last + margin, cols.start - left : cols.stop + margin]
        for channel in np.flatnonzero(~around.all(axis=(0, 1))):
            clipped = ~around[..., channel]
            clipped &= uniform_filter(clipped.astype(np.float32), 3, mode="nearest") > CROWDED
            if clipped.any():
                distance = distance_transform_edt(~clipped)[
                    above : above + last - first, left : left + cols.stop - cols.start
                ]
                share[:, cols, channel] = BESIDE + (1.0 - BESIDE) * np.clip(distance / reach, 0.0, 1.0)
    return None if bool((share == 1).all()) else share


def sureness(psf: PsfGrid, height: int, width: int, channels: int, rows: slice = slice(None)) -> Pixels | None:
    """H x W x C in [0, 1]: how far to correct by the kernels' confidence, bilinear between the nodes; None: fully.

    With `rows` only those of the photo.
    """
    if psf.confidence is None or bool((psf.confidence >= SURE).all()):
        return None
    share = np.clip((psf.confidence - UNSURE) / (SURE - UNSURE), 0.0, 1.0)
    down, across = (
        node_weights(count, np.array(field_positions(length))).astype(np.float32)
        for count, length in zip(psf.nodes, (height, width), strict=True)
    )
    spread: Pixels = np.einsum("rh,sw,rsc->hwc", down[:, rows], across, share, optimize=True)
    return np.broadcast_to(spread, (*spread.shape[:2], channels))


def _reach(psf: PsfGrid) -> float:
    """px from a kernel's middle that hold HELD of its light, in the mean kernel; at least 1."""
    kernel = psf.kernels.mean(axis=(0, 1, 2))
    rows, cols = np.indices(kernel.shape) - psf.size // 2
    distance = np.hypot(rows, cols).ravel()
    order = np.argsort(distance)
    light = np.cumsum(kernel.ravel()[order])
    return max(1.0, float(distance[order][np.searchsorted(light, HELD * light[-1])]))
