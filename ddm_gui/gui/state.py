"""The states of a run and what the window shows in each: pure functions on frozen values, no Qt.

idle --start--> running --pause--> pausing --paused--> paused --resume--> running
running, pausing, paused --stop--> stopping; running, pausing, stopping --ended--> idle

A run that is paused may wait while photos are exported by another one; it is paused again when that has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ddm_gui.engine.events import Stage
from ddm_gui.engine.project import StageState


class Phase(StrEnum):
    """Where a run is."""

    IDLE = "idle"
    RUNNING = "running"
    PAUSING = "pausing"  # the checkpoint is being written
    PAUSED = "paused"  # memory given back; goes on from the checkpoint
    STOPPING = "stopping"  # the checkpoint is being written; the run will end


class Action(StrEnum):
    """What moves a run from one phase to another."""

    START = "start"
    PAUSE = "pause"
    PAUSED = "paused"
    RESUME = "resume"
    STOP = "stop"
    ENDED = "ended"


EDGES: dict[tuple[Phase, Action], Phase] = {
    (Phase.IDLE, Action.START): Phase.RUNNING,
    (Phase.RUNNING, Action.PAUSE): Phase.PAUSING,
    (Phase.PAUSING, Action.PAUSED): Phase.PAUSED,
    (Phase.PAUSED, Action.RESUME): Phase.RUNNING,
    (Phase.RUNNING, Action.STOP): Phase.STOPPING,
    (Phase.PAUSING, Action.STOP): Phase.STOPPING,
    (Phase.PAUSED, Action.STOP): Phase.STOPPING,
    (Phase.RUNNING, Action.ENDED): Phase.IDLE,
    (Phase.PAUSING, Action.ENDED): Phase.IDLE,
    (Phase.STOPPING, Action.ENDED): Phase.IDLE,
}


class Task(StrEnum):
    """What a run is for."""

    LEARN = "learn"
    DEMO = "demo"
    EXPORT = "export"
    DENOISER = "denoiser"


class CardState(StrEnum):
    """What a stage's card says; the value is the text."""

    NOT_STARTED = "Not started"
    WAITING = "Waiting"
    RUNNING = "Running"
    PAUSING = "Pausing…"
    PAUSED = "Paused"
    STOPPING = "Saving…"
    PARTIAL = "Stopped, can go on"
    DONE = "Done"
    STALE = "Photos or settings changed"
    FAILED = "Failed"


@dataclass(frozen=True)
class Situation:
    """All that decides what the window offers. Photo counts are None while a folder is being read."""

    phase: Phase = Phase.IDLE
    task: Task | None = None
    active: Stage | None = None
    waiting: Stage | None = None  # of a paused run, while photos are exported
    failed: Stage | None = None
    flow: StageState = StageState.ABSENT
    kernels: StageState = StageState.ABSENT
    clean: int | None = 0
    degraded: int | None = 0
    device_known: bool = False
    has_kernel: bool = False
    opened: str = ""  # the name of a lens from a file, with which photos are restored in place of the learned kernel
    closing: bool = False


@dataclass(frozen=True)
class Shown:
    """What the window shows and offers; derived, never set."""

    flow: CardState
    kernels: CardState
    start_text: str
    hint: str
    can_start: bool
    can_pause: bool
    can_stop: bool
    can_learn_again: bool
    has_lens: bool  # to be saved or compared: one that was opened, or what is learned so far
    can_export: bool
    export_tip: str  # what it would do, or why it cannot be done now
    can_demo: bool
    can_learn_denoiser: bool
    can_edit: bool  # sources, settings, project folder
    saving: bool


_CARDS = {
    StageState.ABSENT: CardState.NOT_STARTED,
    StageState.PARTIAL: CardState.PARTIAL,
    StageState.DONE: CardState.DONE,
    StageState.STALE: CardState.STALE,
}
_ACTIVE_CARDS = {
    Phase.RUNNING: CardState.RUNNING,
    Phase.PAUSING: CardState.PAUSING,
    Phase.PAUSED: CardState.PAUSED,
    Phase.STOPPING: CardState.STOPPING,
}


def after(phase: Phase, action: Action) -> Phase:
    """The phase that follows.

    Raises:
        ValueError: this action means nothing in this phase.
    """
    if (phase, action) not in EDGES:
        raise ValueError(f"a run that is {phase} cannot {action}")
    return EDGES[phase, action]


def kernel_is_finished(now: Situation) -> bool:
    """Whether the kernel of the moment is that of a whole step 2, be it with other settings than those of now."""
    return now.phase is Phase.IDLE and now.kernels in (StageState.DONE, StageState.STALE)


def kernel_words(now: Situation) -> str:
    """What photos are restored with."""
    if now.opened:
        return f"the opened lens “{now.opened}”"
    return "the learned kernel" if kernel_is_finished(now) else "the kernel learned so far"


def failed_stage(now: Situation) -> Stage | None:
    """Which stage a run that fails in this situation has not done; None where it failed after both, or was refused
    although there is a step 1."""
    if now.active is not None:
        return now.active
    if now.flow is StageState.STALE:
        return None
    if now.flow is not StageState.DONE:
        return Stage.FLOW
    return Stage.KERNELS if now.kernels is not StageState.DONE else None


