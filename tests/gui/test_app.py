"""The program around the window: numbers in C, bugs to the log, resources found."""

from __future__ import annotations

import locale
from datetime import date
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import Result
from ddm_gui.gui.app import Bugs, application
from ddm_gui.gui.dialogs import TroubleDialog
from ddm_gui.gui.learning.result_view import score_rows
from ddm_gui.gui.log import log_file, write_bug
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.places import default_project_folder
from ddm_gui.gui.theme import icon, resource, style_sheet
from ddm_gui.gui.words import duration, photos


def test_numbers_are_written_with_a_point(qapp: object) -> None:
    application()
    assert locale.localeconv()["decimal_point"] == "."


def test_a_bug_that_nobody_caught_is_logged_and_told_once(qtbot: QtBot) -> None:
    window = MainWindow()
    bugs = Bugs(window)
    for _ in range(3):
        bugs.take(ValueError("a bug of the test"))
    dialogs = window.findChildren(TroubleDialog)
    assert len(dialogs) == 1
    assert log_file().read_text(encoding="utf-8").count("ValueError: a bug of the test") == 3
    dialogs[0].close()
    with qtbot.waitSignal(window.closed):
        window.close()
    window.deleteLater()


def test_the_log_lies_in_the_persons_folders(own_folders: Path) -> None:
    assert write_bug(ValueError("x")) == log_file()
    assert own_folders in log_file().parents


def test_resources_are_found(qapp: object) -> None:
    assert "QPushButton" in style_sheet()
    assert not icon("start").isNull()
    with pytest.raises(FileNotFoundError):
        resource("no such file")


def test_a_default_folder_never_exists_yet(own_folders: Path) -> None:
    day = date(2026, 11, 23)
    first = default_project_folder("lens", day)
    assert first == own_folders / "ddm projects" / "lens 2026-11-23"
    first.mkdir(parents=True)
    assert default_project_folder("lens", day).name == "lens 2026-11-23 (2)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (59, "59 s"),
        (90, "2 min"),
        (3599, "1 h 00 min"),
        (7800, "2 h 10 min"),
        (50_000, "14 h"),
        (250_000, "3 days"),
        (float("nan"), ""),
    ],
)
def test_durations_read_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_photos_are_counted_in_words() -> None:
    assert [photos(0), photos(1), photos(2400)] == ["0 photos", "1 photo", "2,400 photos"]


def test_scores_that_are_not_known_are_not_shown() -> None:
    assert score_rows(Result(seconds=9.0)) == []
    rows = score_rows(Result(ncc_start=0.89, ncc=0.95, psnr_before=26.0, psnr_after=29.5, seconds=61.0))
    assert [value for _, value, _ in rows] == ["0.890 → 0.950", "26.0 → 29.5 dB", "1 min"]
