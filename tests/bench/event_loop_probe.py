"""How long the window's event loop is held up while a run or a restoration computes: p99 and worst, beside idle.

    python tests/bench/event_loop_probe.py [--seconds 20]
    python tests/bench/event_loop_probe.py --restoring [--megapixels 12] [--denoiser FILE ...] [--seconds 20]

A real window with the real engine. A timer of 10 ms notes by how much it is late, and for how long of that the window's
own thread was at work: `own` is a fault of the window, the rest is waiting for a core or for Python's lock. First with
nothing to do; then during step 1 and step 2 of the demo's photos, or, with `--restoring`, while a made-up photo is
opened, moved about, and restored by each restorer, and during the shoot-out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Ticks:
    """Of a precise timer of 10 ms, tick by tick: by how many milliseconds it came late, and for how many the window's
    thread was at work since the one before."""

    late: np.ndarray
    own: np.ndarray


async def ticks(seconds: float, ended: Callable[[], bool] = lambda: False) -> Ticks:
    """So many seconds of it, or until something has ended."""
    from PySide6.QtCore import Qt, QTimer

    late: list[float] = []
    own: list[float] = []
    last, worked = time.perf_counter(), time.thread_time()

    def tick() -> None:
        nonlocal last, worked
        now, work = time.perf_counter(), time.thread_time()
        late.append(1000 * max(now - last - INTERVAL, 0.0))
        own.append(1000 * (work - worked))
        last, worked = now, work

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(round(1000 * INTERVAL))
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and not ended():
        await asyncio.sleep(0.1)
    timer.stop()
    return Ticks(np.array(late[1:]), np.array(own[1:]))


def report(name: str, seen: Ticks, idle: Ticks) -> None:
    """One line: milliseconds from tick to tick, their ratio to idle, and those of the window's own work."""
    tick = 1000 * INTERVAL
    median, p99, worst = (tick + value for value in (*np.percentile(seen.late, (50, 99)), seen.late.max()))
    p99_idle, worst_idle = (tick + value for value in (np.percentile(idle.late, 99), idle.late.max()))
    print(
        f"{name:24} median {median:6.1f} p99 {p99:6.1f} worst {worst:6.1f} ms ({p99 / p99_idle:.1f} and "
        f"{worst / worst_idle:.1f} times idle), own p99 {np.percentile(seen.own, 99):6.1f} worst {seen.own.max():6.1f} "
        f"ms ({len(seen.late)} ticks)",
        flush=True,
    )


async def probe(seconds: float, folder: Path) -> None:
    """Idle, step 1, step 2."""
    from ddm_gui.engine.events import Stage
    from ddm_gui.engine.simulate.demo import build
    from ddm_gui.gui.main_window import MainWindow
    from ddm_gui.gui.photos.sources import Role
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
    idle = await ticks(seconds)
    report("idle", idle, idle)
    window.run_bar.start_button.click()
    await until("step 1", lambda: control.situation.active is Stage.FLOW)
    await asyncio.sleep(1.0)
    report("step 1", await ticks(seconds, lambda: control.situation.active is not Stage.FLOW), idle)
    await until("step 2", lambda: control.situation.active is Stage.KERNELS)
    await asyncio.sleep(1.0)
    report("step 2", await ticks(seconds, lambda: control.situation.phase is Phase.IDLE), idle)
    window.stop_and_close()
    await closed.wait()