def shown(now: Situation) -> Shown:
    """What the window shows in a situation."""
    idle = now.phase is Phase.IDLE and not now.closing
    learning = now.task in (Task.LEARN, Task.DEMO, Task.DENOISER)
    has_sources = bool(now.clean) and bool(now.degraded)
    ready = idle and has_sources and now.device_known
    finished = now.flow is StageState.DONE and now.kernels is StageState.DONE
    begun = StageState.PARTIAL in (now.flow, now.kernels) or (
        now.flow is StageState.DONE and now.kernels is StageState.ABSENT
    )
    paused = now.phase is Phase.PAUSED and learning and not now.closing
    can_export = (idle or paused) and (now.has_kernel or bool(now.opened)) and bool(now.degraded)
    open_run = now.phase in (Phase.RUNNING, Phase.PAUSING, Phase.PAUSED) and not now.closing
    return Shown(
        flow=_card(now, Stage.FLOW, now.flow),
        kernels=_card(now, Stage.KERNELS, now.kernels),
        start_text="Continue" if now.phase is Phase.PAUSED or (idle and begun) else "Start",
        hint=_hint(now, has_sources, finished),
        can_start=(ready and not finished) or paused,
        can_pause=now.phase is Phase.RUNNING and learning and not now.closing,
        can_stop=open_run,
        can_learn_again=ready and now.flow is StageState.DONE and now.kernels is not StageState.ABSENT,
        has_lens=now.has_kernel or bool(now.opened),
        can_export=can_export,
        export_tip=_export_tip(now, possible=can_export),
        can_demo=idle and now.device_known,
        can_learn_denoiser=idle and now.device_known and bool(now.clean),
        can_edit=idle,
        saving=now.phase is Phase.STOPPING,
    )


def _card(now: Situation, stage: Stage, kept: StageState) -> CardState:
    """One card: what the run does with the stage at the moment, else what is kept of it on the disk."""
    if now.phase is not Phase.IDLE and now.active is stage:
        return _ACTIVE_CARDS[now.phase]
    if now.waiting is stage:
        return CardState.PAUSED
    learning = now.phase is not Phase.IDLE and now.task in (Task.LEARN, Task.DEMO)
    if stage is Stage.KERNELS and ((learning and now.active is Stage.FLOW) or now.waiting is Stage.FLOW):
        return CardState.WAITING
    if learning and now.active is None and kept is not StageState.DONE:
        return CardState.WAITING
    if now.failed is stage:
        return CardState.FAILED
    return _CARDS[kept]


def _hint(now: Situation, has_sources: bool, finished: bool) -> str:
    """One sentence: what comes next, or why Start waits."""
    if now.closing:
        return "Saving, then closing…"
    if now.phase is Phase.IDLE:
        return _idle_hint(now, has_sources, finished)
    if now.phase is Phase.PAUSED:
        offer = "continue or export" if now.has_kernel else "continue"
        return f"Paused: memory is given back, nothing is lost. You can {offer} whenever you like."
    if now.phase in (Phase.PAUSING, Phase.STOPPING):
        return "Saving what is learned so far…"
    if now.task is Task.EXPORT:
        return "Saving restored photos…"
    if now.active is None and now.kernels is StageState.DONE and now.task is not Task.DENOISER:
        return "The blur is found. Finishing…"
    if now.active is None:
        return "Getting ready…"
    if now.has_kernel and now.active is Stage.KERNELS:
        return "You can pause or stop at any time; what is learned is kept. To export, pause."
    return "You can pause or stop at any time; what is learned is kept."


def _export_tip(now: Situation, *, possible: bool) -> str:
    """What the export button does, or why it waits."""
    if possible:
        return f"Restores all degraded photos into a folder, with {kernel_words(now)}"
    if not now.has_kernel and not now.opened:
        return "There is no kernel yet to restore photos with: step 2 finds it"
    if now.phase is Phase.RUNNING and now.task is not Task.EXPORT:
        return "Pause or stop the run first: then photos can be restored with the kernel learned so far"
    if now.phase is not Phase.IDLE:
        return "Wait until everything is saved"
    return "There are no degraded photos to restore"


def _idle_hint(now: Situation, has_sources: bool, finished: bool) -> str:
    if now.clean is None or now.degraded is None:
        return "Reading the photos…"
    if now.opened and now.degraded:
        return "Compare what the opened lens makes of the photos, then export them."
    if not has_sources:
        if now.opened:
            return "Drop degraded photos on the left: they are restored with the opened lens."
        missing = "two folders" if not now.clean and not now.degraded else "clean photos"
        return f"Drop {missing if now.degraded or not now.clean else 'degraded photos'} on the left to begin."
    if not now.device_known:
        return "Looking for a graphics card…"
    if now.failed is not None:
        return "The last run ended with an error. Change what is needed and press Start."
    if finished:
        return "The blur is found. Compare before and after, then export."
    return "Ready. Everything learned is saved in the project folder."
