"""Which set dropped folders are for, and what they hold."""

from __future__ import annotations

from pathlib import Path

from ddm_gui.gui.photos.sources import Role, assigned, look_through


def folders(root: Path, *names: str) -> list[Path]:
    made = [root / name for name in names]
    for folder in made:
        folder.mkdir()
    return made


def test_two_folders_in_their_order(tmp_path: Path) -> None:
    first, second = folders(tmp_path, "a", "b")
    assert assigned([first, second], Role.DEGRADED) == {Role.CLEAN: (first,), Role.DEGRADED: (second,)}


def test_two_folders_by_their_names(tmp_path: Path) -> None:
    blurred, clean = folders(tmp_path, "my blurred ones", "clean")
    assert assigned([blurred, clean], None) == {Role.CLEAN: (clean,), Role.DEGRADED: (blurred,)}


def test_one_folder_goes_where_it_was_dropped(tmp_path: Path) -> None:
    (folder,) = folders(tmp_path, "clean")
    assert assigned([folder], Role.DEGRADED) == {Role.DEGRADED: (folder,)}
    assert assigned([folder], None) == {}


def test_files_go_where_they_were_dropped(clean_folder: Path) -> None:
    files = sorted(clean_folder.iterdir())
    assert assigned(files[:2], Role.CLEAN) == {Role.CLEAN: tuple(files[:2])}


def test_a_folder_that_is_gone_is_a_problem_not_an_error(tmp_path: Path) -> None:
    found = look_through((tmp_path / "gone",))
    assert found.photos == ()
    assert "does not exist" in found.problems[0].reason


def test_nothing_holds_nothing() -> None:
    assert look_through(()).problems == ()
