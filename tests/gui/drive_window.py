"""Drives a real window as a person would, in a process of its own; exit code 0 where all went well.

    python drive_window.py end|close|drag CLEAN DEGRADED OUTPUT

`end` drops two folders, presses Start, waits, looks at a restored photo, exports, closes; `close` closes during step 1.
`drag` says where the two zones are on the screen, waits for somebody to drag a folder onto each, and says what arrived.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel
from qasync import QEventLoop

from ddm_gui.gui.app import application, until_closed
from ddm_gui.gui.dialogs import CloseDialog, SavingDialog, TroubleDialog
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.photos.folders import DropZone
from ddm_gui.gui.photos.sources import Role
from ddm_gui.gui.state import CardState, Phase, shown

LIMIT = 240.0  # s, for the whole drive
TINY = {
    "images_flow": 128,
    "candidates": 0,
    "images_phase": 64,
    "images_kernel": 128,
    "batch_size": 16,
    "width": 8,
    "blocks": 1,
    "kernel_size": 7,
}


async def until(what: str, condition: Callable[[], object]) -> None:
    """Waits for a condition; says which one never came."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > LIMIT:
            raise TimeoutError(what)
        for dialog in QApplication.topLevelWidgets():
            if isinstance(dialog, TroubleDialog) and dialog.isVisible():
                words = " ".join(label.text() for label in dialog.findChildren(QLabel))
                raise RuntimeError(f"while waiting for {what}: {words}")
        await asyncio.sleep(0.02)


def drop(zone: DropZone, folder: Path) -> None:
    """What Qt sends when a folder is dragged over a widget and let go."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(zone, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(zone, QDropEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, buttons, keys))


def click(button: QAbstractButton) -> None:
    """A press and a release of the mouse on a button that can be pressed."""
    assert button.isEnabled(), button.text()
    assert button.isVisible(), button.text()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


async def begin(clean: Path, degraded: Path, settings: dict[str, int]) -> MainWindow:
    """Drops both folders, makes the settings small, presses Start."""
    await until("the window", lambda: any(isinstance(w, MainWindow) for w in QApplication.topLevelWidgets()))
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
    drop(window.folders.zones[Role.CLEAN], clean)
    drop(window.folders.zones[Role.DEGRADED], degraded)
    click(window.settings_form.more_button)
    for name, value in settings.items():
        window.settings_form.rows[name].main.setValue(value)
    assert all(getattr(window.controller.settings, name) == value for name, value in settings.items())
    await until("start", window.run_bar.start_button.isEnabled)
    click(window.run_bar.start_button)
    await until("the run to begin", lambda: window.controller.situation.phase is Phase.RUNNING)
    return window


async def drive_to_the_end(clean: Path, degraded: Path, output: Path) -> None:
    """The whole way."""
    window = await begin(clean, degraded, TINY)
    control = window.controller
    await until("the run to end", lambda: control.situation.phase is Phase.IDLE)
    now = shown(control.situation)
    assert (now.flow, now.kernels) == (CardState.DONE, CardState.DONE), now
    await until("a restored photo", lambda: window.compare.canvas.has_after)
    click(window.run_bar.export_button)
    dialog = window.export_dialog
    assert dialog is not None
    dialog.form.folder_edit.setText(str(output))
    await until("the plan of the export", dialog.export_button.isEnabled)
    click(dialog.export_button)
    await until("the export to end", lambda: dialog.open_button.isVisible())
    click(dialog.close_button)
    await asyncio.sleep(0.1)
    window.close()


async def drive_to_a_close(clean: Path, degraded: Path, output: Path) -> None:
    """Closes the window during step 1."""
    window = await begin(clean, degraded, TINY | {"images_flow": 1_000_000})
    await until("step 1", lambda: window.plots.loss.plot.isVisible())
    window.close()
    question = window.findChild(CloseDialog)
    assert question is not None
    await asyncio.sleep(0.1)
    click(question.stop_button)
    assert window.findChild(SavingDialog) is not None


async def wait_for_drags(clean: Path, degraded: Path, output: Path) -> None:
    """Prints the middle of each zone as JSON, then the source and the number of photos of each set."""
    await until("the window", lambda: any(isinstance(w, MainWindow) for w in QApplication.topLevelWidgets()))
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
    window.setGeometry(0, 0, 1280, 700)  # the source of the drags lies beside it
    await asyncio.sleep(0.5)
    middles = [zone.mapToGlobal(zone.rect().center()) for zone in window.folders.zones.values()]
    print(json.dumps([[point.x(), point.y()] for point in middles]), flush=True)
    control = window.controller
    await until("two folders", lambda: all(control.sets[role].photos for role in Role))
    sets = {role.value: control.sets[role] for role in Role}
    print(json.dumps({name: [str(found.sources[0]), len(found.photos)] for name, found in sets.items()}), flush=True)
    window.close()


DRIVES = {"end": drive_to_the_end, "close": drive_to_a_close, "drag": wait_for_drags}


async def main(name: str, clean: Path, degraded: Path, output: Path) -> int:
    """The program's own coroutine, and the person beside it."""
    program = asyncio.ensure_future(until_closed(None))
    await DRIVES[name](clean, degraded, output)
    return await program


if __name__ == "__main__":
    faulthandler.dump_traceback_later(LIMIT + 30, exit=True)
    application()
    with asyncio.Runner(loop_factory=QEventLoop) as runner:
        code = runner.run(main(sys.argv[1], *map(Path, sys.argv[2:5])))
    sys.exit(code)
