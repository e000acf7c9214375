"""Zoom, pan and the split line of the viewer, by mouse and by keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ddm_gui.gui.viewer.canvas import Canvas, Layer
from ddm_gui.gui.viewer.panes import Mode
from ddm_gui.gui.viewer.picture import Picture, overlay, picture

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


def even(value: float, height: int = 600, width: int = 800) -> Picture:
    return picture(np.full((height, width, 3), value, np.float32))


def test_side_by_side_both_halves_show_the_same_part(canvas: Canvas) -> None:
    canvas.show_mode(Mode.BESIDE)
    assert canvas.zoom == pytest.approx(199 / 800)  # the whole photo, twice
    assert colour_at(canvas, 100, 150).red() == 51
    assert colour_at(canvas, 300, 150).red() == 204
    pointer = QPointF(290, 160)  # in the right half; its middle is at 300.5
    turn_wheel(canvas, pointer, 4)
    middle = QPointF(300.5, 150)
    under = canvas.centre + (pointer - middle) / canvas.zoom
    assert under.x() == pytest.approx(400 + (290 - 300.5) / (199 / 800))
    assert canvas.seen.width() == pytest.approx(199 / canvas.zoom, abs=2)


def test_blinking_shows_one_and_the_other_and_space_flips_by_hand(canvas: Canvas, qtbot: QtBot) -> None:
    canvas._blinking.setInterval(20)
    canvas.show_mode(Mode.BLINK)
    assert colour_at(canvas, 200, 200).red() == 51
    qtbot.waitUntil(lambda: colour_at(canvas, 200, 200).red() == 204, timeout=5_000)
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    before = colour_at(canvas, 200, 200).red()
    qtbot.wait(60)
    assert colour_at(canvas, 200, 200).red() == before
    QTest.keyClick(canvas, Qt.Key.Key_Space)
    assert colour_at(canvas, 200, 200).red() == 255 - before


def test_a_difference_is_grey_where_there_is_none_and_grows_with_its_gain(canvas: Canvas) -> None:
    canvas.show_mode(Mode.DIFFERENCE)
    canvas.show_pictures(even(0.5), even(0.5))
    assert colour_at(canvas, 200, 200).red() in (127, 128)
    canvas.show_pictures(even(0.5), even(0.5 + 5 / 255))
    assert colour_at(canvas, 200, 200).red() in (147, 148)
    QTest.keyClick(canvas, Qt.Key.Key_Up)
    assert canvas.gain == 8
    assert colour_at(canvas, 200, 200).red() in (167, 168)
    for _ in range(9):
        QTest.keyClick(canvas, Qt.Key.Key_Down)
    assert canvas.gain == 1


@pytest.mark.parametrize("zoom", [0.5, 1.0, 2.0])
def test_the_difference_of_a_part_lies_pixel_on_pixel(canvas: Canvas, zoom: float) -> None:
    """A pattern against itself: a step aside would be seen."""
    pattern = np.random.default_rng(0).random((600, 800, 3), dtype=np.float32)
    place = QRect(128, 64, 400, 300)
    part = pattern[64:364, 128:528]
    canvas.show_pictures(picture(pattern), None, Layer(picture(part), place))
    canvas.show_mode(Mode.DIFFERENCE)
    canvas.zoom_to(zoom, QPointF(WIDTH / 2, HEIGHT / 2))
    canvas.show_view(zoom, QPointF(320, 220))
    for x, y in ((150, 120), (200, 150), (230, 170)):
        assert abs(colour_at(canvas, x, y).red() - 127) <= 1


def test_a_part_lies_over_the_photo_where_it_belongs(canvas: Canvas) -> None:
    canvas.show_pictures(even(0.2), None, Layer(even(0.8, 100, 200), QRect(400, 300, 200, 100)))
    canvas.move_line(0.0)
    assert colour_at(canvas, 250, 170).red() == 204  # photo pixel 500, 340
    assert colour_at(canvas, 190, 140).red() == 51


def test_the_evidence_lies_over_the_photo_after_where_it_is_asked_for(canvas: Canvas) -> None:
    red = np.zeros((600, 800, 4), np.uint8)
    red[..., 2:] = 128  # half covered
    layers = [Layer(overlay(red))]
    canvas.show_evidence(layers, shown=False)
    assert colour_at(canvas, 300, 100).red() == 204
    canvas.show_evidence(layers, shown=True)
    after = colour_at(canvas, 300, 100)
    assert abs(after.red() - (128 + 102)) <= 2
    assert abs(after.green() - 102) <= 2
    assert colour_at(canvas, 100, 100).green() == 51
    assert colour_at(canvas, 14, HEIGHT - 14) != colour_at(canvas, 100, 100)  # the legend


def test_keys_ask_for_modes_and_the_evidence(canvas: Canvas, qtbot: QtBot) -> None:
    for key, mode in (("S", Mode.SPLIT), ("B", Mode.BESIDE), ("L", Mode.BLINK), ("D", Mode.DIFFERENCE)):
        with qtbot.waitSignal(canvas.mode_wanted, timeout=5_000) as wanted:
            QTest.keyClicks(canvas, key)
        assert wanted.args == [mode]
    with qtbot.waitSignal(canvas.evidence_wanted, timeout=5_000):
        QTest.keyClicks(canvas, "E")


def test_what_is_seen_is_told_in_pixels_of_the_photo(canvas: Canvas) -> None:
    assert canvas.seen == QRect(0, 0, 800, 600)
    canvas.zoom_to(2.0, QPointF(200, 150))
    assert canvas.seen == QRect(300, 225, 200, 150)
