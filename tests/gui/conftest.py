"""What window tests share: no screen needed, nothing written into the person's own folders, small photos."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    CheckpointSaved,
    Event,
    FlowProgress,
    KernelProgress,
    KernelSnapshot,
    PhotoSkipped,
    Result,
    Stage,
    StageDone,
    StageStarted,
)
from ddm_gui.engine.photos.photo import LIMIT
from ddm_gui.gui.learning.devices import Choice
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.state import Phase

if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Documents, logs and settings go to a folder of the test, whose name is not ASCII."""
    home = tmp_path / "zdjęcia Großer 写真"
    home.mkdir()
    for name in ("XDG_DOCUMENTS_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv(LIMIT, "")  # so that what a window sets is taken back
    monkeypatch.delenv(LIMIT)
    # Qt looks at the variable above once, so that one test would find what another has kept.
    QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, str(home))
    return home


def save_photos(folder: Path, count: int, size: int = 64, seed: int = 0) -> Path:
    """A folder of PNG photos of smooth noise, in colour."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        coarse = rng.integers(0, 255, (size // 8, size // 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(folder / f"photo{index}.png")
    return folder


@pytest.fixture
def clean_folder(own_folders: Path) -> Path:
    """Three clean photos."""
    return save_photos(own_folders / "clean", 3, seed=1)


@pytest.fixture
def degraded_folder(own_folders: Path) -> Path:
    """Two degraded photos."""
    return save_photos(own_folders / "degraded", 2, seed=2)


def a_kernel(channels: int = 3, size: int = 9) -> np.ndarray:
    """A Gaussian blur as the engine gives it: 1 x 1 x channels x size x size, read-only."""
    row = np.exp(-((np.arange(size) - size // 2) ** 2) / 4.0)
    kernel = np.outer(row, row) / row.sum() ** 2
    kernels = np.broadcast_to(kernel, (1, 1, channels, size, size)).astype(np.float32)
    kernels.flags.writeable = False
    return kernels


def slowly() -> None:
    """The pace of a real run: some events a second, not thousands."""
    time.sleep(0.005)


class SmallRun:
    """A run of both steps in a few events, made as the engine's runs are: resumable, and saving when closed."""

    def __init__(self, updates: int = 6, wait: Callable[[], object] = lambda: None) -> None:
        self.updates = updates
        self.wait = wait
        self.position = 0
        self.saves: list[int] = []
        self.starts = 0

    def __call__(self) -> Generator[Event, None, PsfGrid]:
        self.starts += 1
        try:
            yield from self._learn()
        except GeneratorExit:
            self.saves.append(self.position)
            raise
        yield Result(seconds=1.0)
        return PsfGrid(a_kernel(), 0.01)

    def _learn(self) -> Iterator[Event]:
        yield StageStarted(Stage.FLOW, self.position, self.updates)
        while self.position < self.updates:
            self.wait()
            self.position += 1
            yield FlowProgress(self.position, self.updates, 1.0 / self.position, 0.5, 10.0)
        yield StageDone(Stage.FLOW, 1.0)
        yield StageStarted(Stage.KERNELS, 0, self.updates)
        yield KernelProgress(1, self.updates, None, None, 0.01, 5.0)
        yield KernelSnapshot(1, a_kernel(), 0.01)
        yield KernelProgress(2, self.updates, 0.02, 0.001, 0.01, 5.0)
        yield KernelSnapshot(2, a_kernel(), 0.01)
        yield CheckpointSaved(Stage.KERNELS, "kernels")
        yield StageDone(Stage.KERNELS, 1.0)


class Step2(SmallRun):
    """A run in step 2 that has shown a kernel and goes on until `last` is set; or fails there."""

    last = False
    fails = False

    def _learn(self) -> Iterator[Event]:
        yield StageStarted(Stage.KERNELS, self.position, 100_000)
        while not self.last:
            self.position += 1
            yield PhotoSkipped("/photos/bad.png", "It is damaged.")
            yield KernelSnapshot(self.position, a_kernel(), 0.01)
            if self.fails:
                raise UserError("The disk is full.")
            time.sleep(0.05)  # a window that is slow to show kernels must keep up


CPU = (Choice("cpu", "Processor (CPU)", True, ""),)


@pytest.fixture
def window(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[MainWindow]:
    """A window that is shown, with its device found without torch."""
    made = MainWindow()
    monkeypatch.setattr(made.controller, "find_devices", lambda: None)
    monkeypatch.setattr(made.controller.estimates, "wish", lambda choices: None)
    made._after_paint.timeout.disconnect()
    made.show()
    qtbot.waitExposed(made)
    made.controller._devices_arrived(CPU)
    yield made
    if made.isVisible():
        made.controller.stop()
        qtbot.waitUntil(lambda: made.controller.situation.phase is Phase.IDLE, timeout=10_000)
        with qtbot.waitSignal(made.closed, timeout=10_000):
            made.close()
    made.deleteLater()


def drop(target: QWidget, *paths: Path) -> bool:
    """A drag over a widget, let go where it is taken; False where it is not."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(5, 5), action, data, button, keys)
    enter.ignore()
    QApplication.sendEvent(target, enter)
    if enter.isAccepted():
        QApplication.sendEvent(target, QDropEvent(QPoint(5, 5), action, data, button, keys))
    return enter.isAccepted()


def with_photos(window: MainWindow, qtbot: QtBot, clean: Path, degraded: Path) -> None:
    assert drop(window.folders.zones[Role.CLEAN], clean)
    assert drop(window.folders.zones[Role.DEGRADED], degraded)
    qtbot.waitUntil(window.run_bar.start_button.isEnabled, timeout=10_000)
