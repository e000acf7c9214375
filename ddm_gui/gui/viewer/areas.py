"""Parts of a photo as it is seen, and where they lie in the photo as its sensor gave it."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPoint, QRect

from ddm_gui.engine.photos.formats.exif import turned
from ddm_gui.engine.photos.photo import Photo

STEP = 64  # px


def in_sensor(photo: Photo, area: QRect) -> tuple[slice, slice]:
    """Rows and columns, in sensor orientation, of a part of the photo as it is seen upright."""
    height, width = photo.pixels.shape[:2]
    spans = []
    for places in (np.arange(height)[:, None, None], np.arange(width)[None, :, None]):
        seen = turned(np.broadcast_to(places, (height, width, 1)), photo.orientation)
        ends = sorted((int(seen[area.top(), area.left(), 0]), int(seen[area.bottom(), area.right(), 0])))
        spans.append(slice(ends[0], ends[1] + 1))
    return spans[0], spans[1]


def grown(area: QRect, smallest: int, whole: QRect) -> QRect:
    """A part made at least so wide and high, and moved into the whole; never larger than that.

    Its corner is at a multiple of STEP, so that it fits the photo pixel by pixel at smaller sizes, too.
    """
    found = _around(area, max(area.width(), smallest), max(area.height(), smallest), whole)
    left, top = (place // STEP * STEP for place in (found.left(), found.top()))
    return QRect(QPoint(left, top), found.bottomRight())


def middle(area: QRect, most: int, whole: QRect) -> QRect:
    """The middle of a part, of `most` pixels and no more, in its shape."""
    share = min(1.0, (most / max(area.width() * area.height(), 1)) ** 0.5)
    return _around(area, max(1, int(share * area.width())), max(1, int(share * area.height())), whole)


def _around(area: QRect, width: int, height: int, whole: QRect) -> QRect:
    """A rectangle of this size around the middle of another, inside the whole."""
    width, height = min(width, whole.width()), min(height, whole.height())
    left = min(max(area.left() + (area.width() - width) // 2, 0), whole.width() - width)
    top = min(max(area.top() + (area.height() - height) // 2, 0), whole.height() - height)
    return QRect(left, top, width, height)
