"""The viewer: how one compares is remembered, and the line below the photo says what there is to say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRect
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo
from ddm_gui.engine.restore.plan import Budget
from ddm_gui.engine.restore.recipe import Corrected
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.gui.viewer.compare import Compare
from ddm_gui.gui.viewer.panes import Mode
from ddm_gui.gui.viewer.picture import picture
from ddm_gui.gui.viewer.restorations import After, Full, Way, Work
from ddm_gui.gui.words import progress_words

from ..conftest import a_kernel

PATH = Path("a.png")
SIZE = (300, 400)


@pytest.fixture
def compare(qtbot: QtBot) -> Compare:
    made = Compare()
    qtbot.addWidget(made)
    made.setMinimumHeight(230)  # as in the window
    made.resize(700, 500)
    made.show()
    made.show_photos((PATH,))
    made.show_before(PATH, picture(np.full((*SIZE, 3), 0.3, np.float32)))
    return made


def an_after(area: QRect | None = None, warning: str = "", *, of_the_whole: bool = False) -> After:
    height, width = SIZE if area is None else (area.height(), area.width())
    pixels = np.full((height, width, 3), 0.6, np.float32)
    way = Way(PATH, PsfGrid(a_kernel(), 0.01), TotalVariation(), "cpu", Budget())
    covered = None if of_the_whole else area
    full = Full(way, covered, Corrected(Photo(pixels, 8), pixels, None), None, 1.04, warning, 2.5)
    return After(area, picture(pixels), 100.0, full)


def test_how_one_compares_is_remembered(compare: Compare, qtbot: QtBot) -> None:
    assert compare.canvas.mode is Mode.SPLIT
    compare.mode_box.setCurrentIndex(compare.mode_box.findData(Mode.DIFFERENCE.value))
    compare.mode_box.activated.emit(compare.mode_box.currentIndex())
    assert compare.gain_button.isVisible()
    compare.gain_button.click()
    assert compare.canvas.gain == 8
    another = Compare()
    qtbot.addWidget(another)
    assert another.canvas.mode is Mode.DIFFERENCE
    assert another.mode_box.currentData() == "difference"
    assert another.canvas.gain == 8
    another.canvas.mode_wanted.emit(Mode.SPLIT)
    assert another.mode_box.currentData() == "split"
    another.canvas.show_gain(4)


def test_the_line_tells_time_and_residual_and_a_warning_where_there_is_one(compare: Compare) -> None:
    compare.show_after(an_after())
    assert compare.line.text == "Total variation: 2.5 s · residual 1.04 × noise, as it should be"
    compare.show_after(an_after(warning="This blur may not be the photo's own."))
    assert compare.line.text.endswith("1.04 × noise. This blur may not be the photo's own.")
    compare.show_not_restored(PATH, "It needs a denoiser.")
    assert compare.line.text == "It needs a denoiser."
    assert not compare.canvas.has_after


def test_a_part_is_shown_over_what_is_known_of_the_same_restoration_alone(compare: Compare) -> None:
    place = QRect(64, 64, 128, 128)
    compare.show_after(an_after(place))
    assert [layer.place for layer in compare.canvas._after] == [place]
    assert "what is seen" in compare.line.text
    compare.show_after(an_after())
    assert [layer.place for layer in compare.canvas._after] == [None]
    compare.show_after(an_after(place, of_the_whole=True))  # at another strength
    assert [layer.place for layer in compare.canvas._after] == [None, place]
    compare.show_after(an_after(place))  # by other means: the whole is that of before
    assert [layer.place for layer in compare.canvas._after] == [place]


def test_long_work_tells_its_seconds_and_can_be_stopped_and_taken_up(compare: Compare, qtbot: QtBot) -> None:
    line = compare.line
    compare.show_work(Work("Total variation", True, 0.0))
    assert not line.stop_button.isVisible()  # what is soon done is not announced
    line._begun -= 10.0
    compare.show_work(Work("Total variation", True, 0.25))
    assert line.text == "Total variation, what is seen: 25 %, 10 s, about 31 s left"
    with qtbot.waitSignal(line.give_up_wanted, timeout=5_000):
        line.stop_button.click()
    compare.show_work(None)
    assert not line.stop_button.isVisible()
    assert line.again_button.isVisible()
    with qtbot.waitSignal(line.take_up_wanted, timeout=5_000):
        line.again_button.click()
    assert not line.again_button.isVisible()


def test_in_a_narrow_place_only_the_photo_is_left(compare: Compare, qtbot: QtBot) -> None:
    assert compare.evidence_button.isVisible()
    compare.resize(300, 400)
    qtbot.waitUntil(lambda: not compare.evidence_button.isVisible(), timeout=5_000)
    assert not compare.mode_box.isVisible()
    assert compare.filmstrip.isVisible()
    compare.resize(300, 230)
    qtbot.waitUntil(lambda: not compare.filmstrip.isVisible(), timeout=5_000)
    assert compare.canvas.isVisible()


def test_how_far_it_is_in_words() -> None:
    assert progress_words(0.0, 3.4) == "3 s"
    assert progress_words(0.5, 90.0) == "50 %, 90 s, about 2 min left"
