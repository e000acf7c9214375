"""The program around the window: Qt, colours, what happens to bugs, and the event loop."""

from __future__ import annotations

import asyncio
import locale
import signal
import sys
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication
from qasync import QEventLoop

from ddm_gui.gui.dialogs import TroubleDialog
from ddm_gui.gui.log import write_bug
from ddm_gui.gui.main_window import MainWindow
from ddm_gui.gui.theme import app_icon, follow_system

SIGNALS_EVERY = 200  # ms: Python sees Ctrl-C only when Qt lets it run


class Bugs(QObject):
    """Takes what nobody caught: to the log, and to a dialog that says where the log is."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._told = False

    def hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """For sys.excepthook."""
        if not isinstance(error, Exception):
            sys.__excepthook__(kind, error, trace)
            return
        self.take(error)

    def loop_hook(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """For the event loop."""
        error = context.get("exception")
        if isinstance(error, Exception):
            self.take(error)
        else:
            loop.default_exception_handler(context)

    def take(self, error: Exception) -> None:
        """One dialog at a time: a bug in what is painted would open hundreds."""
        log = write_bug(error)
        if self._told:
            return
        self._told = True
        dialog = TroubleDialog(
            "Something went wrong inside the program.",
            f"{type(error).__name__}: {error}",
            "You can go on. If it happens again, send the log to the people who make the program.",
            log,
            self._window,
        )
        dialog.finished.connect(self._closed)
        dialog.open()

    @Slot()
    def _closed(self) -> None:
        self._told = False


def application() -> QApplication:
    """The QApplication, made once and dressed."""
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    # Qt takes over the system's decimal comma, which has broken C parsers of numbers.
    locale.setlocale(locale.LC_NUMERIC, "C")
    app.setApplicationName("ddm_gui")
    app.setApplicationDisplayName("ddm_gui")
    app.setDesktopFileName("ddm_gui")
    app.setWindowIcon(app_icon())
    app.setQuitOnLastWindowClosed(False)  # the loop ends when the window says that its threads have ended
    follow_system(app)
    return app


def run(project: Path | None = None) -> int:
    """Opens the window, with a project or empty, and returns when it is closed: the program's exit code."""
    application()
    with asyncio.Runner(loop_factory=QEventLoop) as runner:
        return runner.run(until_closed(project))


async def until_closed(project: Path | None) -> int:
    """Opens the window in the running loop, and returns when it is closed."""
    loop = asyncio.get_running_loop()
    window = MainWindow()
    bugs = Bugs(window)
    sys.excepthook = bugs.hook
    loop.set_exception_handler(bugs.loop_hook)
    closed = asyncio.Event()
    window.closed.connect(closed.set)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: window.stop_and_close())
    ticking = QTimer(window)
    ticking.timeout.connect(lambda: None)
    ticking.start(SIGNALS_EVERY)
    window.show()
    if project is not None:
        window.open_project(project)
    await closed.wait()
    ticking.stop()
    sys.excepthook = sys.__excepthook__
    window.deleteLater()
    return 0
