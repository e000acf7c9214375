"""The window is there before torch is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ddm_gui

FIRST_PAINT = """
import sys
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication
from ddm_gui.gui.main_window import MainWindow

class Watch(QObject):
    painted = None
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint and Watch.painted is None:
            Watch.painted = "torch" in sys.modules
        return False

app = QApplication([])
watch = Watch()
window = MainWindow()
window.installEventFilter(watch)
window.show()
while Watch.painted is None:
    app.processEvents()
assert Watch.painted is False, "torch was loaded before the first paint"
assert "torch" not in sys.modules
assert not window.controller.situation.device_known
window.closed.connect(app.quit)
window.close()
sys.exit(app.exec())
"""

NO_QT = """
import sys
import ddm_gui.__main__
assert not [name for name in sys.modules if name.startswith(("PySide6", "torch"))]
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, PYTHONPATH=str(Path(ddm_gui.__file__).parents[1]))
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_window_is_painted_before_torch_is_loaded_and_closes_with_exit_code_0() -> None:
    done = python(FIRST_PAINT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_entry_point_imports_neither_qt_nor_torch() -> None:
    done = python(NO_QT)
    assert done.returncode == 0, done.stderr


def test_arguments_go_to_the_command_line() -> None:
    environment = dict(os.environ, PYTHONPATH=str(Path(ddm_gui.__file__).parents[1]))
    done = subprocess.run(
        [sys.executable, "-m", "ddm_gui", "--help"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "learn" in done.stdout
