"""The shoot-out in the real window: a set whose truth is known, real restorers, and the winner in the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.photos.photo import Photo, read, write
from ddm_gui.engine.project import Project
from ddm_gui.engine.restore.dpir import Dpir
from ddm_gui.engine.restore.recipe import Recipe, restore_photo
from ddm_gui.engine.restore.tv import TotalVariation
from ddm_gui.engine.restore.wiener import Wiener
from ddm_gui.engine.scores import photo_psnr
from ddm_gui.engine.settings import Settings
from ddm_gui.engine.simulate.camera import degrade
from ddm_gui.engine.simulate.known_set import KnownSet
from ddm_gui.engine.simulate.leaves import dead_leaves
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.restoring.shoot_out import ShootOut

from ..conftest import a_kernel

PSF = PsfGrid(a_kernel(), 0.02)


@pytest.fixture
def project(tmp_path: Path, clean_folder: Path) -> Project:
    """Two photos of a known set, and a project that knows their kernel."""
    known, rng = KnownSet(tmp_path / "set"), np.random.default_rng(0)
    for folder in (known.degraded, known.sharp):
        folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        sharp = Photo(dead_leaves(96, 128, rng), 8)
        write(sharp, known.sharp / name)
        write(Photo(degrade(sharp.pixels, PSF.kernels[0, 0], 0.02, rng), 8), known.degraded / name)
    PSF.save(known.truth)
    made = Project(tmp_path / "project", (clean_folder,), (known.degraded,), Settings())
    made.save()
    PSF.save(made.psf)
    return made


@pytest.fixture
def shoot_out(window: MainWindow, qtbot: QtBot, project: Project) -> Iterator[ShootOut]:
    """An open shoot-out that has ended."""
    window.open_project(project.root)
    button = window.recipe_form.shoot_out_button
    qtbot.waitUntil(lambda: window.compare.canvas.has_after and button.isEnabled(), timeout=20_000)
    button.click()
    dialog = window.shoot_out
    assert dialog is not None
    finished(qtbot, dialog)
    yield dialog
    if window.shoot_out is not None:
        dialog.accept()


def finished(qtbot: QtBot, dialog: ShootOut) -> None:
    qtbot.waitUntil(lambda: not dialog.stop_button.isEnabled(), timeout=60_000)


def test_every_restorer_has_its_picture_time_residual_and_psnr_or_a_sentence(shoot_out: ShootOut) -> None:
    cells = shoot_out.cells
    assert list(cells) == [Wiener(), TotalVariation(), Dpir()]
    known = KnownSet(next(iter(Path(shoot_out.parent().controller.sets["degraded"].sources[0]).parents)))
    degraded, sharp = read(known.degraded / "a.png"), read(known.sharp / "a.png")
    psnr = photo_psnr(restore_photo(degraded, PSF).pixels, sharp.pixels, 0)
    assert f"{psnr:.2f} dB" in cells[Wiener()].text
    for restorer in (Wiener(), TotalVariation()):
        assert " s · " in cells[restorer].text
        assert "× noise" in cells[restorer].text
        assert cells[restorer].canvas.seen.isValid()
    assert "needs a denoiser" in cells[Dpir()].canvas._words
    assert not cells[Dpir()].use_button.isEnabled()
    assert shoot_out._sharp.isVisible()


def test_zoom_and_pan_are_in_step(shoot_out: ShootOut) -> None:
    first, second = shoot_out.cells[Wiener()].canvas, shoot_out.cells[TotalVariation()].canvas
    first.zoom_to(3.0, QPointF(10, 20))
    assert second.zoom == first.zoom == 3.0
    assert second.centre == first.centre
    assert shoot_out._before.canvas.centre == shoot_out._sharp.canvas.centre == first.centre
    second.fit()
    assert first.fitting


def test_the_one_that_is_used_becomes_the_recipe_of_the_project(
    shoot_out: ShootOut, window: MainWindow, qtbot: QtBot, project: Project
) -> None:
    cells = shoot_out.cells
    assert cells[Wiener()].use_button.text() == "In use"
    cells[TotalVariation()].use_button.click()
    assert window.controller.recipe.restorer == TotalVariation()
    assert window.recipe_form.restorer_box.currentData() == "tv"
    assert cells[TotalVariation()].use_button.text() == "In use"
    assert cells[Wiener()].use_button.isEnabled()
    qtbot.waitUntil(lambda: Project.open(project.root).recipe.get("restorer") == "tv", timeout=10_000)


def test_another_denoiser_is_tried_alone_and_one_that_is_left_out_is_gone(
    shoot_out: ShootOut, qtbot: QtBot, tmp_path: Path
) -> None:
    before = shoot_out.cells[Wiener()].text
    shoot_out.add_denoiser(str(tmp_path / "missing.pth"))
    finished(qtbot, shoot_out)
    added = Dpir(denoiser=str(tmp_path / "missing.pth"))
    assert "There are no weights" in shoot_out.cells[added].canvas._words
    assert shoot_out.cells[Wiener()].text == before
    shoot_out._boxes[Dpir()].setChecked(False)
    finished(qtbot, shoot_out)
    assert Dpir() not in shoot_out.cells
    assert not shoot_out._cells[Dpir()].isVisible()


def test_it_stops_when_it_is_closed_and_the_photo_in_view_goes_on(
    window: MainWindow, qtbot: QtBot, project: Project
) -> None:
    window.open_project(project.root)
    button = window.recipe_form.shoot_out_button
    qtbot.waitUntil(lambda: window.compare.canvas.has_after and button.isEnabled(), timeout=20_000)
    window.controller.set_recipe(Recipe(TotalVariation(turns=200)))
    button.click()
    dialog = window.shoot_out
    assert dialog is not None
    assert window.controller.previews._held
    dialog.accept()
    assert window.shoot_out is None
    assert not window.controller.previews._held
    qtbot.waitUntil(lambda: window.compare.line.text.startswith("Total variation"), timeout=60_000)
