"""Zoom, pan and the split line of the viewer, by mouse and by keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ddm_gui.gui.canvas import Canvas
from ddm_gui.gui.picture import picture

WIDTH, HEIGHT = 400, 300
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    """A canvas with a dark photo before and a bright one after, 800 x 600."""
    made = Canvas()
    qtbot.addWidget(made)
    made.resize(WIDTH, HEIGHT)
    made.show()
    dark, bright = (picture(np.full((600, 800, 3), value, np.float32)) for value in (0.2, 0.8))
    made.show_pictures(dark, bright)
    return made


def colour_at(canvas: Canvas, x: int, y: int) -> QColor:
    return canvas.grab().toImage().pixelColor(x, y)


def turn_wheel(canvas: Canvas, at: QPointF, notches: int) -> None:
    none = Qt.KeyboardModifier.NoModifier
    event = QWheelEvent(
        at, at, QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton, none, Qt.ScrollPhase.NoScrollPhase, False
    )
    QApplication.sendEvent(canvas, event)


def photo_point(canvas: Canvas, at: QPointF) -> QPointF:
    return canvas.centre + (at - QPointF(WIDTH / 2, HEIGHT / 2)) / canvas.zoom


def test_a_new_photo_is_fitted(canvas: Canvas) -> None:
    assert canvas.zoom == pytest.approx(0.5)
    assert canvas.centre == QPointF(400, 300)


def test_before_is_left_of_the_line_and_after_right(canvas: Canvas) -> None:
    assert colour_at(canvas, 100, 250).red() == 51
    assert colour_at(canvas, 300, 250).red() == 204


def test_dragging_the_line_moves_it(canvas: Canvas) -> None:
    QTest.mousePress(canvas, LEFT, pos=QPoint(200, 150))
    QTest.mouseMove(canvas, QPoint(300, 150))
    QTest.mouseRelease(canvas, LEFT, pos=QPoint(300, 150))
    assert canvas.split == pytest.approx(0.75)
    assert colour_at(canvas, 250, 250).red() == 51


def test_dragging_the_photo_pans_it(canvas: Canvas) -> None:
    canvas.one_to_one()
    QTest.mousePress(canvas, LEFT, pos=QPoint(50, 50))
    QTest.mouseMove(canvas, QPoint(80, 40))
    QTest.mouseRelease(canvas, LEFT, pos=QPoint(80, 40))
    assert canvas.centre == QPointF(370, 310)
    assert canvas.split == 0.5


def test_the_wheel_zooms_at_the_pointer(canvas: Canvas) -> None:
    pointer = QPointF(90, 70)
    before = photo_point(canvas, pointer)
    turn_wheel(canvas, pointer, 3)
    after = photo_point(canvas, pointer)
    assert canvas.zoom == pytest.approx(0.5 * 1.25**3)
    assert (after.x(), after.y()) == (pytest.approx(before.x()), pytest.approx(before.y()))


def test_zoom_has_bounds(canvas: Canvas) -> None:
    turn_wheel(canvas, QPointF(200, 150), 100)
    assert canvas.zoom == 16.0
    turn_wheel(canvas, QPointF(200, 150), -200)
    assert canvas.zoom == pytest.approx(0.25)


def test_keys_1_and_f(canvas: Canvas) -> None:
    QTest.keyClick(canvas, Qt.Key.Key_1)
    assert canvas.zoom == pytest.approx(1.0 / canvas.devicePixelRatioF())
    QTest.keyClick(canvas, Qt.Key.Key_F)
    assert canvas.zoom == pytest.approx(0.5)


def test_arrows_move_the_line(canvas: Canvas) -> None:
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    assert canvas.split == pytest.approx(0.52)
    QTest.keyClick(canvas, Qt.Key.Key_Left)
    assert canvas.split == pytest.approx(0.5)


def test_a_fitted_photo_stays_fitted_and_a_zoomed_one_stays_zoomed(canvas: Canvas, qtbot: QtBot) -> None:
    canvas.resize(320, 240)
    qtbot.waitUntil(lambda: canvas.zoom == pytest.approx(0.4))
    canvas.one_to_one()
    zoom = canvas.zoom
    canvas.resize(WIDTH, HEIGHT)
    qtbot.wait(20)
    assert canvas.zoom == zoom


def test_a_new_restoration_of_the_same_photo_keeps_the_view(canvas: Canvas) -> None:
    canvas.one_to_one()
    same = picture(np.full((600, 800, 3), 0.5, np.float32))
    canvas.show_pictures(same, same)
    assert canvas.zoom == pytest.approx(1.0 / canvas.devicePixelRatioF())
