"""The window follows the desktop from light to dark and back while it is open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QPalette, QPixmap
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.events import FlowProgress, KernelProgress, Stage
from ddm_gui.gui.dialogs import TroubleDialog
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.theme import DARK, LIGHT, Colours, colours, follow_system, use_scheme

from .conftest import a_kernel


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    """A window in dark, with a kernel beside the true one and both curves, in place of the welcome."""
    use_scheme(Qt.ColorScheme.Dark)
    made = MainWindow()
    made._after_paint.timeout.disconnect()
    made.resize(1320, 700)
    made.show()
    qtbot.waitExposed(made)
    made._middle.setCurrentWidget(made._large)
    made._right.show()
    made.kernel_view.add_snapshot(64, a_kernel())
    made.kernel_view.show_truth(PsfGrid(a_kernel()))
    for seen in (64, 128):
        made.plots.show_flow(FlowProgress(seen, 1000, 1.0 / seen, 0.1, 5.0))
        made.plots.show_kernels(KernelProgress(seen, 1000, 0.02, 0.001, 0.01, 5.0))
    yield made
    with qtbot.waitSignal(made.closed):
        made.close()
    made.deleteLater()
    use_scheme(Qt.ColorScheme.Dark)


def tell(scheme: Qt.ColorScheme) -> None:
    """What Qt does when the desktop changes its scheme."""
    QApplication.styleHints().colorSchemeChanged.emit(scheme)
    QApplication.processEvents()


def shades(widget: QWidget) -> tuple[int, int]:
    """The lightness of a widget's commonest pixel, and of the one that differs most from it."""
    image = widget.grab().toImage()
    grey = [image.pixelColor(x, y).lightness() for x in range(0, image.width(), 2) for y in range(image.height())]
    ground = max(set(grey), key=grey.count)
    return ground, max(grey, key=lambda shade: abs(shade - ground))


def colour_of(pen: object) -> str:
    return QColor(pen.color()).name()  # type: ignore[attr-defined]


def assert_dressed_in(window: MainWindow, chosen: Colours) -> None:
    dark_ground = chosen is DARK
    assert colours() == chosen
    card = window.run_bar.cards[Stage.FLOW].grab().toImage()  # its ground comes from the style sheet
    assert card.pixelColor(card.width() - 8, 20).name() == chosen.panel
    for widget in (
        window.folders,
        window.settings_form,
        window.project_line,
        window.run_bar,
        window.plots.loss,
        window.plots.ikl,
        window.compare.canvas,
    ):
        ground, furthest = shades(widget)
        assert (ground < 80) is dark_ground, widget
        assert (ground > 200) is not dark_ground, widget
        assert abs(furthest - ground) > 80, widget  # something can be read on it
    for panel in (window.plots.loss, window.plots.ikl):
        for side in ("left", "bottom"):
            assert colour_of(panel.plot.getAxis(side).textPen()) == chosen.muted
    assert colour_of(window.plots._loss._item.opts["pen"]) == chosen.accent
    assert colour_of(window.plots._ikl._item.opts["pen"]) == chosen.good
    assert colour_of(window.plots._floor._item.opts["pen"]) == chosen.muted
    pictures = window.kernel_view.pictures
    assert pictures.grab().toImage().pixelColor(QPoint(2, 2)).name() == chosen.panel
    for plot in pictures._plots:
        assert colour_of(plot.getAxis("bottom").textPen()) == chosen.muted
        assert plot.getAxis("bottom").labelStyle["color"] == chosen.muted
        assert plot.titleLabel.opts["color"] == chosen.muted
    assert colour_of(pictures._bar.axis.textPen()) == chosen.muted
    profiles = window.kernel_view.profiles
    assert profiles.grab().toImage().pixelColor(QPoint(2, 2)).name() == chosen.panel
    assert {colour_of(item.opts["pen"]) for item in profiles._colours} == {chosen.red, chosen.green, chosen.blue}
    for plot in profiles._plots:
        assert colour_of(plot.getAxis("bottom").textPen()) == chosen.muted
        assert plot.titleLabel.opts["color"] == chosen.muted


def ink(pixmap: QPixmap) -> int:
    """The lightness of what is drawn in an icon."""
    image = pixmap.toImage()
    points = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return max(points, key=lambda point: point.alpha()).lightness()


def fit_icon(window: MainWindow) -> QPixmap:
    return window.compare.fit_button.icon().pixmap(32, 32)


def test_dark_becomes_light_and_dark_again(window: MainWindow) -> None:
    assert_dressed_in(window, DARK)
    assert ink(fit_icon(window)) > 200
    tell(Qt.ColorScheme.Light)
    assert_dressed_in(window, LIGHT)
    assert ink(fit_icon(window)) < 60
    tell(Qt.ColorScheme.Dark)
    assert_dressed_in(window, DARK)
    assert ink(fit_icon(window)) > 200


def test_an_open_dialog_changes_with_the_window(window: MainWindow) -> None:
    dialog = TroubleDialog("What.", "Why.", "What to do.", None, window)
    dialog.open()
    for scheme, dark in ((Qt.ColorScheme.Light, False), (Qt.ColorScheme.Dark, True)):
        tell(scheme)
        ground, furthest = shades(dialog)
        assert (ground < 80) is dark
        assert abs(furthest - ground) > 80
        assert (ink(dialog._sign.pixmap()) > 200) is dark
    dialog.close()


def test_what_is_kept_is_shown_on(window: MainWindow) -> None:
    hint = window.run_bar.hint.text()
    tell(Qt.ColorScheme.Light)
    assert window.run_bar.hint.text() == hint
    assert window.kernel_view.pictures.isVisible()
    assert list(window.plots._loss._item.getData()[0]) == [64, 128]


def test_where_the_desktop_does_not_say_it_is_dark(window: MainWindow) -> None:
    tell(Qt.ColorScheme.Light)
    tell(Qt.ColorScheme.Unknown)
    assert_dressed_in(window, DARK)


def test_the_scheme_at_the_start_is_the_desktops(qapp: QApplication) -> None:
    follow_system(qapp)
    light = qapp.styleHints().colorScheme() == Qt.ColorScheme.Light
    wanted = LIGHT if light else DARK
    assert QApplication.palette().color(QPalette.ColorRole.Window).name() == wanted.window


def test_both_sets_of_colours_can_be_read() -> None:
    def luminance(colour: str) -> float:
        parts = [QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for chosen in (DARK, LIGHT):
        for ink in ("text", "muted", "accent", "good", "warn", "bad"):
            for ground in ("window", "panel"):
                assert contrast(getattr(chosen, ink), getattr(chosen, ground)) >= 4.5, (ink, ground)
        assert contrast(chosen.on_accent, chosen.accent) >= 4.5
