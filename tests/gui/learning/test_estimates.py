"""How long runs would take is timed beside the window, and never beside a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Flag

import pytest
from pytestqt.qtbot import QtBot

from ddm_gui.engine import pipeline
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.presets import PRESETS, with_preset
from ddm_gui.engine.settings import Settings
from ddm_gui.gui import controller as controller_module
from ddm_gui.gui.controller import Controller
from ddm_gui.gui.learning.estimates import Estimates
from ddm_gui.gui.log import log_file
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.state import Phase

from ..conftest import CPU, SmallRun, slowly

ONE, TWO, THREE = (Settings().with_changes({"device": "cpu", "images_flow": 640 * count}) for count in (1, 2, 3))


@pytest.fixture
def estimates(qapp: object) -> Iterator[Estimates]:
    made = Estimates()
    yield made
    made.close()


def timed_by(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[Settings], float]) -> None:
    """In place of the engine's timing."""
    monkeypatch.setattr(pipeline, "estimate", lambda settings, device, paces: seconds(settings))


def told(estimates: Estimates) -> dict[Settings, float]:
    found: dict[Settings, float] = {}
    estimates.estimated.connect(lambda settings, seconds: found.update({settings: seconds}))
    return found


def test_each_of_the_wished_settings_gets_its_time(
    estimates: Estimates, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed_by(monkeypatch, lambda settings: settings.images_flow / 10)
    found = told(estimates)
    estimates.spare(False)
    estimates.wish([ONE, TWO])
    qtbot.waitUntil(lambda: found == {ONE: 64.0, TWO: 128.0}, timeout=20_000)


def test_nothing_is_timed_while_it_spares(estimates: Estimates, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    timed_by(monkeypatch, lambda settings: 1.0)
    found = told(estimates)
    estimates.wish([ONE])
    qtbot.wait(50)
    assert found == {}
    estimates.spare(False)
    qtbot.waitUntil(lambda: ONE in found, timeout=20_000)


def test_nothing_is_timed_after_the_end(estimates: Estimates, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []
    timed_by(monkeypatch, lambda settings: float(asked.append(settings) or 1))
    estimates.close()
    estimates.wish([ONE])
    estimates.spare(False)  # as it is told of devices that are found while the window closes
    qtbot.wait(100)
    assert asked == []


def test_what_a_run_disturbed_is_timed_again_after_it(
    estimates: Estimates, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, asked = Flag(), []

    def seconds(settings: Settings) -> float:
        asked.append(settings)
        go_on.wait(20)
        return float(len(asked))

    timed_by(monkeypatch, seconds)
    found = told(estimates)
    estimates.spare(False)
    estimates.wish([ONE])
    qtbot.waitUntil(lambda: asked == [ONE], timeout=20_000)
    estimates.spare(True)
    go_on.set()
    qtbot.waitUntil(lambda: estimates._timing is None, timeout=20_000)
    assert found == {}
    estimates.spare(False)
    qtbot.waitUntil(lambda: found == {ONE: 2.0}, timeout=20_000)


def test_only_the_newest_wish_counts(estimates: Estimates, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, asked = Flag(), []

    def seconds(settings: Settings) -> float:
        asked.append(settings)
        go_on.wait(20)
        return 1.0

    timed_by(monkeypatch, seconds)
    found = told(estimates)
    estimates.spare(False)
    estimates.wish([ONE, TWO])
    qtbot.waitUntil(lambda: asked == [ONE], timeout=20_000)
    estimates.wish([ONE, THREE])
    go_on.set()
    qtbot.waitUntil(lambda: THREE in found, timeout=20_000)
    assert asked == [ONE, THREE]


@pytest.mark.parametrize(("error", "logged"), [(UserError("It is not here."), False), (MemoryError("too much"), True)])
def test_what_cannot_be_timed_has_no_time_and_the_next_one_has(
    estimates: Estimates, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, error: Exception, logged: bool
) -> None:
    def seconds(settings: Settings) -> float:
        if settings == ONE:
            raise error
        return 1.0

    timed_by(monkeypatch, seconds)
    found = told(estimates)
    estimates.spare(False)
    estimates.wish([ONE, TWO])
    qtbot.waitUntil(lambda: TWO in found, timeout=20_000)
    assert ONE not in found
    assert log_file().is_file() is logged


def test_a_real_network_is_timed(estimates: Estimates, qtbot: QtBot) -> None:
    tiny = {"device": "cpu", "width": 8, "blocks": 1, "patch_size": 16, "batch_size": 8, "images_flow": 800}
    small = Settings().with_changes(tiny)
    longer = small.with_changes({"images_flow": 800_000})
    found = told(estimates)
    estimates.spare(False)
    estimates.wish([small, longer])
    qtbot.waitUntil(lambda: longer in found, timeout=60_000)
    assert 0.0 < found[small] < found[longer]


@pytest.fixture
def controller(qapp: object) -> Iterator[Controller]:
    made = Controller()
    yield made
    made.shut_down()


def test_presets_are_timed_once_the_device_is_known_and_again_for_other_settings(
    controller: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed_by(monkeypatch, lambda settings: float(settings.kernel_size))
    found = told(controller.estimates)
    qtbot.wait(50)
    assert found == {}
    controller._devices_arrived(CPU)
    qtbot.waitUntil(lambda: all(with_preset(Settings(), name) in found for name in PRESETS), timeout=20_000)
    mine = Settings().with_changes({"kernel_size": 31, "images_flow": 640})
    controller.set_settings(mine)
    wanted = [mine, *(with_preset(mine, name) for name in PRESETS)]
    qtbot.waitUntil(lambda: all(found.get(each) == float(each.kernel_size) for each in wanted), timeout=20_000)


def test_beside_a_run_nothing_is_timed(
    controller: Controller, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, clean_folder: Path, degraded_folder: Path
) -> None:
    timed_by(monkeypatch, lambda settings: 1.0)
    run = SmallRun(1_000_000, slowly)
    monkeypatch.setattr(controller_module, "Learn", lambda *_: run)
    for role, folder in ((Role.CLEAN, clean_folder), (Role.DEGRADED, degraded_folder)):
        controller.set_sources(role, [folder])
    qtbot.waitUntil(lambda: bool(controller.situation.clean and controller.situation.degraded), timeout=10_000)
    controller.start()
    qtbot.waitUntil(lambda: run.position > 3, timeout=10_000)
    found = told(controller.estimates)
    controller._devices_arrived(CPU)
    qtbot.wait(50)
    assert found == {}
    controller.stop()
    qtbot.waitUntil(lambda: controller.situation.phase is Phase.IDLE, timeout=10_000)
    qtbot.waitUntil(lambda: Settings() in found, timeout=20_000)


def test_the_form_says_the_times_that_are_measured(window: MainWindow) -> None:
    window.controller.estimates.estimated.emit(Settings(), 480.0)
    assert window.settings_form.preset_box.currentText() == "Quick — about 8 min here"
