"""Showing a run: progress bars and sentences, or lines of JSON; and how Ctrl-C ends it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any

from tqdm import tqdm

from ddm_gui.cli.exit_codes import DONE, INTERRUPTED
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import (
    CheckpointSaved,
    DenoiserResult,
    DenoiserTried,
    Estimate,
    Event,
    FlowProgress,
    KernelProgress,
    KernelSnapshot,
    Note,
    PhotoKept,
    PhotoProgress,
    PhotoRestored,
    PhotoSimulated,
    PhotoSkipped,
    PhotoStarted,
    Result,
    Stage,
    StageStarted,
    to_json,
)
from ddm_gui.engine.restore.denoiser_files import folder

STAGE_TITLES = {
    Stage.PRETRAIN: "step 1, clean photos",
    Stage.FLOW: "step 1, photos",
    Stage.KERNELS: "step 2, kernel",
    Stage.RESTORE: "restoring",
    Stage.DENOISER: "clean photos",
}


class Reporter:
    """Pulls a run and prints it: progress bars and sentences, or JSON lines. Reasons of skipped photos come last."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.bar: tqdm[Any] | None = None
        self.skipped: list[PhotoSkipped] = []
        self.remarkable: list[PhotoRestored] = []
        self.kept = 0

    def run(self, events: Generator[Event, None, object], resume: str) -> int:
        """To the end, or until SIGINT or SIGTERM: then the run is closed, which keeps its checkpoint."""
        with Interruption() as interruption:
            try:
                for event in events:
                    self.show(event)
                    if interruption.asked:
                        break
            finally:
                events.close()
                self.close()
        if interruption.asked:
            print(f"Stopped; what was done is kept. To go on: {resume}", file=sys.stderr)
            return INTERRUPTED
        self.name_skipped()
        return DONE

    def name_skipped(self) -> None:
        """How many photos were restored before; those that were left out, and why; those that are there and may not be
        right; and those that were worked on in another way than usual."""
        if self.kept:
            print(f"There already, whole, and left as they are: {self.kept}.", file=sys.stderr)
        for skip in self.skipped:
            print(f"left out: {skip.path}: {skip.reason}", file=sys.stderr)
        for restored in self.remarkable:
            if restored.warning:
                print(f"look at: {restored.target}: {restored.warning}", file=sys.stderr)
            if restored.plan:
                print(f"note: {restored.target}: {restored.plan}", file=sys.stderr)

    def show(self, event: Event) -> None:
        """One event."""
        if isinstance(event, PhotoSkipped):
            self.skipped.append(event)
        if isinstance(event, PhotoRestored) and (event.warning or event.plan):
            self.remarkable.append(event)
        self.kept += isinstance(event, PhotoKept)
        if self.as_json:
            print(json.dumps(to_json(event)), flush=True)
        elif isinstance(event, Note):
            self._say(event.text)
        elif isinstance(event, Estimate):
            self._say(f"This will take about {in_words(event.seconds)} on this machine.")
        elif isinstance(event, StageStarted):
            self._start_bar(STAGE_TITLES[event.stage], event.images_seen, event.images_total)
        elif isinstance(event, FlowProgress):
            self._move_bar(event.images_seen, f"loss {event.loss:.4f}")
        elif isinstance(event, KernelProgress):
            ikl = "finding the shape" if event.ikl is None else f"IKL {event.ikl:.5f}"
            self._move_bar(event.images_seen, f"{ikl}, noise {event.noise_sigma:.4f}")
        elif isinstance(event, PhotoStarted):
            if self.bar is None:
                self._start_bar(STAGE_TITLES[Stage.RESTORE], 0, event.total)
        elif isinstance(event, PhotoProgress):
            if self.bar is not None:
                self._move_bar(self.bar.n, f"{Path(event.source).name} {100 * event.share:.0f} %")
        elif isinstance(event, PhotoKept):
            self._move_bar(event.done, Path(event.target).name)
        elif isinstance(event, PhotoRestored):
            self._move_bar(event.done, Path(event.target).name)
            tqdm.write(f"{event.target}: {event.receipt}", file=sys.stdout)
        elif isinstance(event, PhotoSimulated):
            if self.bar is None:
                self._start_bar("simulating", 0, event.total)
            self._move_bar(event.done, Path(event.target).name)
        elif isinstance(event, DenoiserTried):
            if self.bar is None:
                self._start_bar("trying it", 0, event.total)
            self._move_bar(event.done, f"Wiener {event.psnr_wiener:.2f} dB, dpir {event.psnr_dpir:.2f} dB")
        elif isinstance(event, Result | DenoiserResult):
            self.close()
            self._print_result(event)
            if isinstance(event, DenoiserResult):
                print(_about_denoiser(event))
        elif not isinstance(event, KernelSnapshot | CheckpointSaved):
            self.close()

    def error(self, error: UserError) -> None:
        """What happened, why, and what to do."""
        self.close()
        if self.as_json:
            print(json.dumps({"event": "error", "what": error.what, "why": error.why, "todo": error.todo}), flush=True)
        print(str(error), file=sys.stderr)

    def close(self) -> None:
        """Ends the progress bar, if there is one."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _say(self, text: str) -> None:
        self.close()
        print(text, file=sys.stderr)

    def _start_bar(self, title: str, seen: int, total: int) -> None:
        self.close()
        self.bar = tqdm(total=total, initial=seen, desc=title, unit=" images", dynamic_ncols=True, unit_scale=True)

    def _move_bar(self, seen: int, words: str) -> None:
        if self.bar is not None:
            self.bar.set_postfix_str(words, refresh=False)
            self.bar.update(seen - self.bar.n)

    @staticmethod
    def _print_result(result: Result | DenoiserResult) -> None:
        """The numbers that are known, a line each."""
        for name, value in to_json(result).items():
            if isinstance(value, float):
                print(f"{name:20s} {value:.4f}" if value == 0 or abs(value) >= 1e-3 else f"{name:20s} {value:.2e}")


class Interruption:
    """SIGINT and SIGTERM set a flag that is read between events: an exception inside the run would save nothing.

    A second one ends the program at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise SystemExit(INTERRUPTED)
        self.asked = True
        print("\nStopping at the next update, and keeping what is done.", file=sys.stderr)


def _about_denoiser(result: DenoiserResult) -> str:
    """Where it is, and what it will be used for."""
    path = Path(result.path)
    if not result.beats_wiener:
        use = "It is no better than a Wiener filter, so it is used only where you ask for it. More time may help."
    elif path.parent == folder():
        use = f"ddm restore takes it by default, and by --denoiser {path.stem}."
    else:
        use = "ddm restore takes it by --denoiser and this file."
    return f"The denoiser is {path}. {use}"


def in_words(seconds: float) -> str:
    """'40 seconds', '8 minutes', '2.5 hours'."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
