"""The kernel in pictures, profiles and numbers, and the slider through its history."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.kernel_numbers import kernel_numbers
from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.history import History, empty
from ddm_gui.engine.scores import kernel_ncc
from ddm_gui.gui.lens.brightness import brightness, pixel_ticks
from ddm_gui.gui.lens.kernel_view import MOST_SNAPSHOTS, ROOMY, STOP_PARTS, WIDE, KernelView
from ddm_gui.gui.lens.lens import Lens
from ddm_gui.gui.theme import style_sheet

from ..conftest import a_kernel


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
    view.show_history(History(np.array([5, 9]), kernels, np.array([0.1, 0.1], np.float32)), None)
    view.show_truth(PsfGrid(a_kernel(size=7)))
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
    if view.profiles_button.isChecked():
        view.profiles_button.click()
    view.show_truth(PsfGrid(a_kernel(size=25)) if two else None)
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
    assert [text for _, text in axis._tickLevels[0]] == ["1/1000", "1/100", "1/10", "peak"]


# Profiles


def blob(across: float, down: float, *, size: int = 25, channels: int = 1, row: int = 0, col: int = 0) -> np.ndarray:
    """A Gaussian of these standard deviations, in px, its peak at (row, col) from the origin."""
    rows, cols = np.indices((size, size)) - size // 2
    kernel = np.exp(-((cols - col) ** 2) / (2 * across**2) - (rows - row) ** 2 / (2 * down**2))
    shape = (1, 1, channels, size, size)
    return np.broadcast_to(kernel / kernel.sum(), shape).astype(np.float32)


def curves(view: KernelView) -> dict[tuple[str, bool], list[np.ndarray]]:
    """Brightness across and down, by colour and whether the line is dashed, of the curves that can be seen."""
    found: dict[tuple[str, bool], list[np.ndarray]] = {}
    for item, key in view.profiles._colours.items():
        assert item.isVisible()
        style = item.opts["pen"].style()
        assert style == (Qt.PenStyle.DashLine if key[1] else Qt.PenStyle.SolidLine)
        found.setdefault(key, []).append(item.getData()[1])
    return found


def test_profiles_go_through_the_peak_along_both_axes(view: KernelView) -> None:
    kernel = blob(2.0, 4.0, row=3, col=-2)
    view.add_snapshot(10, kernel)
    picture = kernel[0, 0, 0]
    across, down = curves(view)[("accent", False)]
    assert across == pytest.approx(picture[15] / picture.max())
    assert down == pytest.approx(picture[:, 10] / picture.max())
    places = next(iter(view.profiles._colours)).getData()[0]
    assert (places[0], places[-1]) == (-12, 12)


def test_the_true_profile_is_dashed_and_goes_when_the_truth_goes(view: KernelView) -> None:
    view.add_snapshot(10, blob(3.0, 3.0))
    view.show_truth(PsfGrid(blob(2.0, 2.0)))
    shown = curves(view)
    assert set(shown) == {("accent", False), ("text", True)}
    assert shown[("text", True)][0].max() == pytest.approx(1.0)
    assert shown[("accent", False)][0].max() == pytest.approx(4 / 9, rel=0.02)  # the peak of both is the measure
    assert "True" in view.profiles._plots[1].titleLabel.text
    view.show_truth(None)
    assert set(curves(view)) == {("accent", False)}
    assert "True" not in view.profiles._plots[1].titleLabel.text


def test_colours_shown_together_have_a_curve_each(view: KernelView) -> None:
    view.add_snapshot(10, blob(3.0, 3.0, channels=3))
    view.show_truth(PsfGrid(blob(2.0, 2.0, channels=3)))
    names = ("red", "green", "blue")
    assert set(curves(view)) == {(name, dashed) for name in names for dashed in (False, True)}
    view.channel_box.setCurrentIndex(2)
    assert set(curves(view)) == {("green", False), ("green", True)}


@pytest.mark.parametrize(("learned", "true"), [(1, 3), (3, 1)])
def test_one_kernel_for_all_colours_may_stand_beside_three(view: KernelView, learned: int, true: int) -> None:
    view.add_snapshot(10, blob(3.0, 3.0, channels=learned))
    view.show_truth(PsfGrid(blob(2.0, 2.0, channels=true)))
    shown = curves(view)
    assert len([1 for _, dashed in shown if not dashed]) == learned
    assert len([1 for _, dashed in shown if dashed]) == true
    assert "NCC" in view._moment.text()


def test_log_makes_profiles_logarithmic_too(view: KernelView) -> None:
    kernel = blob(2.0, 2.0)
    view.add_snapshot(10, kernel)
    picture = kernel[0, 0, 0]
    view.log_button.click()
    across, _ = curves(view)[("accent", False)]
    assert across == pytest.approx(np.clip(1 + np.log10(picture[12] / picture.max()) / 3, 0, 1), abs=1e-5)
    assert [text for _, text in view.profiles._plots[0].getAxis("left")._tickLevels[0]][:2] == ["1/1000", "1/100"]
    half = view.profiles._halves[0].value()
    view.log_button.click()
    assert view.profiles._halves[0].value() == pytest.approx(0.5)
    assert half == pytest.approx(1 + np.log10(0.5) / 3)


@pytest.mark.parametrize(("size", "places"), [(3, [-1, 0, 1]), (9, [-2, 0, 2]), (25, [-10, 0, 10]), (63, [-20, 0, 20])])
def test_three_ticks_lie_inside_a_kernel(size: int, places: list[int]) -> None:
    assert [place for place, _ in pixel_ticks(size)] == places


def test_profiles_are_below_the_pictures_where_there_is_room_else_in_place_of_them(view: KernelView) -> None:
    assert not view.profiles_button.isChecked()  # there is nothing to show yet
    view.add_snapshot(10, a_kernel())

    def seen() -> tuple[bool, bool, bool]:
        return view.pictures.isVisible(), view.profiles.isVisible(), view.profiles_button.isChecked()

    view.resize(330, ROOMY)
    assert seen() == (True, True, True)
    view.resize(330, ROOMY - 1)
    assert seen() == (True, False, False)
    view.profiles_button.click()
    assert seen() == (False, True, True)
    view.resize(330, ROOMY)
    assert seen() == (True, True, True)
    view.profiles_button.click()
    assert seen() == (True, False, False)


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize(("width", "height"), [(292, ROOMY), (292, 240), (338, 340), (540, 540)])
def test_nothing_of_the_profiles_is_cut_off(view: KernelView, qtbot: QtBot, width: int, height: int, two: bool) -> None:
    view.setStyleSheet(style_sheet())  # which makes buttons as narrow as they are in the window
    view.resize(width, height)
    view.add_snapshot(10, a_kernel(size=25))
    view.show_truth(PsfGrid(a_kernel(size=25)) if two else None)
    if not view.profiles.isVisible():
        view.profiles_button.click()
    qtbot.wait(30)
    assert (view.width(), view.height()) == (width, height)
    for plot in view.profiles._plots:
        assert top(plot.titleLabel) >= -1
        assert bottom(plot.getAxis("bottom")) <= view.profiles.height() + 1
        assert plot.vb.height() >= 30
    if view.pictures.isVisible():
        for plot in view.pictures._plots[: 2 if two else 1]:
            assert plot.vb.height() >= 70
            assert bottom(plot.getAxis("bottom")) <= view.pictures.height() + 1
            assert not plot.getAxis("bottom").label.isVisible()  # the profiles say it
    box = view.channel_box
    assert box.width() >= box.fontMetrics().horizontalAdvance(box.currentText()) + 34  # the arrow and the padding
    assert view._moment.width() >= view._moment.fontMetrics().horizontalAdvance(view._moment.text())


# Numbers


def numbers(kernel: np.ndarray) -> str:
    """What `ddm lens` says of the widths of a kernel."""
    found = kernel_numbers(kernel)
    return f"{found.fwhm_long:.1f} × {found.fwhm_short:.1f}"


def test_the_width_is_that_of_ddm_lens_along_both_axes(view: KernelView) -> None:
    learned, true = blob(3.0, 1.6), blob(2.0, 4.0)
    view.add_snapshot(10, learned)
    assert view._words.text() == f"FWHM {numbers(learned[0, 0, 0])} px · 0.47 at 0°"
    assert numbers(learned[0, 0, 0]) == "7.1 × 3.9"
    view.show_truth(PsfGrid(true))
    assert view._words.text() == f"FWHM 7.1 × 3.9 px ({numbers(true[0, 0, 0])})"


def test_a_width_that_does_not_end_inside_the_kernel_is_a_dash(view: KernelView) -> None:
    view.add_snapshot(10, blob(30.0, 2.0, size=11))
    assert view._words.text().startswith("FWHM — × — px")


def test_the_width_is_that_of_the_colour_in_view_and_of_green_where_all_are(view: KernelView) -> None:
    view.add_snapshot(10, np.concatenate([blob(sigma, sigma) for sigma in (2.0, 3.0, 4.0)], axis=2))
    for colour, sigma in enumerate((3.0, 2.0, 3.0, 4.0)):
        view.channel_box.setCurrentIndex(colour)
        assert view._words.text() == f"FWHM {numbers(blob(sigma, sigma)[0, 0, 0])} px · round"


def test_where_there_is_room_all_numbers_stand_in_a_table(view: KernelView) -> None:
    view.resize(WIDE, 480)
    kernels = np.concatenate([blob(2.0, 2.0, col=shift) for shift in (2, 0, -1)], axis=2)
    view.show_history(empty(), PsfGrid(kernels, confidence=np.array([[[0.9, 0.8, 0.3]]])))
    assert view.table.isVisible()
    assert view.table.words() == {
        "FWHM": [f"{numbers(blob(2.0, 2.0)[0, 0, 0])} px"],
        "Ellipticity": ["round"],
        "Red shift": ["→ 2.00 px"],
        "Blue shift": ["← 1.00 px"],
        "Light at edge": ["0.0 %"],
        "Confidence": ["0.30"],
    }
    view.channel_box.setCurrentIndex(1)
    assert view.table.words()["Confidence"] == ["0.90"]
    view.show_truth(PsfGrid(blob(3.0, 2.0)))
    assert view.table.words()["Ellipticity"] == ["round", "0.33 at 0°"]
    assert view.table.words()["Red shift"] == ["→ 2.00 px", ""]
    view.resize(WIDE - 1, 480)
    assert not view.table.isVisible()


def test_the_match_is_that_of_the_kernel_in_view(view: KernelView) -> None:
    learned = np.concatenate([blob(sigma, sigma) for sigma in (2.0, 3.0, 4.0)], axis=2)
    true = blob(2.0, 2.0, channels=3)
    view.add_snapshot(48_000, learned)
    assert view._moment.text() == "48,000 patches"
    view.show_truth(PsfGrid(true))
    assert view._moment.text() == f"48,000 patches · NCC {kernel_ncc(learned, true):.3f}"
    view.channel_box.setCurrentIndex(1)
    assert view._moment.text() == "48,000 patches · NCC 1.000"


def test_all_follows_the_slider(view: KernelView) -> None:
    true = blob(2.0, 2.0)
    view.show_truth(PsfGrid(true))
    moments = [blob(sigma, 2.0) for sigma in (4.0, 3.0, 2.0)]
    for seen, kernel in enumerate(moments):
        view.add_snapshot(seen, kernel)
    for index, kernel in enumerate(moments):
        view.slider.setValue(index)
        across, _ = curves(view)[("accent", False)]
        assert across == pytest.approx(kernel[0, 0, 0, 12] / true.max(), rel=1e-4)
        assert view._words.text() == f"FWHM {numbers(kernel[0, 0, 0])} px ({numbers(true[0, 0, 0])})"
        assert view._moment.text() == f"{index} patches · NCC {kernel_ncc(kernel, true):.3f}"


def test_a_truth_of_another_size_is_shown_on_the_same_pixels(view: KernelView) -> None:
    view.add_snapshot(10, blob(2.0, 2.0, size=25))
    view.show_truth(PsfGrid(blob(2.0, 2.0, size=30)))
    assert "NCC" in view._moment.text()
    assert [image.image.shape[0] for image in view.pictures._images] == [30, 30]
    learned, true = curves(view).values()
    assert learned[0].argmax() == true[0].argmax() == 15


def test_a_truth_that_lies_aside_is_shown_centred_as_the_learned_kernel_is(view: KernelView) -> None:
    view.add_snapshot(10, blob(2.0, 2.0))
    view.show_truth(PsfGrid(blob(2.0, 2.0, row=3, col=-4)))
    learned, true = curves(view).values()
    assert np.array(true) == pytest.approx(np.array(learned), abs=0.02)


def test_the_result_of_a_whole_run_is_the_last_moment(view: KernelView, qtbot: QtBot) -> None:
    history = History(np.array([5, 9]), np.stack([blob(4.0, 4.0), blob(3.0, 3.0)]), np.array([0.1, 0.1], np.float32))
    view.show_history(history, PsfGrid(blob(2.0, 2.0)))
    assert (view.slider.maximum(), view.slider.value(), view._moment.text()) == (2, 2, "Result")
    assert view._words.text() == "FWHM 4.6 × 4.6 px · round"
    with qtbot.waitSignal(view.looked_back) as told:
        view.slider.setValue(1)
    assert np.array_equal(told.args[0], history.kernels[1])
    assert (view._moment.text(), view._words.text()) == ("9 patches", "FWHM 7.1 × 7.1 px · round")
    with qtbot.waitSignal(view.looked_back) as told:
        view.slider.setValue(2)
    assert told.args == [None]
    view.show_history(history, None)  # the same project, its step 2 stopped on the way
    assert (view.slider.maximum(), view._moment.text()) == (1, "9 patches")


def test_a_result_without_a_history_is_shown(view: KernelView) -> None:
    view.show_history(empty(), PsfGrid(blob(2.0, 2.0)))
    assert view.pictures.isVisible()
    assert view._moment.text() == "Result"


# Over the field


def a_grid(rows: int = 2, cols: int = 3, size: int = 9, channels: int = 3) -> np.ndarray:
    """One bright pixel in each kernel, in the middle; of three colours red lies at a place that says which it is."""
    kernels = np.zeros((rows, cols, channels, size, size), np.float32)
    kernels[..., size // 2, size // 2] = 1.0
    if channels == 3:
        kernels[:, :, 0, size // 2, size // 2] = 0.0
        for row, col in np.ndindex(rows, cols):
            kernels[row, col, 0, row, col] = 1.0
    return kernels


def click_node(view: KernelView, qtbot: QtBot, row: int, col: int) -> None:
    """A real click on a kernel in the picture of the field."""
    qtbot.waitExposed(view)
    _, mosaic = view.field.places()[0]
    qtbot.mouseClick(view.field, Qt.MouseButton.LeftButton, pos=mosaic.cell(row, col).center())


def test_a_grid_shows_all_kernels_and_a_single_one_is_enlarged_at_once(view: KernelView) -> None:
    view.add_snapshot(10, a_grid())
    assert (view.field.isVisible(), view.pictures.isVisible(), view.profiles.isVisible()) == (True, False, False)
    assert view._words.text() == "Click a kernel to enlarge it"
    assert view.field.height() > view.height() / 2
    view.add_snapshot(20, a_kernel())
    assert (view.field.isVisible(), view.pictures.isVisible()) == (False, True)


def test_a_click_enlarges_a_kernel_and_a_button_leads_back(view: KernelView, qtbot: QtBot) -> None:
    view.add_snapshot(10, a_grid())
    assert not view.field_button.isVisible()
    click_node(view, qtbot, 1, 2)
    assert view.field_button.isVisible()
    assert view.pictures._images[0].image.shape == (9, 9, 3)
    assert view.pictures._images[0].image[1, 2].tolist() == [1.0, 0.0, 0.0]
    assert view._words.text().startswith("FWHM")
    view.add_snapshot(20, a_grid())  # the run goes on: the same kernel stays in view
    assert view.pictures._images[0].image[1, 2].tolist() == [1.0, 0.0, 0.0]
    view.slider.setValue(0)  # and of an earlier moment
    assert view.pictures._images[0].image[1, 2].tolist() == [1.0, 0.0, 0.0]
    view.slider.setValue(1)
    qtbot.mouseClick(view.field_button, Qt.MouseButton.LeftButton)
    assert view.field.isVisible()
    click_node(view, qtbot, 1, 2)
    view.add_snapshot(30, a_grid(1, 2))  # there is no such kernel any more
    assert view.field.isVisible()


def test_arrows_go_from_kernel_to_kernel_and_escape_leads_back(view: KernelView, qtbot: QtBot) -> None:
    view.add_snapshot(10, a_grid())
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Return):
        qtbot.keyClick(view.field, key)

    def seen() -> tuple[int, int]:
        red = view.pictures._images[0].image[..., 0]
        row, col = np.unravel_index(int(red.argmax()), red.shape)
        return int(row), int(col)

    assert seen() == (1, 1)
    for key, place in ((Qt.Key.Key_Right, (1, 2)), (Qt.Key.Key_Right, (1, 2)), (Qt.Key.Key_Up, (0, 2))):
        qtbot.keyClick(view.pictures, key)
        assert seen() == place
    qtbot.keyClick(view.pictures, Qt.Key.Key_Escape)
    assert view.field.isVisible()
    qtbot.keyClick(view.field, Qt.Key.Key_Return)  # the keyboard is where it was
    assert seen() == (0, 2)


def test_a_second_lens_is_beside_the_first_where_there_is_room_else_in_its_place(
    view: KernelView, qtbot: QtBot
) -> None:
    view.setStyleSheet(style_sheet())  # which makes buttons as narrow as they are in the window
    view.show_truth(PsfGrid(a_grid(8, 8)))
    view.add_snapshot(10, a_grid(8, 8))
    qtbot.waitUntil(view.flip_button.isVisible, timeout=5_000)  # once all is laid out
    assert [index for index, _ in view.field.places()] == [0]
    assert not view.beside_button.isVisible()
    qtbot.keyClick(view.field, Qt.Key.Key_Space)
    assert [index for index, _ in view.field.places()] == [1]
    view.flip_button.click()
    view.resize(680, 480)
    qtbot.waitUntil(view.beside_button.isVisible, timeout=5_000)
    assert [index for index, _ in view.field.places()] == [0, 1]
    assert not view.flip_button.isVisible()
    view.beside_button.click()
    assert [index for index, _ in view.field.places()] == [0]
    assert view.flip_button.isVisible()


def test_a_grid_is_compared_with_a_true_one_of_the_same_nodes_only(view: KernelView) -> None:
    view.show_truth(PsfGrid(a_grid()))
    view.add_snapshot(10, a_grid())
    assert "NCC" in view._moment.text()
    assert len(view.field.places()) == 2
    view.show_truth(PsfGrid(a_kernel()))
    assert "NCC" not in view._moment.text()
    assert len(view.field.places()) == 1


def test_a_lens_to_compare_with_stands_in_for_the_truth_until_it_is_taken_away(view: KernelView) -> None:
    view.add_snapshot(10, blob(2.0, 2.0))
    view.show_truth(PsfGrid(blob(4.0, 4.0)))
    with_truth = view._moment.text()
    view.show_compared(Lens("Helios", PsfGrid(blob(2.0, 2.0))))
    assert "NCC 1.000" in view._moment.text()
    assert view.pictures._plots[1].titleLabel.text == "Helios"
    view.show_compared(None)
    assert view._moment.text() == with_truth


def test_an_opened_lens_is_shown_in_place_of_what_is_learned_until_it_is_closed(view: KernelView, qtbot: QtBot) -> None:
    for seen in (10, 20):
        view.add_snapshot(seen, a_kernel())
    view.show_opened(Lens("Helios", PsfGrid(a_grid())))
    assert view.field.isVisible()
    assert not view.slider.isVisible()
    view.add_snapshot(30, a_kernel())  # the run goes on behind it
    assert view.field.isVisible()
    view.slider.setValue(0)
    with qtbot.waitSignal(view.looked_back) as told:
        view.show_opened(None)
    assert told.args[0] is not None  # of the moment at which the slider stands
    assert view.pictures.isVisible()
    assert (view.slider.isVisible(), view._moment.text()) == (True, "10 patches")


def test_brightness_makes_faint_parts_brighter_and_clips_the_peak(view: KernelView) -> None:
    view.add_snapshot(10, blob(2.0, 2.0))
    before = view.pictures._images[0].image[12, 9:13, 0]
    view.brightness_slider.setValue(STOP_PARTS)  # one stop
    after = view.pictures._images[0].image[12, 9:13, 0]
    assert after == pytest.approx(np.minimum(2 * before, 1.0), abs=1e-6)
