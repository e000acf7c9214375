"""How long the window's event loop is held up while a run computes: p99 and worst, as a ratio to idle.

    python tests/bench/event_loop_probe.py [--seconds 20]

A real window learns the demo's photos with the real engine in its worker thread. A timer of 10 ms notes by how much it
is late, first with nothing to do, then during step 1, then during step 2.
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

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
INTERVAL = 0.010  # s
FEW = 4096  # patches of step 1: as large a network as ever, for less time


async def until(what: str, condition: Callable[[], object], limit: float = 1800.0) -> None:
    """Waits for a condition."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > limit:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)


async def delays(seconds: float, ended: Callable[[], bool] = lambda: False) -> np.ndarray:
    """By how many milliseconds each tick of a precise timer of 10 ms came late."""
    from PySide6.QtCore import Qt, QTimer

    late: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        late.append(1000 * max(now - last - INTERVAL, 0.0))
        last = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(round(1000 * INTERVAL))
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and not ended():
        await asyncio.sleep(0.1)
    timer.stop()
    return np.array(late[1:])


def report(name: str, late: np.ndarray, idle: np.ndarray) -> None:
    """One line: milliseconds from tick to tick, and their ratio to idle."""
    tick = 1000 * INTERVAL
    p99, worst = (tick + value for value in (np.percentile(late, 99), late.max()))
    p99_idle, worst_idle = (tick + value for value in (np.percentile(idle, 99), idle.max()))
    ratios = f"{p99 / p99_idle:.1f} and {worst / worst_idle:.1f} times idle"
    print(f"{name:8} p99 {p99:6.1f} ms, worst {worst:6.1f} ms ({ratios}; {len(late)} ticks)", flush=True)


async def probe(seconds: float, folder: Path) -> None:
    """Idle, step 1, step 2."""
    from ddm_gui.engine.events import Stage
    from ddm_gui.engine.simulate.demo import build
    from ddm_gui.gui.main_window import MainWindow
    from ddm_gui.gui.sources import Role
    from ddm_gui.gui.state import Phase

    photos = build(folder / "demo")
    window = MainWindow()
    window.show()
    closed = asyncio.Event()
    window.closed.connect(closed.set)
    control = window.controller
    control.set_sources(Role.CLEAN, [photos.clean])
    control.set_sources(Role.DEGRADED, [photos.degraded])
    control.set_settings(control.settings.with_changes({"images_flow": FEW, "images_kernel": 10 * FEW}))
    await until("the devices", window.run_bar.start_button.isEnabled)
    await asyncio.sleep(2.0)
    idle = await delays(seconds)
    report("idle", idle, idle)
    window.run_bar.start_button.click()
    await until("step 1", lambda: control.situation.active is Stage.FLOW)
    await asyncio.sleep(1.0)
    report("step 1", await delays(seconds, lambda: control.situation.active is not Stage.FLOW), idle)
    await until("step 2", lambda: control.situation.active is Stage.KERNELS)
    await asyncio.sleep(1.0)
    report("step 2", await delays(seconds, lambda: control.situation.phase is Phase.IDLE), idle)
    window.stop_and_close()
    await closed.wait()


def main() -> int:
    """Runs the probe in folders of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
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
            runner.run(probe(arguments.seconds, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
