"""Events: frozen, and printable as one line of JSON each."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from ddm_gui.engine import events
from ddm_gui.engine.errors import UserError
from ddm_gui.engine.events import Event, KernelSnapshot, PhotoSkipped, Result, Stage, StageStarted, event_name, to_json


def test_names_are_those_of_the_classes() -> None:
    assert event_name(StageStarted(Stage.FLOW, 0, 10)) == "stage_started"
    assert event_name(Result()) == "result"
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    assert len(kinds) > 8
    assert all(kind.__doc__ for kind in kinds)


def test_the_result_is_flat_and_what_is_not_known_is_null() -> None:
    row = json.loads(json.dumps(to_json(Result(ncc=0.95, seconds=12.0))))
    assert row["event"] == "result"
    assert (row["ncc"], row["seconds"], row["psnr_after"]) == (0.95, 12.0, None)
    wanted = {"ncc_start", "ncc", "kernel_psnr", "psnr_before", "psnr_after", "psnr_true_kernel", "seconds"}
    assert wanted <= set(row)
    assert not any(isinstance(value, dict | list) for value in row.values())


def test_stages_and_arrays_become_json() -> None:
    kernels = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 2, 2)
    row = json.loads(json.dumps(to_json(KernelSnapshot(64, kernels, 0.02))))
    assert row == {
        "event": "kernel_snapshot",
        "images_seen": 64,
        "kernels": [[[[[0.0, 1.0], [2.0, 3.0]]]]],
        "noise_sigma": 0.02,
    }
    started = json.loads(json.dumps(to_json(StageStarted(Stage.KERNELS, 1, 2))))
    assert started == {"event": "stage_started", "stage": "kernels", "images_seen": 1, "images_total": 2}


def test_events_cannot_be_changed() -> None:
    event = PhotoSkipped("写真.png", "It is empty.")
    with pytest.raises(FrozenInstanceError):
        event.reason = "none"  # type: ignore[misc]
    assert json.loads(json.dumps(to_json(event)))["path"] == "写真.png"


def test_a_user_error_says_what_why_and_what_to_do() -> None:
    error = UserError("It failed.", "", "Try again.")
    assert str(error) == "It failed. Try again."
    assert (error.what, error.why, error.todo) == ("It failed.", "", "Try again.")
