"""The live curves."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import FlowProgress, KernelProgress
from ddm_gui.gui.training_plots import MOST_POINTS, TrainingPlots


def test_the_loss_is_drawn_against_patches(qtbot: QtBot) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    for seen in (64, 128, 192):
        plots.show_flow(FlowProgress(seen, 1000, 1.0 / seen, 0.1, 5.0))
    x, y = plots._loss._item.getData()
    assert list(x) == [64, 128, 192]
    assert y[0] == 1.0 / 64
    plots.cut_flow(128)
    assert list(plots._loss._item.getData()[0]) == [64, 128]


def test_the_ikl_has_its_floor_and_waits_for_the_warm_up(qtbot: QtBot) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    plots.show()
    plots.show_kernels(KernelProgress(64, 1000, None, None, 0.01, 5.0))
    assert not plots.ikl.plot.isVisible()
    plots.show_kernels(KernelProgress(128, 1000, 0.02, 0.001, 0.01, 5.0))
    assert plots.ikl.plot.isVisible()
    assert list(plots._floor._item.getData()[1]) == [0.001]
    plots.clear_kernels()
    assert not plots.ikl.plot.isVisible()


def test_logarithmic_scale_shows_powers_of_ten(qtbot: QtBot) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    plots.show_flow(FlowProgress(64, 1000, 0.01, 0.1, 5.0))
    plots.loss.log_button.click()
    assert list(plots._loss._item.getData()[1]) == [-2.0]


def test_a_long_run_is_thinned(qtbot: QtBot) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    for seen in range(MOST_POINTS + 1):
        plots._loss._x.append(seen)
        plots._loss._y.append(0.5)
    plots._loss.add(MOST_POINTS + 1, 0.5)
    assert len(plots._loss._x) <= MOST_POINTS // 2 + 1
