"""The evidence over a photo: where the restored photo, blurred again, differs from the photo by more than noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QLinearGradient, QPainter

from ddm_gui.engine.restore.evidence import NOISE_LIKE, Evidence
from ddm_gui.engine.restore.tiles import bands

RADIUS = 3.0  # px, over which the residual is averaged: of noise alone it then stays within a tenth of 1
# Residual over what noise explains; and red, green, blue, alpha there. Between them the colours run into each other.
SCALE = (
    (1.0, (255, 214, 74, 0)),
    (NOISE_LIKE, (255, 214, 74, 110)),
    (2.0, (255, 145, 45, 170)),
    (3.0, (226, 30, 60, 215)),
)
WORDS = ("explained by noise", "3 × noise and more")
BAR, MARGIN = 270, 10  # pixels: width of the scale, and around it


def evidence_pixels(evidence: Evidence) -> NDArray[np.uint8]:
    """H x W x 4, as `picture.overlay` takes it: clear where the residual is as it should be."""
    around = evidence.around(RADIUS)
    at, colours = [value for value, _ in SCALE], np.array([colour for _, colour in SCALE])
    shown = np.empty((*around.shape, 4), np.uint8)
    for rows in bands(0, len(around)):
        red, green, blue, alpha = (np.interp(around[rows], at, channel) for channel in colours.T)
        for place, channel in enumerate((blue, green, red)):
            shown[rows, :, place] = channel * alpha / 255.0
        shown[rows, :, 3] = alpha
    return shown


def draw_legend(painter: QPainter, corner: QPointF, font: QFont) -> None:
    """The colours and what they say, on a dark ground whose lower left corner is given."""
    metrics = QFontMetricsF(font)
    first, last = SCALE[0][0], SCALE[-1][0]
    words = metrics.height()
    box = QRectF(corner.x(), corner.y() - words - 30, BAR + 2 * MARGIN, words + 30)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(0, 0, 0, 175))
    painter.drawRoundedRect(box, 8, 8)
    bar = QRectF(box.x() + MARGIN, box.y() + 9, BAR, 8)
    gradient = QLinearGradient(bar.topLeft(), bar.topRight())
    for value, (red, green, blue, alpha) in SCALE:
        grey = 1.0 - alpha / 255.0  # over the grey of an even photo
        mixed = (round(channel * alpha / 255.0 + 128 * grey) for channel in (red, green, blue))
        gradient.setColorAt((value - first) / (last - first), QColor(*mixed))
    painter.setBrush(gradient)
    painter.drawRoundedRect(bar, 2, 2)
    painter.setPen(QColor(255, 255, 255))
    painter.setFont(font)
    line = QRectF(bar.x(), bar.bottom() + 4, box.width() - 2 * MARGIN, words)
    painter.drawText(line, Qt.AlignmentFlag.AlignLeft, WORDS[0])
    painter.drawText(line, Qt.AlignmentFlag.AlignRight, WORDS[1])
