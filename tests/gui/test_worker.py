"""Every way through a worker: events in order, one outcome, and the generator closed by the thread that pulls it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import pytest
from PySide6.QtCore import QObject, Slot
from pytestqt.qtbot import QtBot

from ddm_gui.engine.blur.psf import PsfGrid
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, FlowProgress, Note
from ddm_gui.gui.state import Phase
from ddm_gui.gui.worker import Completed, Failed, Outcome, Stopped, Worker

from .conftest import SmallRun


class Listener(QObject):
    """Keeps what a worker tells."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.worker = worker
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.phases: list[Phase] = []
        worker.happened.connect(self.hear)
        worker.ended.connect(self.end)
        worker.phase_changed.connect(self.change)

    @Slot(object)
    def hear(self, event: Event) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert not self.outcomes, "an event after the end"
        self.events.append(event)

    @Slot(object)
    def end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @Slot()
    def change(self) -> None:
        self.phases.append(self.worker.phase)


class Gate:
    """Lets a run go on one update at a time, so that a test knows where it is."""

    def __init__(self) -> None:
        self._permits = threading.Semaphore(0)

    def __call__(self) -> None:
        assert self._permits.acquire(timeout=10)

    def open(self, updates: int) -> None:
        for _ in range(updates):
            self._permits.release()


def started(run: Callable[[], Generator[Event, None, object]]) -> tuple[Worker, Listener]:
    worker = Worker(run)
    listener = Listener(worker)
    worker.begin()
    return worker, listener


def finish(qtbot: QtBot, worker: Worker, listener: Listener) -> Outcome:
    qtbot.waitUntil(lambda: bool(listener.outcomes), timeout=10_000)
    assert worker.wait(5000)
    qtbot.wait(20)
    assert len(listener.outcomes) == 1
    assert worker.phase is Phase.IDLE
    return listener.outcomes[0]


def test_running_ended_idle_completed_with_the_result(qtbot: QtBot) -> None:
    worker, listener = started(SmallRun())
    outcome = finish(qtbot, worker, listener)
    assert isinstance(outcome, Completed)
    assert isinstance(outcome.result, PsfGrid)
    seen = [event.images_seen for event in listener.events if isinstance(event, FlowProgress)]
    assert seen == [1, 2, 3, 4, 5, 6]


def test_running_stop_saves_and_ends_stopped(qtbot: QtBot) -> None:
    gate = Gate()
    run = SmallRun(1000, gate)
    worker, listener = started(run)
    gate.open(3)
    qtbot.waitUntil(lambda: len(listener.events) == 4, timeout=10_000)
    assert worker.stop()
    assert not worker.stop()
    gate.open(1000)
    assert finish(qtbot, worker, listener) == Stopped()
    assert len(run.saves) == 1


def test_pause_closes_the_generator_and_resume_makes_it_anew(qtbot: QtBot) -> None:
    gate = Gate()
    run = SmallRun(5, gate)
    worker, listener = started(run)
    gate.open(2)
    qtbot.waitUntil(lambda: len(listener.events) == 3, timeout=10_000)
    assert worker.pause()
    gate.open(1)
    qtbot.waitUntil(lambda: worker.phase is Phase.PAUSED, timeout=10_000)
    assert run.saves == [3]
    assert not worker.pause()
    assert worker.resume()
    gate.open(10)
    assert isinstance(finish(qtbot, worker, listener), Completed)
    assert run.starts == 2
    seen = [event.images_seen for event in listener.events if isinstance(event, FlowProgress)]
    assert seen == [1, 2, 3, 4, 5]


def test_paused_stop_ends_stopped(qtbot: QtBot) -> None:
    gate = Gate()
    worker, listener = started(SmallRun(1000, gate))
    worker.pause()
    gate.open(2)
    qtbot.waitUntil(lambda: worker.phase is Phase.PAUSED, timeout=10_000)
    assert worker.stop()
    assert finish(qtbot, worker, listener) == Stopped()


def test_pausing_stop_ends_stopped(qtbot: QtBot) -> None:
    gate = Gate()
    worker, listener = started(SmallRun(1000, gate))
    qtbot.waitUntil(lambda: bool(listener.events), timeout=10_000)
    assert worker.pause()
    assert worker.phase is Phase.PAUSING
    assert worker.stop()
    gate.open(10)
    assert finish(qtbot, worker, listener) == Stopped()
    assert Phase.PAUSED not in listener.phases


def test_pausing_ended_completes_where_the_run_was_at_its_end(qtbot: QtBot) -> None:
    gate = threading.Event()

    def run() -> Generator[Event, None, int]:
        yield Note("only")
        assert gate.wait(10)
        return 7

    worker, listener = started(run)
    qtbot.waitUntil(lambda: bool(listener.events), timeout=10_000)
    assert worker.pause()
    gate.set()
    assert finish(qtbot, worker, listener) == Completed(7)


@pytest.mark.parametrize("error", [UserError("The folder is empty."), RuntimeError("a bug")])
def test_running_ended_idle_failed_with_the_error(qtbot: QtBot, error: Exception) -> None:
    def run() -> Generator[Event, None, None]:
        yield Note("first")
        raise error

    worker, listener = started(run)
    outcome = finish(qtbot, worker, listener)
    assert isinstance(outcome, Failed)
    assert outcome.error is error
    assert listener.events == [Note("first")]


def test_a_save_that_fails_is_told(qtbot: QtBot) -> None:
    gate = Gate()

    def run() -> Generator[Event, None, None]:
        try:
            while True:
                gate()
                yield Note("on")
        except GeneratorExit:
            raise UserError("The disk is full.") from None

    worker, listener = started(run)
    gate.open(1)
    qtbot.waitUntil(lambda: bool(listener.events), timeout=10_000)
    worker.stop()
    gate.open(1)
    assert isinstance(finish(qtbot, worker, listener), Failed)


def test_the_thread_that_pulls_is_the_one_that_closes(qtbot: QtBot) -> None:
    threads: list[int] = []
    gate = Gate()

    def run() -> Generator[Event, None, None]:
        threads.append(threading.get_ident())
        try:
            while True:
                gate()
                yield Note("on")
        except GeneratorExit:
            threads.append(threading.get_ident())
            raise

    worker, listener = started(run)
    gate.open(1)
    qtbot.waitUntil(lambda: bool(listener.events), timeout=10_000)
    worker.stop()
    gate.open(1)
    finish(qtbot, worker, listener)
    assert len(threads) == 2
    assert threads[0] == threads[1] != threading.get_ident()


def test_resume_and_pause_mean_nothing_before_the_start() -> None:
    worker = Worker(SmallRun())
    assert not worker.pause()
    assert not worker.resume()
    assert not worker.stop()
