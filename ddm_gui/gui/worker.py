"""A thread that pulls one run. Pause, resume and stop are plain calls from the window's thread, safe at any time."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Condition

from PySide6.QtCore import QObject, QThread, Signal

from ddm_gui.engine.events import Event
from ddm_gui.gui.state import EDGES, Action, Phase

STACK_BYTES = 16 << 20  # some systems give threads 0.5 MB, too little for torch


@dataclass(frozen=True)
class Completed:
    """The run ended by itself; `result` is what it returned."""

    result: object


@dataclass(frozen=True)
class Stopped:
    """The person stopped the run; it has saved what it keeps."""


@dataclass(frozen=True, eq=False)
class Failed:
    """The run raised; a UserError can be mended by the person, anything else is a bug."""

    error: Exception


Outcome = Completed | Stopped | Failed
Run = Callable[[], Generator[Event, None, object]]


class Worker(QThread):
    """Pulls the generator that `run` makes and ends with exactly one Outcome.

    To pause is to close the generator (it saves a checkpoint and gives its memory back); to resume is to call `run`
    again, which goes on from that checkpoint. Only this thread closes the generator.
    """

    happened = Signal(object)  # an Event, in the order in which the run yielded them
    phase_changed = Signal()  # ask `phase`: by the time this arrives there may be a newer one
    ended = Signal(object)  # the Outcome, once, after the last event

    def __init__(self, run: Run, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run = run
        self._phase = Phase.IDLE
        self._changed = Condition()
        self.setStackSize(STACK_BYTES)

    @property
    def phase(self) -> Phase:
        """Where the run is at this moment."""
        with self._changed:
            return self._phase

    def begin(self) -> None:
        """Starts the thread and the run."""
        if self._act(Action.START):
            self.start()

    def pause(self) -> bool:
        """Asks for a pause; False where the run is not running (any more)."""
        return self._act(Action.PAUSE)

    def resume(self) -> bool:
        """Goes on after a pause; False where the run is not paused."""
        return self._act(Action.RESUME)

    def stop(self) -> bool:
        """Asks the run to save and end; False where it has ended or is ending."""
        return self._act(Action.STOP)

    def run(self) -> None:
        """The thread itself; called by Qt."""
        try:
            outcome = self._pull()
        except Exception as error:
            outcome = Failed(error)
        self._act(Action.ENDED)
        self.ended.emit(outcome)

    def _pull(self) -> Outcome:
        while True:
            generator = self._run()
            try:
                while self.phase is Phase.RUNNING:
                    self.happened.emit(next(generator))
            except StopIteration as end:
                return Completed(end.value)
            finally:
                generator.close()
            if not self._waited():
                return Stopped()

    def _waited(self) -> bool:
        """Sleeps through a pause; True where the run is to go on."""
        self._act(Action.PAUSED)
        with self._changed:
            self._changed.wait_for(lambda: self._phase is not Phase.PAUSED)
            return self._phase is Phase.RUNNING

    def _act(self, action: Action) -> bool:
        with self._changed:
            if (self._phase, action) not in EDGES:
                return False
            self._phase = EDGES[self._phase, action]
            self._changed.notify_all()
        self.phase_changed.emit()
        return True
