"""A denoiser in the window: from the menu to a file, its loss live, stopped, gone on with, and told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from ddm_gui.engine.denoiser_settings import DenoiserSettings
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    DenoiserMeasures,
    DenoiserResult,
    DenoiserTried,
    Event,
    FlowProgress,
    Stage,
    StageStarted,
)
from ddm_gui.engine.restore.denoiser_files import DenoiserAbout, KeptDenoiser
from ddm_gui.gui import controller as controller_module
from ddm_gui.gui import runs
from ddm_gui.gui.dialogs import TroubleDialog
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.restoring.denoiser_dialog import DenoiserDialog
from ddm_gui.gui.state import Phase

from ..conftest import drop, save_photos, slowly

BETTER = DenoiserMeasures(8.0, 10.0, 12.0, psnr_blurred=22.0, psnr_wiener=25.0, psnr_dpir=26.5, parts=8)


class SmallLearning:
    """A run that learns a denoiser in a few events: resumable, as the engine's."""

    def __init__(self, updates: int) -> None:
        self.updates, self.position, self.wanted = updates, 0, []  # type: ignore[var-annotated]

    def __call__(self, *wanted: object) -> SmallLearning:
        """As the class that it stands for is called."""
        self.wanted.append(wanted)
        return _Pulled(self)  # type: ignore[return-value]


class _Pulled:
    def __init__(self, learning: SmallLearning) -> None:
        self.learning = learning

    def __call__(self) -> Iterator[Event]:
        learning = self.learning
        yield StageStarted(Stage.DENOISER, learning.position, learning.updates)
        while learning.position < learning.updates:
            slowly()
            learning.position += 1
            yield FlowProgress(learning.position, learning.updates, 1.0 / learning.position, 0.5, 10.0, Stage.DENOISER)
        yield DenoiserTried(1, 1, 25.0, 26.5)
        result = DenoiserResult(**asdict(BETTER), path="mine.safetensors")
        yield result
        return result


def texts(dialog: DenoiserDialog) -> str:
    return " ".join(label.text() for label in dialog.findChildren(QLabel) if label.isVisible())


def opened(window: MainWindow, qtbot: QtBot, clean: Path) -> DenoiserDialog:
    """With clean photos alone: a denoiser needs no others."""
    assert not window.denoiser_action.isEnabled()
    assert drop(window.folders.zones[Role.CLEAN], clean)
    qtbot.waitUntil(window.denoiser_action.isEnabled, timeout=10_000)
    window.denoiser_action.trigger()
    assert window.denoiser_dialog.isVisible()
    return window.denoiser_dialog


def test_it_is_learned_stopped_and_gone_on_with(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, monkeypatch: pytest.MonkeyPatch, own_denoisers: Path
) -> None:
    learning = SmallLearning(100_000)
    monkeypatch.setattr(controller_module, "LearnDenoiser", learning)
    dialog = opened(window, qtbot, clean_folder)
    assert dialog.name_edit.text() == "clean"
    dialog.name_edit.setText("mine")
    dialog.minutes_box.setValue(7)
    dialog.learn_button.click()
    ((sources, target, settings),) = learning.wanted
    assert sources == (clean_folder,)
    assert target == own_denoisers / "mine.safetensors"
    assert settings == DenoiserSettings(minutes=7.0)
    qtbot.waitUntil(lambda: len(dialog._curve._x) > 3, timeout=10_000)
    assert dialog.loss.plot.isVisible()
    assert not dialog.learn_button.isEnabled()
    assert not dialog.name_edit.isEnabled()
    assert not window.run_bar.start_button.isEnabled()
    assert window.plots._loss._x == [], "step 1's own curve"
    dialog.stop_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.phase is Phase.IDLE, timeout=10_000)
    assert "Stopped" in texts(dialog)
    learning.updates = learning.position + 3
    dialog.learn_button.click()
    qtbot.waitUntil(lambda: "Done" in texts(dialog), timeout=10_000)
    assert "10.0 dB" in texts(dialog)
    assert "1.5 dB above a Wiener filter" in texts(dialog)
    assert dialog._curve._x == sorted(set(dialog._curve._x)), "the curve went on"
    dialog.close()


def test_the_window_pauses_and_goes_on_while_the_dialog_is_away(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = SmallLearning(100_000)
    monkeypatch.setattr(controller_module, "LearnDenoiser", learning)
    dialog = opened(window, qtbot, clean_folder)
    dialog.learn_button.click()
    qtbot.waitUntil(lambda: learning.position > 3, timeout=10_000)
    dialog.close()
    window.run_bar.pause_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.phase is Phase.PAUSED, timeout=10_000)
    assert window.run_bar.start_button.text() == "Continue"
    learning.updates = learning.position + 3
    window.run_bar.start_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.phase is Phase.IDLE, timeout=10_000)
    window.denoiser_action.trigger()
    assert "Done" in texts(dialog)
    dialog.close()


def test_a_run_that_cannot_be_done_is_told(
    window: MainWindow, qtbot: QtBot, clean_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> Iterator[Event]:
        yield StageStarted(Stage.DENOISER, 0, 8)
        raise UserError("The disk is full.", "", "Make room.")

    monkeypatch.setattr(controller_module, "LearnDenoiser", lambda *_: run)
    dialog = opened(window, qtbot, clean_folder)
    dialog.name_edit.setText("a/b")
    dialog.learn_button.click()
    assert window.findChildren(TroubleDialog), "a name that is no file"
    assert dialog.learn_button.isEnabled()
    dialog.name_edit.setText("")
    assert not dialog.learn_button.isEnabled()
    dialog.name_edit.setText("mine")
    dialog.learn_button.click()
    qtbot.waitUntil(lambda: "Ended by an error" in texts(dialog), timeout=10_000)
    assert dialog.learn_button.isEnabled()
    for trouble in window.findChildren(TroubleDialog):
        trouble.done(0)
    dialog.close()


def test_those_that_are_kept_are_named_and_the_default_among_them(qtbot: QtBot) -> None:
    dialog = DenoiserDialog()
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.show_kept([], None)
    assert "Learned so far" not in texts(dialog)
    about = DenoiserAbout(3, DenoiserSettings(), (), {}, "2026-01-01T00:00:00", BETTER)
    kept = [KeptDenoiser(Path(f"/d/{name}.safetensors"), about) for name in ("new", "old")]
    dialog.show_kept(kept, kept[1])
    assert "Learned so far: new, old. The newest that is better than a Wiener filter: “old”." in texts(dialog)
    worse = DenoiserResult(**asdict(replace(BETTER, psnr_dpir=24.0)), path="x")
    dialog.show_end(worse, stopped=False)
    assert "1.0 dB below a Wiener filter" in texts(dialog)


def test_the_real_run_in_the_window(
    window: MainWindow, qtbot: QtBot, own_folders: Path, own_denoisers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine itself, on a few patches, in the worker's thread."""
    tiny = DenoiserSettings(images=32, patch_size=16, width=8, blocks=1, batch_size=8, device="cpu")
    monkeypatch.setattr(
        controller_module, "LearnDenoiser", lambda clean, target, _: runs.LearnDenoiser(clean, target, tiny)
    )
    clean = save_photos(own_folders / "sharp", 3, size=160, seed=1)
    dialog = opened(window, qtbot, clean)
    dialog.learn_button.click()
    qtbot.waitUntil(lambda: window.controller.situation.phase is Phase.IDLE, timeout=120_000)
    assert "Done" in texts(dialog)
    assert (own_denoisers / "sharp.safetensors").is_file()
    dialog.close()
