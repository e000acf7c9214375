"""The menus that ask for files, and the one of the projects of late."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from ddm_gui.engine.project import NAME
from ddm_gui.gui.learning.recent_menu import RecentMenu
from ddm_gui.gui.lens.lens_menu import LensMenu


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.mark.parametrize(
    ("text", "signal", "file"),
    [
        ("&Open a lens…", "open_wanted", "a.safetensors"),
        ("Compare &with…", "compare_wanted", "a.safetensors"),
        ("&Save a copy…", "save_wanted", "copy.safetensors"),
        ("&Export for programs or paper…", "save_wanted", "page.pdf"),
    ],
)
def test_a_line_of_the_lens_menu_asks_for_a_file(
    parent: QWidget, qtbot: QtBot, tmp_path: Path, text: str, signal: str, file: str
) -> None:
    menu = LensMenu(parent)
    menu.show_state(opened=False, has_lens=True)
    menu.show_folder(tmp_path)
    (tmp_path / "a.safetensors").touch()
    asked: list[Path] = []
    getattr(menu, signal).connect(asked.append)
    next(action for action in menu.actions() if action.text() == text).trigger()
    dialog = parent.findChild(QFileDialog)
    assert dialog is not None
    dialog.setDirectory(str(tmp_path))
    dialog.selectFile(str(tmp_path / file))
    dialog.accept()
    qtbot.waitUntil(lambda: asked == [tmp_path / file], timeout=10_000)


def test_what_needs_a_lens_is_off_without_one(parent: QWidget) -> None:
    menu = LensMenu(parent)
    menu.show_state(opened=False, has_lens=False)
    on = [action.text() for action in menu.actions() if action.isEnabled() and action.text()]
    assert on == ["&Open a lens…", "Lens in the &middle"]


def test_projects_of_late_come_newest_first_while_they_exist(parent: QWidget, tmp_path: Path) -> None:
    menu = RecentMenu(parent)
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / NAME).touch()
        menu.remember(tmp_path / name)
    menu.remember(tmp_path / "one")
    menu.remember(tmp_path / "no project")
    (tmp_path / "two" / NAME).unlink()
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()][:2] == [str(tmp_path / "one"), str(tmp_path / "three")]
    chosen: list[Path] = []
    menu.chosen.connect(chosen.append)
    menu.actions()[1].trigger()
    assert chosen == [tmp_path / "three"]
