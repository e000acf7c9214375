"""The kernel picture and the slider through its history."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from ddm_gui.engine.history import History
from ddm_gui.gui.kernel_view import MOST_SNAPSHOTS, KernelView, brightness

from .conftest import a_kernel


@pytest.fixture
def view(qtbot: QtBot) -> KernelView:
    made = KernelView()
    qtbot.addWidget(made)
    made.resize(330, 300)
    made.show()
    return made


def test_brightness_is_relative_to_the_peak() -> None:
    kernel = np.array([[0.0, 0.1], [0.05, 0.2]], np.float32)
    assert brightness(kernel, 0.2, logarithmic=False) == pytest.approx(np.array([[0, 0.5], [0.25, 1]]))


def test_logarithmic_brightness_reaches_a_thousandth_of_the_peak() -> None:
    kernel = np.array([1.0, 0.1, 0.01, 0.001, 0.0], np.float32)
    assert brightness(kernel, 1.0, logarithmic=True) == pytest.approx(np.array([1, 2 / 3, 1 / 3, 0, 0]), abs=1e-6)


def test_it_waits_in_words_and_then_shows(view: KernelView) -> None:
    assert not view.pictures.isVisible()
    view.add_snapshot(10, a_kernel())
    assert view.pictures.isVisible()
    assert view.channel_box.isVisible()


def test_one_blur_for_all_colours_has_no_choice_of_colour(view: KernelView) -> None:
    view.add_snapshot(10, a_kernel(channels=1))
    assert not view.channel_box.isVisible()


def test_axes_are_in_pixels_around_zero(view: KernelView) -> None:
    view.add_snapshot(10, a_kernel(size=9))
    box = view.pictures._images[0].mapRectToView(view.pictures._images[0].boundingRect())
    assert (box.left(), box.right(), box.top(), box.bottom()) == (-4.5, 4.5, -4.5, 4.5)
    assert view.pictures._plots[0].vb.yInverted()


def test_the_slider_follows_the_run_until_it_is_moved(view: KernelView, qtbot: QtBot) -> None:
    for seen in (10, 20, 30):
        view.add_snapshot(seen, a_kernel())
    assert view.slider.value() == 2
    with qtbot.waitSignal(view.looked_back) as told:
        view.slider.setValue(0)
    assert told.args[0] is not None
    view.add_snapshot(40, a_kernel())
    assert view.slider.value() == 0
    with qtbot.waitSignal(view.looked_back) as told:
        view.slider.setValue(3)
    assert told.args == [None]


def test_a_run_that_goes_on_from_a_checkpoint_draws_that_part_again(view: KernelView) -> None:
    for seen in (10, 20, 30, 20):
        view.add_snapshot(seen, a_kernel())
    assert view.slider.maximum() == 1


def test_the_history_is_thinned(view: KernelView) -> None:
    kernel = a_kernel(size=3)
    for seen in range(MOST_SNAPSHOTS + 1):
        view.add_snapshot(seen, kernel)
    assert view.slider.maximum() <= MOST_SNAPSHOTS // 2 + 1


def test_a_history_from_the_disk_and_the_truth_are_shown(view: KernelView) -> None:
    kernels = np.stack([a_kernel(), a_kernel()])
    view.show_history(History(np.array([5, 9]), kernels, np.array([0.1, 0.1], np.float32)))
    view.show_truth(a_kernel(size=7))
    assert view.slider.maximum() == 1
    assert view.pictures._plots[1].isVisible()
    view.show_truth(None)
    assert not view.pictures._plots[1].isVisible()


def bottom(item: object) -> float:
    """The lower edge of something in the pictures, in pixels of their widget."""
    return float(item.mapRectToScene(item.boundingRect()).bottom())  # type: ignore[attr-defined]


def top(item: object) -> float:
    return float(item.mapRectToScene(item.boundingRect()).top())  # type: ignore[attr-defined]


@pytest.mark.parametrize("height", [230, 300, 420])
@pytest.mark.parametrize("two", [False, True])
def test_nothing_of_the_pictures_is_cut_off(view: KernelView, qtbot: QtBot, height: int, two: bool) -> None:
    view.resize(338, height)
    view.add_snapshot(10, a_kernel(size=25))
    view.show_truth(a_kernel(size=25) if two else None)
    pictures = view.pictures
    qtbot.wait(30)
    for plot in pictures._plots[: 2 if two else 1]:
        assert plot.getAxis("bottom").label.isVisible()
        assert bottom(plot.getAxis("bottom").label) <= pictures.height() + 4  # the label has a margin of its own
        assert plot.titleLabel.isVisible()
        assert top(plot.titleLabel) >= -1
    right = pictures._bar.mapRectToScene(pictures._bar.boundingRect()).right()
    assert right <= pictures.width()


def test_the_colour_bar_is_as_high_as_the_picture_and_says_what_it_counts(view: KernelView, qtbot: QtBot) -> None:
    view.resize(338, 300)
    view.add_snapshot(10, a_kernel(size=25))
    qtbot.wait(30)
    picture, bar = view.pictures._plots[0].vb, view.pictures._bar.vb
    assert (top(bar), bottom(bar)) == (pytest.approx(top(picture), abs=3), pytest.approx(bottom(picture), abs=3))
    axis = view.pictures._bar.axis
    assert axis.tickStrings([0.0, 0.05], 1.0, 0.05) == ["0 %", "5 %"]
    view.log_button.click()
    assert [text for _, text in axis._tickLevels[0]] == ["peak", "1/10", "1/100", "1/1000"]
