"""Makes resources/screenshot.png: the real window after the demo.

    xvfb-run -a -s "-screen 0 1366x768x24" python tests/bench/screenshot.py

Takes as long as the demo, about three minutes on two processor cores. `--output FILE` writes elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZE = (1366, 740)
LIMIT = 1800.0  # s


async def until(what: str, condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > LIMIT:
            raise TimeoutError(what)
        await asyncio.sleep(0.1)


async def demo(output: Path) -> None:
    """Presses 'Try the demo', waits for its end, and saves a picture of the window."""
    from PySide6.QtCore import QPointF

    from ddm_gui.gui.main_window import MainWindow
    from ddm_gui.gui.state import Phase

    window = MainWindow()
    window.resize(*SIZE)
    window.show()
    closed = asyncio.Event()
    window.closed.connect(closed.set)
    await until("the devices", window.welcome.demo_button.isEnabled)
    window.welcome.demo_button.click()
    await until("the demo's photos", lambda: window.controller.situation.degraded)
    await until("the demo's end", lambda: window.controller.situation.phase is Phase.IDLE)
    canvas, strip = window.compare.canvas, window.compare.filmstrip
    strip.setCurrentRow(0)
    await asyncio.sleep(1.0)
    await until("a restored photo", lambda: canvas.has_after)
    canvas.zoom_to(1.6, QPointF(canvas.width() / 2, canvas.height() * 0.35))
    await asyncio.sleep(2.0)
    window.grab().save(str(output))
    print(f"wrote {output}")
    window.close()
    await closed.wait()


def main() -> int:
    """Makes the picture in folders of its own, so that the person's documents stay as they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "resources" / "screenshot.png")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("HOME", "XDG_DOCUMENTS_DIR", "XDG_CONFIG_HOME"):
            os.environ[name] = folder
        if not os.environ.get("DISPLAY"):
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        from qasync import QEventLoop

        from ddm_gui.gui.app import application

        application()
        with asyncio.Runner(loop_factory=QEventLoop) as runner:
            runner.run(demo(arguments.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
