"""The run's state machine, edge by edge, and what the window offers in each situation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ddm_gui.engine.events import Stage
from ddm_gui.engine.project import StageState
from ddm_gui.gui.state import EDGES, Action, CardState, Phase, Situation, Task, after, failed_stage, shown

READY = Situation(clean=3, degraded=2, device_known=True)
LEARNING = replace(READY, phase=Phase.RUNNING, task=Task.LEARN, active=Stage.FLOW)


def test_idle_start_running() -> None:
    assert after(Phase.IDLE, Action.START) is Phase.RUNNING


def test_running_pause_pausing() -> None:
    assert after(Phase.RUNNING, Action.PAUSE) is Phase.PAUSING


def test_pausing_paused_paused() -> None:
    assert after(Phase.PAUSING, Action.PAUSED) is Phase.PAUSED


def test_paused_resume_running() -> None:
    assert after(Phase.PAUSED, Action.RESUME) is Phase.RUNNING


def test_running_stop_stopping() -> None:
    assert after(Phase.RUNNING, Action.STOP) is Phase.STOPPING


def test_pausing_stop_stopping() -> None:
    assert after(Phase.PAUSING, Action.STOP) is Phase.STOPPING


def test_paused_stop_stopping() -> None:
    assert after(Phase.PAUSED, Action.STOP) is Phase.STOPPING


def test_running_ended_idle() -> None:
    assert after(Phase.RUNNING, Action.ENDED) is Phase.IDLE


def test_pausing_ended_idle() -> None:
    assert after(Phase.PAUSING, Action.ENDED) is Phase.IDLE


def test_stopping_ended_idle() -> None:
    assert after(Phase.STOPPING, Action.ENDED) is Phase.IDLE


@pytest.mark.parametrize("edge", [(p, a) for p in Phase for a in Action if (p, a) not in EDGES])
def test_every_other_edge_is_refused(edge: tuple[Phase, Action]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        after(*edge)


def test_an_empty_window_offers_nothing_but_sources() -> None:
    now = shown(Situation())
    assert not any((now.can_start, now.can_pause, now.can_stop, now.can_export, now.can_learn_again))
    assert now.can_edit
    assert now.hint == "Drop two folders on the left to begin."


def test_start_waits_for_the_device() -> None:
    now = shown(replace(READY, device_known=False))
    assert not now.can_start
    assert "graphics card" in now.hint


def test_one_set_is_not_enough() -> None:
    assert "degraded photos" in shown(replace(READY, degraded=0)).hint
    assert "clean photos" in shown(replace(READY, clean=0)).hint


def test_ready_offers_start() -> None:
    assert shown(READY).can_start
    assert shown(READY).start_text == "Start"


def test_a_stopped_project_offers_to_go_on() -> None:
    now = shown(replace(READY, flow=StageState.PARTIAL))
    assert (now.start_text, now.flow) == ("Continue", CardState.PARTIAL)


def test_a_finished_project_offers_step_two_again_and_export_but_no_start() -> None:
    now = shown(replace(READY, flow=StageState.DONE, kernels=StageState.DONE, has_kernel=True))
    assert now.can_learn_again
    assert now.can_export
    assert not now.can_start


def test_a_stale_step_is_marked_and_offers_start() -> None:
    now = shown(replace(READY, flow=StageState.DONE, kernels=StageState.STALE))
    assert now.kernels is CardState.STALE
    assert now.can_start


def test_learning_locks_sources_and_settings() -> None:
    now = shown(LEARNING)
    assert (now.flow, now.kernels) == (CardState.RUNNING, CardState.WAITING)
    assert now.can_pause
    assert now.can_stop
    assert not any((now.can_edit, now.can_start, now.can_export, now.can_demo))


def test_a_run_that_gets_ready_has_no_card_that_says_not_started() -> None:
    ready = replace(LEARNING, active=None)
    assert (shown(ready).flow, shown(ready).kernels) == (CardState.WAITING, CardState.WAITING)
    assert shown(replace(ready, flow=StageState.DONE)).flow is CardState.DONE


def test_after_step_two_a_demo_that_restores_photos_shows_both_steps_done() -> None:
    now = replace(LEARNING, task=Task.DEMO, active=None, flow=StageState.DONE, kernels=StageState.DONE, has_kernel=True)
    assert (shown(now).flow, shown(now).kernels) == (CardState.DONE, CardState.DONE)
    assert "Finishing" in shown(now).hint


@pytest.mark.parametrize(
    ("changes", "stage"),
    [
        ({"active": Stage.KERNELS}, Stage.KERNELS),
        ({}, Stage.FLOW),
        ({"flow": StageState.DONE}, Stage.KERNELS),
        ({"flow": StageState.DONE, "kernels": StageState.DONE}, None),
        ({"flow": StageState.STALE, "kernels": StageState.STALE}, None),
    ],
)
def test_a_failure_is_that_of_the_stage_that_is_not_done(changes: dict[str, Any], stage: Stage | None) -> None:
    assert failed_stage(replace(LEARNING, **({"active": None} | changes))) is stage


def test_a_pause_offers_to_go_on_and_to_stop() -> None:
    now = shown(replace(LEARNING, phase=Phase.PAUSED))
    assert (now.flow, now.start_text) == (CardState.PAUSED, "Continue")
    assert now.can_start
    assert now.can_stop
    assert not now.can_pause


def test_a_denoiser_needs_clean_photos_alone_and_can_be_paused_and_gone_on_with() -> None:
    only_clean = replace(READY, degraded=0)
    assert shown(only_clean).can_learn_denoiser
    assert not shown(replace(READY, clean=0)).can_learn_denoiser
    assert not shown(replace(only_clean, device_known=False)).can_learn_denoiser
    assert not shown(LEARNING).can_learn_denoiser
    learning = replace(only_clean, phase=Phase.RUNNING, task=Task.DENOISER, active=Stage.DENOISER)
    assert shown(learning).can_pause
    assert shown(learning).can_stop
    assert not shown(learning).can_edit
    assert shown(learning).flow is CardState.NOT_STARTED
    paused = shown(replace(learning, phase=Phase.PAUSED))
    assert paused.can_start
    assert paused.start_text == "Continue"


def test_while_saving_nothing_can_be_pressed() -> None:
    now = shown(replace(LEARNING, phase=Phase.STOPPING))
    assert now.saving
    assert now.flow is CardState.STOPPING
    assert not any((now.can_start, now.can_pause, now.can_stop, now.can_edit))


def test_an_export_cannot_be_paused_but_stopped() -> None:
    now = shown(replace(READY, phase=Phase.RUNNING, task=Task.EXPORT, has_kernel=True))
    assert now.can_stop
    assert not any((now.can_pause, now.can_export))


STEP_2 = replace(LEARNING, active=Stage.KERNELS, flow=StageState.DONE, has_kernel=True)
STOPPED = replace(READY, flow=StageState.DONE, kernels=StageState.PARTIAL, has_kernel=True)
EXPORTING = replace(READY, phase=Phase.RUNNING, task=Task.EXPORT, has_kernel=True)


@pytest.mark.parametrize(
    ("now", "possible", "said"),
    [
        (READY, False, "no kernel yet"),
        (LEARNING, False, "no kernel yet"),
        (replace(LEARNING, phase=Phase.PAUSED), False, "no kernel yet"),
        (STEP_2, False, "Pause or stop the run first"),
        (replace(STEP_2, task=Task.DEMO), False, "Pause or stop the run first"),
        (replace(STEP_2, phase=Phase.PAUSING), False, "Wait until everything is saved"),
        (replace(STEP_2, phase=Phase.STOPPING), False, "Wait until everything is saved"),
        (replace(STEP_2, phase=Phase.PAUSED), True, "the kernel learned so far"),
        (replace(STEP_2, phase=Phase.PAUSED, task=Task.DEMO), True, "the kernel learned so far"),
        (replace(STEP_2, phase=Phase.PAUSED, closing=True), False, "Wait until everything is saved"),
        (STOPPED, True, "the kernel learned so far"),
        (replace(STOPPED, failed=Stage.KERNELS), True, "the kernel learned so far"),
        (replace(STOPPED, degraded=0), False, "no degraded photos"),
        (replace(STOPPED, kernels=StageState.DONE), True, "Restores all degraded photos into a folder"),
        (EXPORTING, False, "Wait until everything is saved"),
        (replace(EXPORTING, waiting=Stage.KERNELS), False, "Wait until everything is saved"),
    ],
)
def test_export_is_offered_where_a_kernel_rests_and_else_says_why_not(
    now: Situation, possible: bool, said: str
) -> None:
    assert shown(now).can_export is possible
    assert said in shown(now).export_tip


def test_a_finished_kernel_is_not_called_one_so_far() -> None:
    for kept in (StageState.DONE, StageState.STALE):
        assert "so far" not in shown(replace(STOPPED, kernels=kept)).export_tip


def test_a_run_in_step_two_says_how_to_export() -> None:
    assert "To export, pause." in shown(STEP_2).hint
    assert "export" not in shown(LEARNING).hint
    assert "continue or export" in shown(replace(STEP_2, phase=Phase.PAUSED)).hint
    assert "export" not in shown(replace(LEARNING, phase=Phase.PAUSED)).hint


@pytest.mark.parametrize(
    ("stage", "flow", "kernels"),
    [(Stage.FLOW, CardState.PAUSED, CardState.WAITING), (Stage.KERNELS, CardState.DONE, CardState.PAUSED)],
)
def test_a_run_that_waits_for_an_export_is_still_paused(stage: Stage, flow: CardState, kernels: CardState) -> None:
    now = shown(replace(EXPORTING, waiting=stage, flow=StageState.DONE, kernels=StageState.PARTIAL))
    assert (now.flow, now.kernels) == (flow, kernels)
    assert now.can_stop
    assert not any((now.can_start, now.can_edit, now.can_learn_again))


def test_a_failed_stage_is_named() -> None:
    now = shown(replace(READY, failed=Stage.KERNELS))
    assert now.kernels is CardState.FAILED
    assert now.can_start


def test_closing_offers_nothing() -> None:
    now = shown(replace(LEARNING, closing=True))
    assert not any((now.can_start, now.can_pause, now.can_stop, now.can_edit))
