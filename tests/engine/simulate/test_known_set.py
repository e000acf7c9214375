"""The truth beside degraded photos is found where it is theirs, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ddm_gui.engine.simulate.known_set import KnownSet, original_of, truth_beside


@pytest.fixture
def known(tmp_path: Path) -> KnownSet:
    made = KnownSet(tmp_path / "set")
    for folder in (made.clean, made.degraded, made.sharp):
        folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (made.degraded / name).touch()
    made.truth.touch()
    return made


def test_the_truth_lies_beside_the_folder_or_its_photos(known: KnownSet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert truth_beside([known.degraded]) == known.truth
    assert truth_beside([known.degraded / "a.png", known.degraded / "b.png"]) == known.truth
    assert truth_beside([known.degraded, known.degraded / "a.png"]) == known.truth
    assert truth_beside([known.sharp / ".." / "degraded"]) == known.truth
    monkeypatch.chdir(known.degraded)
    assert truth_beside([Path()]) == known.truth


def test_no_truth_where_photos_come_from_several_places(known: KnownSet, tmp_path: Path) -> None:
    (tmp_path / "other" / "degraded").mkdir(parents=True)
    assert truth_beside([known.degraded, tmp_path / "other" / "degraded"]) is None
    assert truth_beside([known.degraded, known.sharp]) is None
    assert truth_beside([]) is None


def test_no_truth_of_other_folders_or_where_there_is_none(known: KnownSet) -> None:
    assert truth_beside([known.sharp]) is None
    known.truth.unlink()
    assert truth_beside([known.degraded]) is None
    assert truth_beside([known.root / "missing"]) is None


def test_the_original_of_a_photo_is_that_of_its_name(known: KnownSet) -> None:
    known.sharp.mkdir(exist_ok=True)
    (known.sharp / "a.png").touch()
    (known.degraded / "a.png").touch()
    assert original_of(known.degraded / "a.png") == known.sharp / "a.png"
    (known.sharp / "a.png").unlink()
    assert original_of(known.degraded / "a.png") is None
    known.truth.unlink()
    (known.sharp / "a.png").touch()
    assert original_of(known.degraded / "a.png") is None


def test_it_needs_neither_torch_nor_qt() -> None:
    code = "import sys, ddm_gui.engine.simulate.known_set; assert not {'torch', 'PySide6'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
