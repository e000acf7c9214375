"""The photo in view: read and restored beside the window; only the latest wish counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QObject, Slot
from pytestqt.qtbot import QtBot

from ddm_gui.engine.psf import PsfGrid
from ddm_gui.gui.previews import Previews

from ..conftest import write_dng
from .conftest import a_kernel


class Witness(QObject):
    """Keeps what arrives."""

    def __init__(self, previews: Previews) -> None:
        super().__init__()
        self.before: list[Path] = []
        self.after: list[Path] = []
        self.sizes: list[tuple[int, int]] = []
        self.pictures: list[np.ndarray] = []
        self.sensor: list[tuple[int, int]] = []
        self.problems: list[str] = []
        previews.size_known.connect(self.see_size)
        previews.before_ready.connect(self.see_before)
        previews.after_ready.connect(self.see_after)
        previews.failed.connect(self.see_problem)

    @Slot(object, object)
    def see_before(self, path: Path, shown: object) -> None:
        self.before.append(path)
        self.sizes.append((shown.width, shown.height))  # type: ignore[attr-defined]
        self.pictures.append(shown.levels[0])  # type: ignore[attr-defined]

    @Slot(int, int)
    def see_size(self, height: int, width: int) -> None:
        self.sensor.append((height, width))

    @Slot(object, object)
    def see_after(self, path: Path, shown: object) -> None:
        self.after.append(path)
        self.pictures.append(shown.levels[0])  # type: ignore[attr-defined]

    @Slot(object, str)
    def see_problem(self, path: Path, reason: str) -> None:
        self.problems.append(reason)


@pytest.fixture
def previews(qapp: object) -> Iterator[Previews]:
    made = Previews()
    yield made
    made.close()


def a_psf() -> PsfGrid:
    return PsfGrid(a_kernel(), 0.01)


def test_a_photo_is_shown_before_its_restoration(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path = degraded_folder / "photo0.png"
    witness = Witness(previews)
    previews.show(path, None)
    qtbot.waitUntil(lambda: witness.before == [path], timeout=10_000)
    assert witness.after == []
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: witness.after == [path], timeout=10_000)
    assert witness.before == [path]


def test_the_latest_wish_wins(previews: Previews, qtbot: QtBot, clean_folder: Path) -> None:
    paths = sorted(clean_folder.iterdir())
    witness = Witness(previews)
    psf = a_psf()
    for path in paths:
        previews.show(path, psf)
    qtbot.waitUntil(lambda: witness.after == [paths[-1]], timeout=10_000)
    assert witness.before == [paths[-1]]


def test_the_same_kernel_is_not_computed_twice(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path, psf = degraded_folder / "photo0.png", a_psf()
    witness = Witness(previews)
    previews.show(path, psf)
    qtbot.waitUntil(lambda: len(witness.after) == 1, timeout=10_000)
    previews.show(path, psf)
    qtbot.wait(100)
    assert len(witness.after) == 1


def test_while_a_run_computes_restorations_rest(previews: Previews, qtbot: QtBot, degraded_folder: Path) -> None:
    path = degraded_folder / "photo0.png"
    witness = Witness(previews)
    previews.spare(True)
    previews.show(path, a_psf())
    qtbot.waitUntil(lambda: len(witness.after) == 1, timeout=10_000)
    assert previews._resting.isActive() or previews._resting.interval() == 0
    previews.show(path, a_psf())
    previews.spare(False)
    qtbot.waitUntil(lambda: len(witness.after) == 2, timeout=10_000)


def test_a_photo_that_cannot_be_read_is_told(previews: Previews, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no photo")
    witness = Witness(previews)
    previews.show(tmp_path / "broken.png", None)
    qtbot.waitUntil(lambda: len(witness.problems) == 1, timeout=10_000)
    assert "broken.png" in witness.problems[0]


def test_a_kernel_of_linear_light_restores_raw_as_it_is_displayed(
    previews: Previews, qtbot: QtBot, tmp_path: Path, degraded_folder: Path
) -> None:
    path = write_dng(tmp_path / "a.dng", np.full((64, 64), 9000, np.uint16))
    witness = Witness(previews)
    linear = PsfGrid(a_kernel(), 0.01, "linear")
    previews.show(path, linear)
    qtbot.waitUntil(lambda: witness.after == [path], timeout=10_000)
    before, after = (shown.astype(int) for shown in witness.pictures)
    assert np.abs(after - before).max() <= 1  # an even area, as bright as it was
    previews.show(degraded_folder / "photo0.png", linear)
    qtbot.waitUntil(lambda: bool(witness.problems), timeout=10_000)
    assert "linear light" in witness.problems[0]


def test_a_photo_is_turned_upright(previews: Previews, qtbot: QtBot, tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    witness = Witness(previews)
    previews.show(tmp_path / "turned.jpg", None)
    qtbot.waitUntil(lambda: bool(witness.sizes), timeout=10_000)
    assert witness.sizes == [(40, 60)]
    assert witness.sensor == [(40, 60)]  # height and width: kernels lie over it as it is in the file
