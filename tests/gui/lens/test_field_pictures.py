"""Kernels at their places over the field: where they lie, how much of them is shown, and what is marked."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QSize
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.gui.lens.field_pictures import BELOW, GAP, MARK, TITLE, FieldPictures, cut, lit_radius, mosaics
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.theme import colours


@pytest.mark.parametrize("nodes", [(1, 1), (8, 8), (12, 6)])
@pytest.mark.parametrize("aspect", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("room", [QSize(660, 430), QSize(320, 260), QSize(500, 720)])
def test_grids_have_the_shape_of_the_photo_and_use_the_room(
    nodes: tuple[int, int], aspect: float, count: int, room: QSize
) -> None:
    found = mosaics(room, count, nodes, aspect)
    assert len(found) == count
    left, right = found[0].left, found[-1].left + found[-1].width
    top, bottom = found[0].top - TITLE, found[-1].top + found[-1].height
    assert min(left, top) >= 0
    assert right < room.width()
    assert bottom <= room.height()
    assert right - left >= room.width() - 4 or bottom - top >= room.height() - BELOW - 4
    for mosaic in found:
        assert mosaic.width / mosaic.height == pytest.approx(aspect, rel=0.01)
        assert (mosaic.width, mosaic.height) == (found[0].width, found[0].height)


def test_two_grids_are_where_they_are_larger() -> None:
    beside, below = (mosaics(QSize(*room), 2, (8, 8), 1.5) for room in ((700, 300), (400, 600)))
    assert beside[1].top == beside[0].top
    assert beside[1].left == beside[0].left + beside[0].width + GAP
    assert below[1].left == below[0].left
    assert below[1].top == below[0].top + below[0].height + TITLE


def test_each_place_belongs_to_its_kernel() -> None:
    mosaic = mosaics(QSize(333, 221), 1, (3, 5), 1.5)[0]
    for row, col in np.ndindex(3, 5):
        cell = mosaic.cell(row, col)
        for place in (cell.topLeft(), cell.center(), cell.bottomRight()):
            assert mosaic.node_at(place) == (row, col)
    assert mosaic.node_at(QPoint(mosaic.left - 1, mosaic.top + 5)) is None
    assert mosaic.node_at(QPoint(mosaic.left + 5, mosaic.top + mosaic.height)) is None


def test_what_is_dark_around_all_kernels_is_cut_off() -> None:
    kernels = np.zeros((1, 2, 1, 25, 25), np.float32)
    kernels[..., 12, 12] = 1.0
    kernels[0, 1, 0, 12, 18] = 0.1
    assert lit_radius(kernels, 0.05) == 6
    assert lit_radius(kernels, 0.2) == 3
    shown = cut(kernels[0, 1], 6)
    assert shown.shape == (1, 13, 13)
    assert (shown[0, 6, 6], shown[0, 6, 12]) == (1.0, np.float32(0.1))
    assert cut(kernels[0, 1], 20).shape == (1, 41, 41)  # beside a larger one
    assert cut(kernels[0, 1], 20)[0, 20, 20] == 1.0


def test_kernels_lie_at_their_places_and_doubtful_ones_are_marked(qtbot: QtBot) -> None:
    field = FieldPictures()
    qtbot.addWidget(field)
    field.resize(240, 186)
    kernels = np.zeros((2, 3, 3, 9, 9), np.float32)
    kernels[..., 3:6, 3:6] = 1 / 9
    kernels[1, 2, 1:] = 0.0  # red alone
    confidence = np.full((2, 3, 3), 0.9)
    confidence[0, 1, 2] = 0.3
    field.show_lenses([Lens("Learned", PsfGrid(kernels, confidence=confidence))], None, gain=1.0, logarithmic=False)
    image = field.grab().toImage()
    _, mosaic = field.places()[0]

    def colour(place: QPoint) -> str:
        return image.pixelColor(place).name()

    for row, col in np.ndindex(2, 3):
        cell = mosaic.cell(row, col)
        assert colour(cell.center()) == ("#ff0000" if (row, col) == (1, 2) else "#ffffff")
        corner = cell.bottomRight() - QPoint(2 + MARK // 2, 2 + MARK // 2)
        assert colour(corner) == (QColor(colours().warn).name() if (row, col) == (0, 1) else "#000000")
    assert "confidence 0.30" in field.told((0, 1))
    field.show_photo(0.5)
    assert field.places()[0][1].width < mosaic.width