async def probe_restoring(seconds: float, folder: Path, megapixels: float, denoisers: list[Path]) -> None:
    """Idle; a photo is opened, moved about, restored by each restorer; the shoot-out."""
    from PIL import Image
    from PySide6.QtCore import QPointF

    from ddm_gui.engine.blur.psf import PsfGrid
    from ddm_gui.engine.restore.dpir import Dpir
    from ddm_gui.engine.restore.recipe import Recipe
    from ddm_gui.engine.restore.tv import TotalVariation
    from ddm_gui.engine.restore.wiener import Wiener
    from ddm_gui.engine.simulate.leaves import dead_leaves
    from ddm_gui.engine.simulate.optics import Lens
    from ddm_gui.gui.main_window import MainWindow
    from ddm_gui.gui.photos.sources import Role

    height = int((megapixels * 1e6 / 1.5) ** 0.5)
    leaves = (255 * (0.05 + 0.8 * dead_leaves(1000, 1000, np.random.default_rng(0)))).astype(np.uint8)
    tiled = np.tile(leaves, (height // 1000 + 1, height * 3 // 2000 + 1, 1))[:height, : height * 3 // 2]
    (folder / "photos").mkdir()
    Image.fromarray(tiled).save(folder / "photos" / "a.jpg", quality=92)
    kernels = Lens(coma=0.3, lateral=1.0, angle=0.4, softness=0.8).kernels(25)
    PsfGrid(np.broadcast_to(kernels, (4, 4, *kernels.shape)).astype(np.float32), 0.01).save(folder / "psf.safetensors")
    window = MainWindow()
    window.resize(1600, 1000)
    window.show()
    closed = asyncio.Event()
    window.closed.connect(closed.set)
    control, canvas, previews = window.controller, window.compare.canvas, window.controller.previews
    found = asyncio.Event()
    control.devices_found.connect(found.set)
    await found.wait()
    await asyncio.sleep(2.0)
    idle = await ticks(seconds)
    report("idle", idle, idle)
    control.set_sources(Role.DEGRADED, [folder / "photos"])
    report("opening a photo", await ticks(300.0, lambda: previews.before is not None), idle)

    async def moved(name: str) -> None:
        """Zoomed and dragged about, as by a person's hand, for the time of one measurement."""
        measured = asyncio.ensure_future(ticks(seconds))
        for step in range(10**6):
            if measured.done():
                break
            middle = QPointF(canvas.width() / 2, canvas.height() / 2)
            canvas.zoom_to(2.0 ** (step % 40 / 10 - 3), middle)
            await asyncio.sleep(0.03)
        report(name, await measured, idle)

    await moved("moving about")
    canvas.fit()
    control.set_recipe(Recipe(Wiener()))
    control.lenses.open(folder / "psf.safetensors")
    report("Wiener, the whole photo", await ticks(600.0, lambda: window.compare._whole is not None), idle)
    window.compare.evidence_button.setChecked(True)
    await moved("moving about, evidence")
    canvas.fit()
    strengths = asyncio.ensure_future(ticks(seconds))
    for step in range(10**6):
        if strengths.done():
            break
        control.set_recipe(Recipe(Wiener(), 10.0 + step % 90))
        await asyncio.sleep(0.05)
    report("strengths", await strengths, idle)
    restorers = [TotalVariation(), *(Dpir(denoiser=str(file)) for file in denoisers)]
    for restorer in restorers:
        name = Path(getattr(restorer, "denoiser", "")).stem
        canvas.fit()
        control.set_recipe(Recipe(restorer))
        report(f"{restorer.name} {name}".strip()[:18] + " whole", await ticks(seconds), idle)
        canvas.one_to_one()
        report(f"{restorer.name} {name}".strip()[:18] + " part", await ticks(seconds), idle)
        await moved(f"{restorer.name} {name}".strip()[:18] + " moved")
    previews.give_up()
    canvas.one_to_one()
    window.recipe_form.shoot_out_button.click()
    await asyncio.sleep(1.0)
    report("shoot-out", await ticks(3 * seconds), idle)
    if window.shoot_out is not None:
        window.shoot_out.close()
    window.stop_and_close()
    await closed.wait()


def main() -> int:
    """Runs the probe in folders of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--restoring", action="store_true", help="measure while photos are restored, not learned from")
    parser.add_argument("--megapixels", type=float, default=12.0, help="of the photo that is restored")
    parser.add_argument("--denoiser", type=Path, nargs="+", default=[], metavar="FILE", help="for plug and play")
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
            if arguments.restoring:
                denoisers = [path.absolute() for path in arguments.denoiser]
                runner.run(probe_restoring(arguments.seconds, Path(folder), arguments.megapixels, denoisers))
            else:
                runner.run(probe(arguments.seconds, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
