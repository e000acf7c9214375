"""The live curves."""

from __future__ import annotations

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from ddm_gui.engine.events import FlowProgress, KernelProgress
from ddm_gui.gui.curves import MOST_POINTS
from ddm_gui.gui.learning.training_plots import TrainingPlots


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


@pytest.mark.parametrize(("low", "high"), [(1.547, 1.574), (0.002, 0.0025), (0.1, 0.9)])
def test_a_logarithmic_axis_of_less_than_a_decade_has_numbers(qtbot: QtBot, low: float, high: float) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    plots.resize(338, 380)
    plots.show()
    plots.loss.log_button.click()
    for seen, loss in ((64, high), (128, low)):
        plots.show_flow(FlowProgress(seen, 1000, loss, 0.1, 5.0))
    axis = plots.loss.plot.getAxis("left")
    levels = axis.tickValues(np.log10(low), np.log10(high), 120)
    texts = [text for spacing, values in levels for text in axis.tickStrings(values, 1.0, spacing)]
    assert len(texts) >= 2
    assert len(set(texts)) == len(texts)
    assert all(low <= float(text) <= high for text in texts)


def test_a_logarithmic_axis_of_decades_has_its_powers(qtbot: QtBot) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    plots.loss.log_button.click()
    axis = plots.loss.plot.getAxis("left")
    texts = [t for spacing, values in axis.tickValues(-4.5, 0.5, 120) for t in axis.tickStrings(values, 1.0, spacing)]
    assert {"0.0001", "0.001", "0.01", "0.1", "1"} <= set(texts)


def test_the_axis_across_names_its_unit(qtbot: QtBot) -> None:
    plots = TrainingPlots()
    qtbot.addWidget(plots)
    for panel in (plots.loss, plots.ikl):
        assert panel.plot.getAxis("bottom").labelText == "patches"
